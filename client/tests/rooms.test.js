import assert from "node:assert/strict";
import { test } from "node:test";
import { sent, setUp } from "./support.js";

test("a denied room says so, spoils nothing else, and is asked for again by another connection", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  server.deny("order:7");
  const states = [];
  client.on("room", (room, { state }) => room === "order:7" && states.push(state));
  client.subscribe(["order:7", "product:1"], () => {});
  const ready = client.ready("order:7").catch((error) => error);
  await pass(200);
  assert.deepEqual({ ...client.getRoom("order:7") }, { state: "denied", liveSince: undefined, code: "forbidden", message: "not for you" });
  assert.equal((await ready).code, "forbidden");
  assert.equal(client.getStatus().live, true);
  assert.equal(errors[0].code, "forbidden");
  server.allow("order:7");
  server.drop();
  await pass(5000);
  assert.deepEqual(states, ["joining", "denied", "joining", "live"]);
});

test("a room of which nobody can tell whether it may be joined stays wanted, and is asked for until somebody can", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  let told = 0;
  server.deny("order:7", "not_ready");
  client.subscribe(["order:7", "product:1"], () => told++);
  await pass(5000);
  assert.equal(client.getRoom("order:7").state, "joining");
  assert.equal(client.getStatus().live, true, "the other rooms are");
  const asked = sent(server, "subscribe").length;
  assert.ok(asked > 3 && asked < 8, `asked ${asked} times`);
  server.allow("order:7");
  await pass(1500);
  assert.equal(client.getRoom("order:7").state, "live");
  server.revoke("order:7", "rate_limited");
  await pass(10);
  assert.equal(client.getRoom("order:7").state, "joining");
  server.allow("order:7");
  server.emit("order:7", { entity: "order", id: "7" });
  await pass(1500);
  assert.equal(client.getRoom("order:7").state, "live");
  assert.equal(told, 1, "what changed meanwhile");
  assert.deepEqual(errors, []);
});

test("a revoked room is told, and its listeners hear nothing more", async (t) => {
  const { server, client, pass } = setUp(t);
  let told = 0;
  client.subscribe("order:7", () => told++);
  await pass(200);
  server.revoke("order:7");
  server.emit("order:7");
  await pass(200);
  assert.equal(told, 0);
  assert.deepEqual([client.getRoom("order:7").state, client.getRoom("order:7").code], ["revoked", "forbidden"]);
});

test("whoever wants to know when a room is live is told once, also if it is live already", async (t) => {
  const { server, client, pass } = setUp(t);
  const seen = [];
  client.subscribe("product:1", ({ type }) => seen.push(`a ${type}`), { initial: true, throttle: 1000 });
  await pass(200);
  client.subscribe("product:1", ({ type }) => seen.push(`b ${type}`), { initial: true });
  assert.deepEqual(seen, ["a live"]);
  await pass(200);
  server.drop();
  await pass(5000);
  assert.deepEqual(seen, ["a live", "b live"]);
});

test("ready() resolves when the room is live, and ends with its signal", async (t) => {
  const { server, client, pass } = setUp(t);
  let isLive = false;
  client.ready("product:1").then(() => (isLive = true));
  assert.equal(isLive, false);
  await pass(200);
  assert.equal(isLive, true);
  await client.ready("product:1");
  server.refuse();
  server.drop();
  const abort = new AbortController();
  const failed = client.ready("product:2", { signal: abort.signal }).catch((error) => error);
  abort.abort(new Error("enough"));
  assert.equal((await failed).message, "enough");
  const gone = client.ready("product:3").catch((error) => error);
  client.setUser("somebody else");
  assert.ok((await gone) instanceof Error);
});

test("a signal ends a subscription, and one that was aborted begins none", async (t) => {
  const { server, client, pass } = setUp(t, { linger: 0 });
  const abort = new AbortController();
  client.subscribe("product:1", () => {}, { signal: abort.signal });
  await pass(200);
  assert.equal(server.rooms.size, 1);
  abort.abort();
  await pass(1000);
  assert.equal(server.rooms.size, 0);
  client.subscribe("product:1", () => {}, { signal: abort.signal });
  assert.equal(client.getRoom("product:1").state, "idle");
});

test("each listener has its own pace, and `notice` that of the fastest", async (t) => {
  const { server, client, pass } = setUp(t);
  const calls = { slow: 0, fast: 0, notice: 0, rows: 0 };
  client.subscribe("product:1", () => calls.slow++, { throttle: 1000 });
  client.subscribe("product:1", ({ changes }) => (calls.fast++, (calls.rows += changes[0].count)), { throttle: 100 });
  client.on("notice", () => calls.notice++);
  await pass(200);
  for (let row = 0; row < 200; row++) {
    server.emit("product:1");
    await pass(10);
  }
  await pass(2000);
  assert.ok(calls.slow >= 3 && calls.slow <= 4, JSON.stringify(calls));
  assert.ok(calls.fast >= 18 && calls.fast <= 22, JSON.stringify(calls));
  assert.equal(calls.fast, calls.notice);
  assert.equal(calls.rows, 200);
});

test("without a pace a listener is told in the message itself", async (t) => {
  const { server, client, pass } = setUp(t);
  let told = 0;
  client.subscribe("product:1", () => told++);
  await pass(200);
  const set = t.mock.method(globalThis, "setTimeout");
  for (let row = 0; row < 3; row++) server.emit("product:1");
  await pass();
  assert.deepEqual([told, set.mock.callCount()], [3, 0]);
});

test("rooms without listeners are told to those who listen to all", async (t) => {
  const { server, client, pass } = setUp(t);
  const seen = [];
  client.on("notice", ({ room, type }) => seen.push([room, type]));
  client.subscribe("product:1");
  await pass(200);
  server.emit("product:1");
  server.resync("*");
  server.emit("product:2");
  await pass(100);
  assert.deepEqual(seen, [["product:1", "invalidate"], ["product:1", "resync"]]);
});

test("those who listen to all are told what changed before data that came to a joined room", async (t) => {
  const { server, client, pass } = setUp(t);
  const old = server.cursor;
  server.emit("product:1");
  const between = server.cursor;
  server.emit("product:1");
  const seen = [];
  client.on("notice", ({ type, changes, reason }) => seen.push(changes ? changes[0].count : (reason ?? type)));
  client.subscribe("product:1");
  await pass(200);
  client.subscribe("product:1", null, { since: old });
  await pass(200);
  assert.deepEqual(seen, [2]);
  // Two positions, of which nobody knows the older: one is asked, the other is in doubt.
  for (const listener of [null, () => {}]) {
    client.subscribe("product:1", null, { since: between });
    client.subscribe("product:1", listener, { since: old });
    await pass(200);
    assert.deepEqual(seen.splice(1), ["unproven", 1]);
  }
  server.forget();
  client.subscribe("product:1", null, { since: old });
  await pass(200);
  assert.deepEqual(seen.splice(1), ["unproven"]);
});

test("own changes are told as own", async (t) => {
  const { server, client, pass } = setUp(t, { origin: "tab-7" });
  const own = [];
  client.subscribe("product:1", ({ changes }) => own.push(changes[0].own));
  await pass(200);
  server.emit("product:1", { origin: "tab-7" });
  server.emit("product:1", { origin: "tab-8" });
  await pass();
  assert.deepEqual([client.origin, own], ["tab-7", [true, false]]);
});

test("a resync of named rooms reaches these, with its reason and its spread", async (t) => {
  const { server, client, pass } = setUp(t);
  const seen = [];
  client.subscribe(["product:1", "product:2"], (notice) => seen.push(notice));
  await pass(200);
  server.resync(["product:2"], "gap", 700);
  await pass();
  assert.deepEqual(seen, [{ type: "resync", room: "product:2", reason: "gap", spreadMs: 700 }]);
});

test("more rooms than a connection may have are denied, and joined when there is space", async (t) => {
  const { client, pass } = setUp(t, { linger: 0 }, { limits: { rooms: 2 } });
  const ends = ["a:1", "a:2", "a:3"].map((room) => client.subscribe(room, () => {}));
  await pass(200);
  assert.equal(client.getRoom("a:3").code, "limit_exceeded");
  ends[0]();
  await pass(2000);
  assert.equal(client.getRoom("a:3").state, "live");
});

test("rooms are asked for in messages as small as the daemon wants them", async (t) => {
  const { server, client, pass, errors } = setUp(t, {}, { limits: { rooms_per_message: 30 } });
  client.subscribe(Array.from({ length: 90 }, (_, card) => `product:${card}`), () => {});
  await pass(5000);
  assert.equal(server.rooms.size, 90);
  assert.equal(client.getStatus().live, true);
  server.drop();
  const before = server.frames.length;
  await pass(5000);
  assert.deepEqual(sent({ frames: server.frames.slice(before) }, "subscribe").map(({ rooms }) => rooms.length), [30, 30, 30]);
  assert.ok(errors.length <= 1);
});

test("the state of a room tells since when nothing was missed, however often reconnected", async (t) => {
  const { server, client, pass } = setUp(t);
  const end = client.subscribe("product:1", () => {});
  await pass(200);
  const { liveSince } = client.getRoom("product:1");
  assert.ok(liveSince > 0);
  server.drop();
  await pass(3000);
  end();
  await pass(5000);
  assert.equal(client.getRoom("product:1").state, "idle");
  client.subscribe("product:1", () => {});
  await pass(500);
  assert.deepEqual({ ...client.getRoom("product:1") }, { state: "live", liveSince });
});
