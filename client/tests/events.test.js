import assert from "node:assert/strict";
import { test } from "node:test";
import { sent, setUp } from "./support.js";

const auto = { transport: "auto" };

test("where WebSockets fail, events bring the same", async (t) => {
  const { server, client, pass } = setUp(t, auto);
  server.refuse();
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(5000);
  assert.deepEqual([client.getStatus().transport, client.getStatus().live, client.getRoom("product:1").state], ["sse", true, "live"]);
  server.emit("product:1");
  await pass();
  client.subscribe("product:2", (notice) => notices.push(notice));
  await pass(1000);
  server.emit("product:2");
  server.emit("product:1");
  await pass();
  assert.deepEqual(notices.map(({ type, room }) => [type, room]), [["invalidate", "product:1"], ["invalidate", "product:2"], ["invalidate", "product:1"]]);
  assert.equal(server.connections, 1);
});

test("events resume where they were cut off", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse" });
  const notices = [];
  client.subscribe(["product:1", "product:2"], (notice) => notices.push(notice));
  await pass(1000);
  server.drop();
  server.emit("product:2");
  await pass(5000);
  assert.deepEqual(notices.map(({ room, replayed }) => [room, replayed]), [["product:2", true]]);
  client.sync().then(() => notices.push("synced"));
  await pass(1000);
  assert.equal(notices.at(-1), "synced");
});

test("a stream that is opened anew for more rooms loses nothing of the others", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse" });
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(1000);
  client.subscribe("product:2", () => {});
  await pass(290);
  // The frame is under way when the stream is replaced.
  server.emit("product:1");
  await pass(20);
  server.emit("product:1");
  await pass(1000);
  assert.ok(notices.length >= 1);
  assert.equal(notices.reduce((sum, { changes }) => sum + changes[0].count, 0) >= 2, true);
});

test("rooms that no URL has space for are fetched again and again", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse" });
  const polled = new Map();
  const names = Array.from({ length: 700 }, (_, card) => `product:${card}`);
  client.subscribe(names, ({ room, reason }) => polled.set(room, [...(polled.get(room) ?? []), reason]));
  await pass(16_000);
  assert.ok(server.rooms.size > 200 && server.rooms.size < 700, String(server.rooms.size));
  assert.equal(polled.size, 700 - server.rooms.size);
  assert.deepEqual(polled.get("product:699"), ["unproven", "polled"]);
  assert.equal(client.getRoom("product:699").state, "live");
  await pass(15_000);
  assert.deepEqual(polled.get("product:699"), ["unproven", "polled", "polled"]);
});

test("WebSockets are tried again beside the stream, and taken when they get through", async (t) => {
  const { server, client, pass } = setUp(t, auto);
  server.refuse();
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(5000);
  const states = new Set();
  const off = client.on("status", ({ state }) => states.add(state));
  await pass(310_000);
  off();
  assert.deepEqual([client.getStatus().transport, [...states]], ["sse", ["connected"]]);
  server.refuse(0);
  await pass(310_000);
  assert.deepEqual([client.getStatus().transport, client.getStatus().live, server.connections], ["websocket", true, 1]);
  assert.deepEqual(notices, []);
});

test("a daemon that is just not there is looked for in both ways", async (t) => {
  const { server, client, pass } = setUp(t, auto);
  server.refuse();
  server.refuse(Infinity, "sse");
  client.subscribe("product:1", () => {});
  await pass(120_000);
  server.refuse(0);
  server.refuse(0, "sse");
  await pass(60_000);
  assert.equal(client.getStatus().live, true);
});

test("a client with a token takes events with a ticket, and a new one whenever it comes back", async (t) => {
  const { server, client, pass } = setUp(t, { ...auto, getToken: () => "ada" });
  server.refuse();
  const notices = [];
  client.subscribe("cart:1", (notice) => notices.push(notice));
  await pass(5000);
  assert.deepEqual([client.getStatus().transport, client.getStatus().live, server.users], ["sse", true, ["ada"]]);
  server.drop();
  server.emit("cart:1");
  server.refuse(1, "ticket");
  await pass(120_000);
  assert.deepEqual([client.getStatus().live, server.users, notices.map(({ replayed }) => replayed)], [true, ["ada"], [true]]);
  assert.equal(sent(server, "ticket").length, 2);
});

test("a client whose WebSocket got through once stays with them, however long the daemon is away", async (t) => {
  const { server, client, pass } = setUp(t, auto);
  client.subscribe("product:1", () => {});
  await pass(200);
  server.refuse();
  server.drop();
  await pass(120_000);
  assert.deepEqual([client.getStatus().state, server.connections], ["reconnecting", 0]);
});

test("a `goodbye` stands for the close code that a stream has not", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse" });
  client.subscribe("product:1", () => {});
  await pass(1000);
  server.goodbye(4004, 0);
  await pass(60_000);
  assert.deepEqual([client.getStatus().state, client.getStatus().code], ["closed", 4004]);
});

test("a stream that is replaced before it has answered leaves no question open", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse", batch: 0 });
  client.subscribe("product:1", () => {});
  await pass(1000);
  server.silence();
  client.subscribe("product:2", () => {});
  await pass(400);
  // This one hears nothing, and is replaced for the sake of the next room.
  server.silence();
  client.subscribe("product:3", () => {});
  await pass(1000);
  assert.deepEqual([2, 3].map((id) => client.getRoom(`product:${id}`).state), ["live", "live"]);
});

test("a room that was polled and finds space in the stream has missed nothing", async (t) => {
  const { server, client, pass } = setUp(t, { transport: "sse", linger: 0 });
  const polled = [];
  const ends = Array.from({ length: 700 }, (_, card) => client.subscribe(`product:${card}`, ({ type }) => card === 699 && polled.push(type)));
  await pass(2000);
  const before = polled.length;
  server.emit("product:699");
  server.emit("product:0");
  await pass(100);
  assert.equal(polled.length, before);
  ends.slice(0, 600).forEach((end) => end());
  await pass(2000);
  client.subscribe("order:1", () => {});
  await pass(2000);
  assert.deepEqual(polled.slice(before), ["resync"]);
  server.emit("product:699");
  await pass(100);
  assert.deepEqual(polled.slice(before), ["resync", "invalidate"]);
});
