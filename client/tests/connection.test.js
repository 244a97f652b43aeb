import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "../src/index.js";
import { sent, setUp, fakePage } from "./support.js";

const states = (client) => {
  const seen = [];
  client.on("status", ({ state }) => seen.at(-1) === state || seen.push(state));
  return seen;
};

test("the first room connects, and the last one out closes after a while", async (t) => {
  const { server, client, pass } = setUp(t);
  const seen = states(client);
  await pass(1000);
  assert.equal(server.attempts, 0);
  const end = client.subscribe("product:1", () => {});
  await pass(200);
  end();
  end();
  await pass(20_000);
  assert.equal(server.connections, 1);
  await pass(20_000);
  assert.equal(server.connections, 0);
  assert.deepEqual(seen, ["connecting", "connected", "idle"]);
});

test("a snapshot of the status stays the same until something changes, and never changes itself", async (t) => {
  const { server, client, pass } = setUp(t);
  client.subscribe("product:1", () => {});
  await pass(10_000);
  const status = client.getStatus();
  await pass(30_000);
  server.emit("product:1");
  client.subscribe("product:2", () => {});
  await pass(5000);
  assert.equal(client.getStatus(), status);
  assert.ok(Object.isFrozen(status));
  let changes = 0;
  client.onStatusChange(() => changes++);
  server.stale();
  await pass();
  assert.equal(changes, 1);
  assert.deepEqual([client.getStatus().stale, client.getStatus().live, status.stale], [true, false, false]);
  server.fresh();
  await pass();
  assert.deepEqual([client.getStatus().stale, client.getStatus().live], [false, true]);
});

test("a connection away for long is lost, and restored", async (t) => {
  const { server, client, pass } = setUp(t);
  const seen = [];
  for (const name of ["lost", "restored"]) client.on(name, () => seen.push(name));
  client.subscribe("product:1", () => {});
  await pass(200);
  server.drop();
  await pass(4000);
  assert.deepEqual(seen, []);
  server.refuse();
  server.drop();
  await pass(6000);
  assert.deepEqual(seen, ["lost"]);
  assert.equal(client.getStatus().lost, true);
  assert.ok(client.getStatus().attempt > 1);
  assert.ok(client.getStatus().nextRetryAt);
  server.refuse(0);
  await pass(40_000);
  assert.deepEqual(seen, ["lost", "restored"]);
  assert.deepEqual([client.getStatus().lost, client.getStatus().attempt], [false, 0]);
});

test("after `goodbye` a client comes back when it was told to, and no wake-up makes it come sooner", async (t) => {
  const { server, client, pass } = setUp(t);
  const page = fakePage(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  server.goodbye(4201, 7000);
  await pass(1000);
  page.show("hidden");
  page.show("visible");
  await pass(5000);
  assert.equal(server.attempts, 1);
  assert.deepEqual([client.getStatus().code, client.getStatus().reason], [4201, "draining"]);
  await pass(1500);
  assert.equal(client.getStatus().state, "connected");
});

for (const code of [4000, 4002, 4004, 4099]) {
  test(`a client that is closed with ${code} stays away until connect()`, async (t) => {
    const { server, client, pass } = setUp(t);
    client.subscribe("product:1", () => {});
    await pass(200);
    server.close(code, "because");
    await pass(120_000);
    const { state, code: shown, reason, live } = client.getStatus();
    assert.deepEqual([state, shown, reason, live], ["closed", code, "because", false]);
    client.subscribe("product:2", () => {});
    await pass(1000);
    assert.equal(server.attempts, 1);
    client.connect();
    await pass(1000);
    assert.equal(client.getStatus().state, "connected");
    assert.deepEqual([...server.rooms.keys()].sort(), ["product:1", "product:2"]);
  });
}

test("a client that is closed for its own fault gives up after three times", async (t) => {
  const { server, client, pass } = setUp(t);
  client.subscribe("product:1", () => {});
  for (let time = 0; time < 3; time++) {
    assert.notEqual(client.getStatus().state, "closed");
    await pass(10);
    while (client.getStatus().state !== "connected") await pass(100);
    server.close(1009, "too_big");
    await pass();
  }
  assert.deepEqual([client.getStatus().state, client.getStatus().code], ["closed", 1009]);
});

test("a connection that is lost again and again is tried ever more slowly", async (t) => {
  const { server, client, pass } = setUp(t);
  t.mock.method(Math, "random", () => 0.999);
  client.subscribe("product:1", () => {});
  const seen = [];
  for (let time = 0; time < 5; time++) {
    while (client.getStatus().state !== "connected") await pass(100);
    await pass(1000);
    server.drop();
    await pass();
    seen.push(client.getStatus().nextRetryAt - Date.now());
  }
  assert.deepEqual(seen.map((ms) => Math.round(ms / 500)), [1, 2, 4, 8, 16]);
  while (client.getStatus().state !== "connected") await pass(100);
  await pass(6000);
  server.drop();
  await pass();
  assert.equal(Math.round((client.getStatus().nextRetryAt - Date.now()) / 500), 1);
});

test("a connection that broke is made again within the spread, or within twice that, and at once where the page wakes", async (t) => {
  const { server, client, pass } = setUp(t, { spread: undefined });
  const page = fakePage(t);
  t.mock.method(Math, "random", () => 0.999);
  client.subscribe("product:1", () => {});
  await pass(10_000);
  server.refuse(1);
  server.drop();
  const due = () => Math.round((client.getStatus().nextRetryAt - Date.now()) / 500) / 2;
  await pass();
  assert.equal(due(), 8);
  await pass(8000);
  assert.deepEqual([due(), client.getStatus().attempt], [16, 1]);
  page.show("hidden");
  page.show("visible");
  await pass(300);
  assert.equal(client.getStatus().live, true);
});

test("silence means that the connection is dead", async (t) => {
  const { server, client, pass } = setUp(t);
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(200);
  server.silence();
  server.emit("product:1");
  await pass(34_000);
  assert.equal(server.attempts, 1);
  await pass(8000);
  assert.equal(client.getStatus().live, true);
  assert.deepEqual(notices.map(({ type, replayed }) => [type, replayed]), [["invalidate", true]]);
});

for (const [what, wake] of Object.entries({
  "becomes visible": (page) => (page.show("hidden"), page.show("visible")),
  "comes out of the back/forward cache": (page) => page.tell("pageshow", true),
  "is resumed": (page) => page.tell("resume"),
})) {
  test(`a page that ${what} finds a dead connection by a probe`, async (t) => {
    const { server, client, pass } = setUp(t);
    const page = fakePage(t);
    client.subscribe("product:1", () => {});
    await pass(200);
    wake(page);
    await pass(4000);
    assert.deepEqual([sent(server, "ping").length, server.attempts], [1, 1]);
    server.silence();
    wake(page);
    await pass(3500);
    assert.deepEqual([server.attempts, client.getStatus().live], [2, true]);
  });
}

test("a machine that has slept probes", async (t) => {
  const { server, client, pass } = setUp(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  server.silence();
  t.mock.timers.setTime(Date.now() + 3_600_000);
  await pass(3500);
  assert.deepEqual([server.attempts, client.getStatus().live], [2, true]);
});

test("without a network nothing is tried, and with it at once", async (t) => {
  const { server, client, pass } = setUp(t);
  const page = fakePage(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  page.online(false);
  await pass(60_000);
  assert.deepEqual([client.getStatus().state, client.getStatus().lost, server.attempts], ["offline", true, 1]);
  page.online(true);
  await pass(500);
  assert.deepEqual([client.getStatus().state, client.getStatus().live], ["connected", true]);
  page.online(false);
  await pass(100);
  client.connect();
  await pass(100);
  assert.equal(client.getStatus().state, "connected", "connect() does not ask the browser");
});

test("a page that goes into the back/forward cache closes politely, and is back when it is", async (t) => {
  const { server, client, pass } = setUp(t);
  const page = fakePage(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  page.tell("pagehide", true);
  await pass();
  assert.equal(server.connections, 0);
  page.tell("pageshow", true);
  await pass(300);
  assert.equal(client.getStatus().live, true);
});

test("a hidden tab stops trying after a minute, and comes back when it is seen", async (t) => {
  const { server, client, pass } = setUp(t);
  const page = fakePage(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  page.show("hidden");
  server.refuse();
  server.drop();
  await pass(120_000);
  const { attempts } = server;
  await pass(600_000);
  assert.equal(server.attempts, attempts);
  server.refuse(0);
  page.show("visible");
  await pass(500);
  assert.equal(client.getStatus().live, true);
});

test("disconnect() holds, whatever the page and its components do", async (t) => {
  const { server, client, pass } = setUp(t);
  const page = fakePage(t);
  client.subscribe("product:1", () => {});
  await pass(200);
  client.disconnect();
  page.show("hidden");
  page.show("visible");
  page.online(false);
  page.online(true);
  page.tell("pageshow", true);
  client.subscribe("product:2", () => {})();
  client.setUser("ada");
  client.subscribe("product:3", () => {});
  await pass(60_000);
  const { state, code, lost } = client.getStatus();
  assert.deepEqual([state, code, lost, server.attempts], ["closed", undefined, false, 1]);
  client.connect();
  await pass(200);
  assert.deepEqual([...server.rooms.keys()], ["product:3"]);
});

test("destroy() leaves no timer and no listener behind", async (t) => {
  const { server, client, pass } = setUp(t, { getToken: async () => "ada" });
  const page = fakePage(t);
  const notices = [];
  client.subscribe(["product:1", "product:2"], (notice) => notices.push(notice), { throttle: 1000 })();
  client.subscribe("product:3", (notice) => notices.push(notice), { throttle: 1000 });
  await pass(200);
  server.emit("product:3");
  server.emit("product:3");
  page.tell("pageshow", true);
  assert.ok(page.listeners.size > 0);
  client.destroy();
  client.destroy();
  await pass();
  assert.equal(page.listeners.size, 0);
  const set = t.mock.method(globalThis, "setTimeout");
  const told = notices.length;
  client.subscribe("product:4", () => {});
  client.connect();
  client.disconnect();
  client.setUser("bob");
  await pass(120_000);
  assert.deepEqual([set.mock.callCount(), server.attempts, server.connections, notices.length], [0, 1, 0, told]);
});

test("a listener that throws is an error, and the others are told", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  let told = 0;
  client.subscribe("product:1", () => {
    throw new Error("mine");
  });
  client.subscribe("product:1", () => told++);
  client.on("notice", () => {
    throw new Error("yours");
  });
  await pass(200);
  server.emit("product:1");
  await pass(100);
  assert.equal(told, 1);
  assert.deepEqual(errors.map(({ message }) => message).sort(), ["mine", "yours"]);
  assert.equal(client.getStatus().live, true);
});

test("listeners may do what they like while they are told", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  const seen = [];
  const first = client.subscribe("product:1", () => {
    first();
    second();
    seen.push("first");
    client.subscribe("product:2", () => seen.push("third"), { initial: true });
  });
  const second = client.subscribe("product:1", () => seen.push("second"));
  await pass(200);
  server.emit("product:1");
  server.emit("product:1");
  await pass(300);
  assert.deepEqual(seen, ["first", "third"]);
  client.subscribe("product:2", () => client.setUser("bob"));
  await pass(200);
  server.emit("product:2");
  server.emit("product:2");
  await pass(300);
  assert.deepEqual(seen, ["first", "third", "third"]);
  assert.deepEqual(errors, []);
});

test("two clients for the same address in one page are told apart once", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  const other = createClient({ url: server.url, WebSocket: server.WebSocket });
  t.after(() => other.destroy());
  fakePage(t);
  other.on("error", (error) => errors.push(error));
  client.subscribe("product:1", () => {});
  other.subscribe("product:1", () => {});
  await pass(500);
  server.drop();
  await pass(5000);
  assert.equal(errors.length, 1);
  assert.match(errors[0].message, /second client/);
});
