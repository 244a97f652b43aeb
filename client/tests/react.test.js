import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { createDom } from "./support/dom.js";
import { createFakeClient } from "./support/fake-client.js";

// React looks for a document when it is loaded.
const dom = createDom();
const React = await import("react");
const { createRoot, hydrateRoot } = await import("react-dom/client");
const { renderToString } = await import("react-dom/server");
const { PgbellProvider, useClient, useConnectionStatus, useRoom, useRoomState, useVisibleRoom } = await import("../src/react/index.js");
const act = React.act ?? (await import("react-dom/test-utils")).act;
const h = React.createElement;

let client, control, container, root, errors;
beforeEach(() => {
  client = createFakeClient();
  control = client.control;
  container = dom.root();
  root = createRoot(container);
  errors = mock.method(console, "error", () => {});
});
afterEach(async () => {
  await act(async () => root.unmount());
  assert.deepEqual(errors.mock.calls.map(({ arguments: [message] }) => message), []);
  assert.deepEqual(control.rooms(), []);
  assert.equal(control.listenerCount(), 0);
  mock.restoreAll();
});

const render = (element) => act(async () => root.render(h(PgbellProvider, { client }, element)));

describe("useRoom", () => {
  const Page = ({ room, listener, options }) => void useRoom(room, listener, options) ?? null;

  test("joins while mounted, and once in StrictMode", async () => {
    await render(h(React.StrictMode, null, h(Page, { room: "product:42" }), h(Page, { room: "product:42" })));
    assert.deepEqual(control.rooms(), ["product:42"]);
    assert.equal(control.members("product:42").length, 2);
    await render(null);
    assert.deepEqual(control.rooms(), []);
  });

  test("takes several rooms or none, and compares them by name", async () => {
    const subscribe = mock.method(client, "subscribe");
    await render(h(Page, { room: ["product:1", "product:2"] }));
    await render(h(Page, { room: ["product:1", "product:2"] }));
    assert.equal(subscribe.mock.callCount(), 1);
    await render(h(Page, { room: ["product:2", "product:3"] }));
    assert.deepEqual(control.rooms(), ["product:2", "product:3"]);
    for (const room of [null, undefined, []]) {
      await render(h(Page, { room }));
      assert.deepEqual(control.rooms(), []);
    }
  });

  test("calls the listener of the latest render, without subscribing or rendering again", async () => {
    const heard = [];
    let renders = 0;
    const Counted = ({ name }) => {
      renders++;
      useRoom("product:42", (notice) => heard.push([name, notice.type]), { throttle: 500 });
      return null;
    };
    const subscribe = mock.method(client, "subscribe");
    await render(h(Counted, { name: "first" }));
    await render(h(Counted, { name: "second" }));
    control.live();
    await act(async () => {
      control.change("product:42");
      control.resync("product:42");
    });
    assert.deepEqual(heard, [["second", "invalidate"], ["second", "resync"]]);
    assert.equal(subscribe.mock.callCount(), 1);
    assert.equal(control.members("product:42")[0].options.throttle, 500);
    assert.equal(renders, 2);
  });

  test("without a listener leaves the telling to others", async () => {
    await render(h(Page, { room: "product:42" }));
    assert.equal(control.members("product:42")[0].listener, null);
  });

  test("subscribes again when its options change, and for another user", async () => {
    await render(h(Page, { room: "product:42", options: { throttle: 500 } }));
    await render(h(Page, { room: "product:42", options: { throttle: 0, since: "p1" } }));
    const [{ options }] = control.members("product:42");
    assert.equal(options.throttle, 0);
    assert.equal(options.since, "p1");
    await act(async () => control.user("berta"));
    assert.equal(control.members("product:42").length, 1);
  });

  test("needs a provider, and says so", () => {
    const Bare = () => void useClient();
    assert.throws(() => renderToString(h(Bare)), /PgbellProvider/);
    errors.mock.resetCalls();
  });
});

describe("useVisibleRoom", () => {
  const Card = ({ id, room = `product:${id}` }) => h("div", { id: `card${id}`, ref: useVisibleRoom(room) });
  const cards = (...ids) => h(React.StrictMode, null, ids.map((id) => h(Card, { key: id, id })));

  test("is in the rooms of what is in view, with one observer for all", async () => {
    const before = dom.observers.length;
    await render(cards(1, 2, 3));
    assert.deepEqual(control.rooms(), []);
    await act(async () => dom.view(true, "card1", "card2"));
    assert.deepEqual(control.rooms(), ["product:1", "product:2"]);
    await act(async () => {
      dom.view(false, "card1");
      dom.view(true, "card3");
    });
    assert.deepEqual(control.rooms(), ["product:2", "product:3"]);
    assert.ok(dom.observers.length - before <= 1);
    assert.equal(dom.observers[0].options.rootMargin, "200px");
  });

  test("stops watching an element that is gone", async () => {
    await render(cards(1, 2));
    await act(async () => dom.view(true, "card1", "card2"));
    await render(cards(2));
    assert.deepEqual(control.rooms(), ["product:2"]);
    assert.deepEqual([...dom.observers[0].elements].map(({ id }) => id), ["card2"]);
    await render(null);
    assert.equal(dom.observers[0].elements.size, 0);
  });

  test("changes rooms with the element still in view", async () => {
    await render(h(Card, { id: 1 }));
    await act(async () => dom.view(true, "card1"));
    await render(h(Card, { id: 1, room: "variant:7" }));
    assert.deepEqual(control.rooms(), ["variant:7"]);
  });

  test("watches one element for two", async () => {
    const Both = () => {
      const one = useVisibleRoom("product:1");
      const two = useVisibleRoom("seller:1");
      const both = React.useCallback((element) => [one, two].forEach((ref) => ref(element)), [one, two]);
      return h("div", { id: "both", ref: both });
    };
    await render(h(Both));
    await act(async () => dom.view(true, "both"));
    assert.deepEqual(control.rooms(), ["product:1", "seller:1"]);
  });

  test("joins at once where nothing can tell what is in view", async () => {
    const { IntersectionObserver } = globalThis;
    delete globalThis.IntersectionObserver;
    try {
      await render(h(Card, { id: 1 }));
      assert.deepEqual(control.rooms(), ["product:1"]);
      await render(null);
      assert.deepEqual(control.rooms(), []);
    } finally {
      globalThis.IntersectionObserver = IntersectionObserver;
    }
  });
});

describe("states", () => {
  test("of the connection and of a room are rendered as they change", async () => {
    let renders = 0;
    const Badge = () => {
      renders++;
      return `${useConnectionStatus().state} ${useRoomState("product:42").state} ${useRoomState(null).state}`;
    };
    await render(h(Badge));
    assert.equal(container.textContent, "connected idle idle");
    let leave;
    await act(async () => void (leave = client.subscribe("product:42", null)));
    assert.equal(container.textContent, "connected joining idle");
    await act(async () => control.live());
    await act(async () => control.status({ state: "reconnecting" }));
    assert.equal(container.textContent, "reconnecting live idle");
    const before = renders;
    await act(async () => control.change("product:42"));
    assert.equal(renders, before);
    await act(async () => leave());
  });

  test("are the same on the server and in the first render of the browser", async () => {
    const Page = () => {
      useRoom("product:42");
      return h("p", { ref: useVisibleRoom("product:43") }, `${useConnectionStatus().state} ${useRoomState("product:42").state}`);
    };
    const page = h(React.StrictMode, null, h(PgbellProvider, { client }, h(Page)));
    container = dom.root();
    container.innerHTML = renderToString(page);
    assert.equal(container.textContent, "idle idle");
    assert.deepEqual(control.rooms(), []);
    const recovered = [];
    await act(async () => {
      root.unmount();
      root = hydrateRoot(container, page, { onRecoverableError: (error) => recovered.push(error) });
    });
    assert.deepEqual(recovered, []);
    assert.equal(container.textContent, "connected joining");
  });
});
