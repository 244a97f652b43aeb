import assert from "node:assert/strict";
import { test } from "node:test";
import { sent, setUp } from "./support.js";

const record = (client, rooms, options) => {
  const notices = [];
  const end = client.subscribe(rooms, (notice) => notices.push(notice), options);
  return { notices, end };
};
const shown = (notices) => notices.map(({ type, room, reason, replayed }) => [type, room, reason ?? replayed].filter((each) => each !== undefined));

test("a card scrolled away and back is told what it missed meanwhile", async (t) => {
  const { server, client, pass } = setUp(t);
  client.subscribe("product:2", () => {});
  const first = record(client, "product:1");
  await pass(200);
  first.end();
  await pass(5000);
  assert.deepEqual([...server.rooms.keys()], ["product:2"]);
  server.emit("product:1");
  await pass(100);
  const second = record(client, "product:1");
  await pass(200);
  assert.deepEqual(shown(second.notices), [["invalidate", "product:1", true]]);
  assert.deepEqual(first.notices, []);
});

test("what comes while a room lingers is told to whoever comes back", async (t) => {
  const { server, client, pass } = setUp(t);
  const first = record(client, "product:1");
  await pass(200);
  first.end();
  server.emit("product:1");
  await pass(500);
  const second = record(client, "product:1");
  await pass(200);
  assert.deepEqual(shown(second.notices), [["resync", "product:1", "unproven"]]);
  const third = record(client, "product:1");
  await pass(200);
  assert.deepEqual(third.notices, []);
  assert.equal(sent(server, "subscribe").length, 1);
});

test("a listener that leaves with something untold is told when it comes back", async (t) => {
  const { server, client, pass } = setUp(t);
  const first = record(client, "product:1", { throttle: 1000 });
  await pass(200);
  server.emit("product:1");
  await pass(100);
  server.emit("product:1");
  await pass(100);
  first.end();
  assert.equal(first.notices.length, 1);
  await pass(10_000);
  assert.equal(server.rooms.size, 0);
  const second = record(client, "product:1");
  await pass(500);
  assert.deepEqual(shown(second.notices), [["resync", "product:1", "unproven"]]);
});

test("positions that are not remembered any more are a resync", async (t) => {
  const { client, pass } = setUp(t, { linger: 0 });
  const keep = record(client, "buyers");
  const names = Array.from({ length: 4200 }, (_, card) => `product:${card}`);
  for (let first = 0; first < names.length; first += 900) {
    const { end } = record(client, names.slice(first, first + 900));
    await pass(1500);
    end();
    await pass(1500);
  }
  const oldest = record(client, "product:0");
  const newest = record(client, "product:4199");
  await pass(500);
  assert.deepEqual(shown(oldest.notices), [["resync", "product:0", "unproven"]]);
  assert.deepEqual(newest.notices, []);
  assert.deepEqual(keep.notices, []);
});

test("data that came with a cursor is told what changed since", async (t) => {
  const { server, client, pass } = setUp(t);
  const since = server.cursor;
  server.emit("product:1");
  const stale = record(client, "product:1", { since });
  const fresh = record(client, "product:2", { since });
  await pass(200);
  assert.deepEqual(shown(stale.notices), [["invalidate", "product:1", true]]);
  assert.deepEqual(fresh.notices, []);
  // The same room again, for data that is older than its join.
  const second = record(client, "product:1", { since });
  await pass(200);
  assert.deepEqual(shown(second.notices), [["invalidate", "product:1", true]]);
  assert.deepEqual(sent(server, "subscribe").slice(1).map(({ rooms, since: asked }) => [rooms, asked === since]), [[["product:1"], true]]);
});

test("a connection cut off before everything was asked again loses no position", async (t) => {
  const { server, client, pass } = setUp(t, {}, { limits: { rooms_per_message: 1 } });
  const { notices } = record(client, ["product:1", "product:2", "product:3"]);
  await pass(2000);
  server.drop();
  for (const id of [1, 2, 3]) server.emit(`product:${id}`);
  const answers = [];
  const off = client.on("room", (room, { state }) => {
    if (state !== "live") return;
    answers.push(room);
    // Cut off after the first answer, whose replay is lost with it.
    if (answers.length === 1) server.drop();
  });
  await pass(10_000);
  off();
  assert.deepEqual(new Set(notices.map(({ room }) => room)), new Set(["product:1", "product:2", "product:3"]));
  assert.equal(client.getStatus().live, true);
});

test("the position of the daemon in `welcome` is not that of the client", async (t) => {
  const { server, client, pass } = setUp(t);
  const { notices } = record(client, "product:1");
  await pass(200);
  server.drop();
  server.emit("product:1");
  const off = client.on("status", ({ state }) => {
    // Cut off between `welcome` and `subscribed`.
    if (state === "connected") {
      off();
      server.drop();
    }
  });
  await pass(10_000);
  assert.deepEqual(shown(notices), [["invalidate", "product:1", true]]);
});

test("what nobody can prove is a resync, and a room that was never live is asked for without a past", async (t) => {
  const { server, client, pass } = setUp(t);
  const { notices } = record(client, "product:1");
  await pass(200);
  server.drop();
  server.forget();
  record(client, "product:2");
  await pass(10_000);
  assert.deepEqual(shown(notices), [["resync", "product:1", "unproven"]]);
  const asked = sent(server, "subscribe").slice(1).map(({ rooms, since }) => [rooms[0], typeof since]);
  assert.deepEqual(asked.sort(), [["product:1", "string"], ["product:2", "undefined"]]);
});

test("sync tells what was missed before it resolves, whatever the pace", async (t) => {
  const { server, client, pass } = setUp(t);
  const { notices } = record(client, "product:1", { throttle: 60_000 });
  await pass(200);
  server.emit("product:1");
  await pass(100);
  server.silence();
  server.emit("product:1");
  server.drop();
  let isDone = false;
  client.sync().then(() => (isDone = true));
  await pass(10_000);
  assert.equal(isDone, true);
  assert.deepEqual(shown(notices), [["invalidate", "product:1", false], ["invalidate", "product:1", true]]);
  const asked = server.frames.length;
  await client.sync(["product:1"]);
  assert.equal(server.frames.length, asked + 1);
});

test("sync without rooms or network resolves, or waits, and never throws", async (t) => {
  const { server, client, pass } = setUp(t);
  await client.sync();
  server.refuse();
  client.subscribe("product:1", () => {});
  let isDone = false;
  client.sync().then(() => (isDone = true));
  await pass(3000);
  assert.equal(isDone, false);
  server.refuse(0);
  await pass(20_000);
  assert.equal(isDone, true);
});
