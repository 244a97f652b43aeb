import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { InfiniteQueryObserver, QueryClient, skipToken } from "@tanstack/query-core";
import { bindQueryClient } from "../src/query/index.js";
import { createFakeClient } from "./support/fake-client.js";
import { createPage, createServer, fakeDocument, mount, settled } from "./support/page.js";

let client, control, queryClient, server, unbind;
const byRoom = { rooms: ([kind, id]) => `${kind}:${id}` };
const byKeys = { keys: { product: ({ id }) => [["product", id], ["products"]], seller: ({ id }) => [["seller", id]] } };

function bind(options, queries) {
  queryClient = createPage(queries);
  unbind = bindQueryClient(client, queryClient, options);
}

beforeEach(() => {
  client = createFakeClient();
  control = client.control;
  server = createServer();
});

afterEach(() => {
  unbind?.();
  queryClient?.clear();
});

/** A query that was fetched once its room was live. */
async function fresh(name, options) {
  const one = mount(queryClient, server, name, options);
  control.live();
  await server.calm();
  server.requests.length = 0;
  return one;
}

describe("rooms that a query names", () => {
  test("are joined with its first observer and left with the last", async () => {
    bind(byRoom);
    const first = mount(queryClient, server, "product:42");
    const second = mount(queryClient, server, "product:42");
    assert.deepEqual(control.rooms(), ["product:42"]);
    assert.equal(control.members("product:42").length, 1);
    first.unmount();
    await settled();
    assert.deepEqual(control.rooms(), ["product:42"]);
    second.unmount();
    await settled();
    assert.deepEqual(control.rooms(), []);
  });

  test("may come with meta, and may be several", () => {
    bind({});
    mount(queryClient, server, "basket:7", { meta: { rooms: ["cart:7", "product:1"] } });
    assert.deepEqual(control.rooms(), ["cart:7", "product:1"]);
  });

  test("are kept by a component that unmounts and mounts at once, as in StrictMode", async () => {
    bind(byRoom);
    const seen = [];
    client.on("room", (room, { state }) => seen.push(state));
    mount(queryClient, server, "product:42").unmount();
    mount(queryClient, server, "product:42");
    await settled();
    assert.deepEqual(seen, ["joining"]);
  });

  test("follow the data", async () => {
    bind({ rooms: (key, query) => ["cart:7", ...(query.state.data?.is ?? []).map((id) => `product:${id}`)] });
    server.set("cart:7", [1, 2]);
    mount(queryClient, server, "cart:7");
    await server.calm();
    assert.deepEqual(control.rooms(), ["cart:7", "product:1", "product:2"]);
    control.live();
    server.set("cart:7", [2]);
    control.change("cart:7");
    await server.calm();
    assert.deepEqual(control.rooms(), ["cart:7", "product:2"]);
  });

  test("are not joined for a query that is disabled", async () => {
    bind(byRoom);
    const { observer } = mount(queryClient, server, "product:42", { enabled: false });
    mount(queryClient, server, "product:43", { queryFn: skipToken });
    assert.deepEqual(control.rooms(), []);
    observer.setOptions({ ...observer.options, enabled: true });
    assert.deepEqual(control.rooms(), ["product:42"]);
    observer.setOptions({ ...observer.options, enabled: false });
    await settled();
    assert.deepEqual(control.rooms(), []);
  });

  test("are joined for queries that were there before the binding", async () => {
    queryClient = createPage();
    const one = mount(queryClient, server, "product:42");
    await server.calm();
    unbind = bindQueryClient(client, queryClient, byRoom);
    control.live();
    server.set("product:42", "new");
    await server.calm();
    assert.equal(one.data(), "new");
  });

  test("are all left by unbinding, which leaves no listener behind", () => {
    bind(byRoom);
    mount(queryClient, server, "product:42");
    unbind();
    assert.deepEqual(control.rooms(), []);
    assert.equal(control.listenerCount(), 0);
    assert.equal(queryClient.getQueryCache().hasListeners(), false);
  });

  test("of somebody else are joined anew, and what the first user fetched is fetched again", async () => {
    bind({ ...byRoom, cursor: () => "p1" });
    const one = await fresh("product:42");
    control.user("berta");
    assert.deepEqual(control.rooms(), ["product:42"]);
    assert.equal(control.members("product:42")[0].options.since, undefined);
    server.set("product:42", "Berta's");
    control.live();
    await server.calm();
    assert.equal(one.data(), "Berta's");
  });
});

test("what was asked for before somebody else came is not taken for his", async () => {
  bind({ ...byRoom, cursor: (query) => query.state.data?.cursor });
  mount(queryClient, server, "product:42", { queryFn: async () => ({ ...(await server.fetch("product:42")), cursor: "p1" }) });
  await settled();
  control.user("berta");
  await server.calm();
  control.live();
  await server.calm();
  assert.equal(server.count("product:42"), 2);
});

describe("a notice", () => {
  test("fetches exactly the queries of its room", async () => {
    bind(byRoom);
    const one = mount(queryClient, server, "product:42");
    await fresh("product:43");
    server.set("product:42", "new");
    control.change("product:42");
    await server.calm();
    assert.equal(one.data(), "new");
    assert.equal(server.count("product:43"), 0);
  });

  test("during the first fetch causes one more", async () => {
    bind(byRoom);
    const one = mount(queryClient, server, "product:42");
    control.joining("product:42");
    control.live();
    server.set("product:42", "new");
    control.change("product:42");
    await settled();
    assert.equal(server.open().length, 1);
    await server.calm();
    assert.equal(one.data(), "new");
    assert.equal(server.count("product:42"), 2);
  });

  test("during a later fetch causes one more, however many notices there are", async () => {
    bind(byRoom);
    const one = await fresh("product:42");
    control.change("product:42");
    await settled();
    for (let turn = 0; turn < 5; turn++) {
      server.set("product:42", turn);
      control.change("product:42");
      await settled();
      assert.equal(server.open().length, 1);
    }
    await server.calm();
    assert.equal(one.data(), 4);
    assert.equal(server.count("product:42"), 2);
  });

  test("during a fetch that fails causes one more", async () => {
    bind(byRoom);
    const one = await fresh("product:42");
    control.change("product:42");
    await settled();
    server.set("product:42", "new");
    control.change("product:42");
    await settled();
    server.open()[0].fail();
    await server.calm();
    assert.equal(one.data(), "new");
  });

  test("is made up for when the fetch it caused was cancelled", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      bind(byRoom);
      const one = mount(queryClient, server, "product:42");
      control.live();
      const turn = async () => {
        for (let step = 0; step < 50; step++) await Promise.resolve();
        mock.timers.tick(1);
      };
      const calm = async () => {
        for (let step = 0; step < 5; step++) {
          await turn();
          server.open().forEach((request) => request.answer());
        }
      };
      await calm();
      server.set("product:42", "new");
      control.change("product:42");
      await turn();
      assert.equal(server.open().length, 1);
      const before = server.count("product:42");
      // As an optimistic update does it, in either order.
      queryClient.setQueryData(["product", "42"], { is: "hoped for" });
      queryClient.cancelQueries({ queryKey: ["product"] });
      await turn();
      await turn();
      assert.equal(server.count("product:42"), before, "whoever cancels has a reason");
      mock.timers.tick(1000);
      await calm();
      assert.equal(one.data(), "new");
    } finally {
      mock.timers.reset();
    }
  });

  test("during the fetch of one page fetches all pages", async () => {
    bind(byRoom);
    const observer = new InfiniteQueryObserver(queryClient, {
      queryKey: ["product", "list"],
      queryFn: ({ pageParam }) => server.fetch(`page${pageParam}`),
      initialPageParam: 1,
      getNextPageParam: (_, pages) => pages.length + 1,
    });
    observer.subscribe(() => {});
    control.live();
    await server.calm();
    // The fetch that makes up for a change is itself given up for one of a further page.
    server.set("page1", "new");
    control.change("product:list");
    await settled();
    observer.fetchNextPage();
    await server.calm();
    assert.deepEqual(observer.getCurrentResult().data.pages.map((page) => page.is), ["new", null]);
    observer.fetchNextPage();
    await settled();
    server.set("page1", "newer");
    control.change("product:list");
    await server.calm();
    assert.deepEqual(observer.getCurrentResult().data.pages.map((page) => page.is), ["newer", null, null]);
    server.requests.length = 0;
    observer.fetchNextPage();
    await server.calm();
    assert.deepEqual(server.requests.map(({ name }) => name), ["page4"]);
  });

  test("marks what nothing uses, so that it is fetched once it is used, whatever its staleTime", async () => {
    bind(byRoom);
    const one = await fresh("product:42");
    const other = mount(queryClient, server, "product:42", { queryKey: ["product", "42", "other"] });
    await server.calm();
    one.unmount();
    await settled();
    server.requests.length = 0;
    server.set("product:42", "new");
    control.change("product:42");
    await server.calm();
    assert.equal(other.data(), "new");
    assert.equal(server.requests.length, 1);
    const again = mount(queryClient, server, "product:42", { refetchOnMount: false });
    await server.calm();
    assert.equal(again.data(), "new");
  });

  test("never fetches a disabled query, and does once it is enabled", async () => {
    bind(byKeys);
    client.subscribe("product:42", null);
    const { observer, data } = await fresh("product:42");
    observer.setOptions({ ...observer.options, enabled: false });
    server.set("product:42", "new");
    control.change("product:42");
    await server.calm();
    assert.equal(server.requests.length, 0);
    observer.setOptions({ ...observer.options, enabled: true });
    await server.calm();
    assert.equal(data(), "new");
  });

  test("of own writes only is passed over where the page says so", async () => {
    bind({ ...byRoom, own: "skip" });
    await fresh("product:42");
    control.change("product:42", { own: true });
    await server.calm();
    assert.equal(server.requests.length, 0);
    const change = (own) => ({ entity: "product", id: "42", op: "update", events: [], count: 1, at: "", own });
    control.tell("product:42", { type: "invalidate", changes: [change(true), change(false)], replayed: false });
    await server.calm();
    assert.equal(server.requests.length, 1);
  });

  test("of own writes is like any other otherwise", async () => {
    bind(byRoom);
    await fresh("product:42");
    control.change("product:42", { own: true });
    await server.calm();
    assert.equal(server.requests.length, 1);
  });

  test("after unbinding does nothing", async () => {
    bind(byRoom);
    await fresh("product:42");
    client.subscribe("product:42", null);
    unbind();
    control.live();
    control.change("product:42");
    await server.calm();
    assert.equal(server.requests.length, 0);
  });
});

describe("keys", () => {
  /** A room that a component joined. */
  const join = (room) => {
    const leave = client.subscribe(room, null);
    control.live(room);
    return leave;
  };

  test("are prefixes, found by entity, event or kind of room", async () => {
    bind({
      keys: {
        product: ({ entity, id, room, change }) => [[entity, id], ["seen", room, change?.op]],
        "product:price_changed": () => [["prices"]],
        shop: ({ id }) => [["dashboard", Number(id)]],
      },
    });
    join("shop_5");
    for (const queryKey of [["product", "42", "details"], ["product", "43"], ["seen", "shop_5", "update"], ["prices", "all"], ["dashboard", 5], ["other"]]) {
      mount(queryClient, server, queryKey.join(), { queryKey });
    }
    await server.calm();
    server.requests.length = 0;
    control.change("shop_5", { entity: "product", id: "42", events: ["product:price_changed"] });
    await server.calm();
    assert.deepEqual(server.requests.map(({ name }) => name).sort(), ["dashboard,5", "prices,all", "product,42,details", "seen,shop_5,update"]);
  });

  test("are not misled by what every object inherits", async () => {
    bind(byKeys);
    join("constructor:1");
    await fresh("product:42");
    control.change("constructor:1", { entity: "toString", id: "1", events: ["valueOf"] });
    await server.calm();
    assert.equal(server.requests.length, 0);
  });

  test("name the room itself on a resync", async () => {
    bind(byKeys);
    join("seller:3");
    mount(queryClient, server, "seller:3");
    mount(queryClient, server, "seller:4");
    await server.calm();
    server.requests.length = 0;
    control.resync("seller:3");
    await server.calm();
    assert.deepEqual(server.requests.map(({ name }) => name), ["seller:3"]);
  });

  test("that do not know a room fetch all that is used on its resync, unless they say that nothing depends on it", async () => {
    bind({ keys: { ...byKeys.keys, buyers: () => [] } });
    join("storefront:3");
    join("buyers");
    mount(queryClient, server, "product:42");
    mount(queryClient, server, "unused:1").unmount();
    await server.calm();
    server.requests.length = 0;
    control.resync("buyers");
    await server.calm();
    assert.equal(server.requests.length, 0);
    control.resync("storefront:3");
    await server.calm();
    assert.deepEqual(server.requests.map(({ name }) => name), ["product:42"]);
  });
});

for (const [how, options, join] of [
  ["by rooms", byRoom, () => {}],
  ["by keys", byKeys, (room) => client.subscribe(room, null)],
]) {
  describe(`data from before its room was live, ${how}`, () => {
    test("is fetched once more, and only once", async () => {
      bind(options);
      join("product:42");
      const one = mount(queryClient, server, "product:42");
      await server.calm();
      server.set("product:42", "new");
      control.live("product:42");
      await server.calm();
      assert.equal(one.data(), "new");
      control.joining("product:42");
      control.live("product:42");
      await server.calm();
      assert.equal(server.count("product:42"), 2);
    });

    test("is fetched once more when the fetch ends after that", async () => {
      bind(options);
      join("product:42");
      const one = mount(queryClient, server, "product:42");
      await settled();
      server.set("product:42", "new");
      control.live("product:42");
      await server.calm();
      assert.equal(one.data(), "new");
      assert.equal(server.count("product:42"), 2);
    });

    test("is fetched when it is used again and the room is live already", async () => {
      bind(options);
      join("product:42");
      const one = mount(queryClient, server, "product:42");
      await server.calm();
      one.unmount();
      await settled();
      client.subscribe("product:42", null);
      control.live("product:42", { fresh: true });
      server.set("product:42", "new");
      const again = mount(queryClient, server, "product:42");
      await server.calm();
      assert.equal(again.data(), "new");
    });

    test("is not fetched again where the fetch began later", async () => {
      bind(options);
      join("product:42");
      client.subscribe("product:42", null);
      control.live("product:42");
      mount(queryClient, server, "product:42");
      await server.calm();
      assert.equal(server.count("product:42"), 1);
    });

    test("is not fetched again when it is used again, as long as everything was told", async () => {
      bind(options);
      join("product:42");
      const one = await fresh("product:42");
      one.unmount();
      await settled();
      mount(queryClient, server, "product:42");
      control.live("product:42");
      await server.calm();
      assert.equal(server.requests.length, 0);
    });
  });
}

describe("a cursor", () => {
  const withCursor = { ...byRoom, cursor: (query) => query.state.data?.cursor };
  const hydrate = (cursor, updatedAt) => queryClient.setQueryData(["product", "42"], { is: "old", cursor }, { updatedAt });

  test("is what the rooms of a hydrated query are joined with, and saves the second fetch", async () => {
    bind(withCursor);
    hydrate("p1");
    mount(queryClient, server, "product:42");
    assert.equal(control.members("product:42")[0].options.since, "p1");
    control.live();
    await server.calm();
    assert.equal(server.requests.length, 0);
  });

  test("of data that came while the room was joined is asked for once it is live", async () => {
    bind(withCursor);
    mount(queryClient, server, "product:42", { queryFn: async () => ({ ...(await server.fetch("product:42")), cursor: "p2" }) });
    await server.calm();
    control.live();
    await server.calm();
    assert.equal(control.members("product:42").length, 1);
    assert.equal(control.members("product:42")[0].options.since, "p2");
    assert.equal(server.count("product:42"), 1);
  });

  test("that the client cannot ask for is told to whoever brought it", async () => {
    bind(withCursor);
    client.subscribe("product:42", null);
    control.live();
    hydrate("p1");
    mount(queryClient, server, "product:42");
    control.members("product:42")[1].listener({ type: "resync", room: "product:42", reason: "unproven", spreadMs: 2000 });
    await server.calm();
    assert.equal(server.count("product:42"), 1);
  });

  test("that is missing is no excuse", async () => {
    bind(withCursor);
    hydrate(undefined);
    mount(queryClient, server, "product:42");
    control.live();
    await server.calm();
    assert.equal(server.count("product:42"), 1);
  });
});

test("data that is hydrated into a query whose room is live is not taken for fresh", async () => {
  bind(byRoom);
  const one = await fresh("product:42");
  server.set("product:42", "new");
  one.observer.getCurrentQuery().setState({ data: { is: "from the server's cache" }, dataUpdatedAt: Date.now() + 1000, status: "success" });
  await server.calm();
  assert.equal(one.data(), "new");
});

describe("a hidden tab", () => {
  let page;
  beforeEach(() => {
    page = fakeDocument();
    mock.method(Math, "random", () => 0);
  });
  afterEach(() => {
    page.restore();
    mock.restoreAll();
  });

  test("only marks, and fetches each query once when it is seen again", async () => {
    bind(byRoom);
    const one = await fresh("product:42");
    page.show("hidden");
    for (let turn = 0; turn < 1000; turn++) {
      server.set("product:42", turn);
      control.change("product:42");
    }
    await server.calm();
    assert.equal(server.requests.length, 0);
    assert.equal(one.observer.getCurrentResult().isStale, true);
    page.show("visible");
    await server.calm();
    assert.equal(server.requests.length, 1);
    assert.equal(one.data(), 999);
  });

  test("waits a moment of its own until it fetches", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      Math.random.mock.mockImplementation(() => 0.5);
      bind(byRoom);
      const turn = async () => {
        for (let step = 0; step < 50; step++) await Promise.resolve();
      };
      page.show("hidden");
      mount(queryClient, server, "product:42");
      control.live();
      await turn();
      server.open()[0].answer();
      await turn();
      page.show("visible");
      mock.timers.tick(249);
      await turn();
      assert.equal(server.count("product:42"), 1);
      mock.timers.tick(1);
      await turn();
      assert.equal(server.count("product:42"), 2);
    } finally {
      mock.timers.reset();
    }
  });

  test("is not watched after unbinding", () => {
    const remove = mock.method(document, "removeEventListener");
    const add = mock.method(document, "addEventListener");
    bind(byRoom);
    unbind();
    const seen = (spy) => spy.mock.calls.filter(({ arguments: [name] }) => name === "visibilitychange").map(({ arguments: [, listener] }) => listener);
    assert.ok(seen(remove).includes(seen(add)[0]));
  });

  test("fetches where the page wants it", async () => {
    bind({ ...byRoom, hidden: "refetch" });
    await fresh("product:42");
    page.show("hidden");
    control.change("product:42");
    await server.calm();
    assert.equal(server.requests.length, 1);
  });
});

describe("a resync", () => {
  test("fetches what is used at once, and what is beyond a screenful within its time", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    mock.method(Math, "random", () => 0.5);
    try {
      bind({});
      const cards = Array.from({ length: 30 }, (_, index) => `card:${index}`);
      for (const card of cards) mount(queryClient, server, card, { meta: { rooms: card } });
      control.live();
      const turn = async () => {
        for (let step = 0; step < 100; step++) await Promise.resolve();
      };
      await turn();
      server.open().forEach((request) => request.answer());
      await turn();
      server.open().forEach((request) => request.answer());
      await turn();
      server.requests.length = 0;
      for (const card of cards) control.resync(card, 2000);
      await turn();
      assert.equal(server.requests.length, 10);
      mock.timers.tick(999);
      await turn();
      assert.equal(server.requests.length, 10);
      mock.timers.tick(1);
      await turn();
      assert.equal(server.requests.length, 30);
    } finally {
      mock.timers.reset();
      mock.restoreAll();
    }
  });
});

describe("a lost connection", () => {
  test("is bridged by fetching every now and then where the page wants it", async () => {
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
    mock.method(Math, "random", () => 0.5);
    try {
      bind({ ...byRoom, fallback: 10000 });
      const one = mount(queryClient, server, "product:42");
      control.live();
      const turn = async () => {
        for (let step = 0; step < 50; step++) await Promise.resolve();
        server.open().forEach((request) => request.answer());
        for (let step = 0; step < 50; step++) await Promise.resolve();
      };
      await turn();
      await turn();
      server.requests.length = 0;
      control.joining("product:42");
      control.status({ lost: true, live: false });
      for (let time = 1; time <= 3; time++) {
        mock.timers.tick(9999);
        await turn();
        assert.equal(server.requests.length, time - 1);
        mock.timers.tick(1);
        await turn();
        assert.equal(server.requests.length, time);
      }
      control.status({ lost: false, live: true });
      mock.timers.tick(60000);
      await turn();
      assert.equal(server.requests.length, 3);
      one.unmount();
    } finally {
      mock.timers.reset();
      mock.restoreAll();
    }
  });

  test("is not bridged otherwise", async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      bind(byRoom);
      control.status({ lost: true });
      mock.timers.tick(1e6);
      await Promise.resolve();
      assert.equal(server.requests.length, 0);
    } finally {
      mock.timers.reset();
    }
  });
});

test("throttle lets a query be fetched at most once in its time, and the last change is fetched", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    bind({ ...byRoom, throttle: () => 1000 });
    client.subscribe("product:42", null);
    control.live();
    const one = mount(queryClient, server, "product:42");
    const turn = async () => {
      for (let step = 0; step < 50; step++) await Promise.resolve();
      server.open().forEach((request) => request.answer());
      for (let step = 0; step < 50; step++) await Promise.resolve();
    };
    await turn();
    mock.timers.tick(5000);
    await turn();
    server.requests.length = 0;
    for (let step = 0; step < 5000; step += 10) {
      server.set("product:42", step);
      control.change("product:42");
      await turn();
      mock.timers.tick(10);
    }
    assert.equal(server.requests.length, 5);
    mock.timers.tick(1000);
    await turn();
    mock.timers.tick(1);
    assert.equal(one.data(), 4990);
  } finally {
    mock.timers.reset();
  }
});

test("a query that waits for its turn has it, though the clock rounds or is set back", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const clock = mock.method(Date, "now", () => 5_000_000);
  try {
    bind({ ...byRoom, throttle: () => 1000 });
    const one = mount(queryClient, server, "product:42");
    control.live();
    const turn = async () => {
      for (let step = 0; step < 50; step++) await Promise.resolve();
      server.open().forEach((request) => request.answer());
      for (let step = 0; step < 50; step++) await Promise.resolve();
    };
    await turn();
    server.set("product:42", "new");
    control.change("product:42");
    await turn();
    clock.mock.mockImplementation(() => 4_000_000);
    mock.timers.tick(2000);
    await turn();
    mock.timers.tick(1);
    assert.equal(one.data(), "new");
  } finally {
    clock.mock.restore();
    mock.timers.reset();
  }
});

test("data is never written, and the network is left to TanStack", async () => {
  bind(byRoom);
  const writes = mock.method(QueryClient.prototype, "setQueryData");
  const { onlineManager } = await import("@tanstack/query-core");
  const online = mock.method(onlineManager, "setOnline");
  await fresh("product:42");
  control.status({ lost: true, live: false });
  control.change("product:42");
  await server.calm();
  assert.equal(writes.mock.callCount() + online.mock.callCount(), 0);
  mock.restoreAll();
});
