/** What the daemon writes, as its own tests wrote it down: see src/description/fixtures.rs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createClient } from "../src/index.js";
import { pass } from "./support.js";

const messages = JSON.parse(readFileSync(new URL("fixtures/messages.json", import.meta.url), "utf8"));
const ROOMS = ["product:299", "order:7", "seller:11"];

/** A socket that answers nothing by itself. */
class Socket {
  static last = /** @type {any} */ (undefined);
  readyState = 1;
  /** @type {any[]} */
  sent = [];
  constructor() {
    Socket.last = this;
    queueMicrotask(() => this.onopen({}));
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  hear(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  close() {}
}

/** A client that was welcomed and is in `ROOMS`, and what it tells. */
async function joined(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const client = createClient({ url: "ws://test/ws", WebSocket: /** @type {any} */ (Socket), transport: "websocket" });
  t.after(() => client.destroy());
  const errors = [];
  const notices = [];
  client.on("error", (error) => errors.push(error.message));
  client.on("notice", (notice) => notices.push(notice));
  client.subscribe(ROOMS);
  await pass(t)(100);
  const socket = Socket.last;
  socket.hear(messages.welcome);
  await pass(t)(100);
  const { id, rooms } = socket.sent.find(({ type }) => type === "subscribe");
  assert.deepEqual(rooms, ROOMS);
  socket.hear({ ...messages.subscribed, id });
  await pass(t)();
  const hear = async (name) => {
    notices.length = 0;
    socket.hear(messages[name]);
    await pass(t)(100);
    return notices;
  };
  return { client, socket, errors, notices, hear };
}

test("rooms stand as the daemon says, and those that are not proven are fetched again", async (t) => {
  const { client, notices } = await joined(t);
  assert.equal(client.getRoom("product:299").state, "live");
  assert.deepEqual(notices.filter(({ type }) => type === "resync").map(({ room }) => room), ["seller:11"]);
});

test("changes reach listeners whole", async (t) => {
  const { hear } = await joined(t);
  for (const name of ["invalidate", "invalidate-replayed"]) {
    const [{ room, changes, replayed }] = await hear(name);
    assert.equal(room, messages[name].room);
    assert.deepEqual(changes, messages[name].changes.map((change) => ({ ...change, own: false })));
    assert.equal(replayed, name === "invalidate-replayed");
  }
});

test("a resync reaches the rooms it names, or all", async (t) => {
  const { hear } = await joined(t);
  for (const [name, rooms] of [["resync", messages.resync.rooms], ["resync-every", ROOMS]]) {
    const told = await hear(name);
    assert.deepEqual(told.map(({ type, room, reason, spreadMs }) => [type, room, reason, spreadMs]),
      rooms.map((room) => ["resync", room, "bulk", 2000]));
  }
});

test("nothing the daemon says is taken for a mistake but an error", async (t) => {
  const { client, hear, errors } = await joined(t);
  for (const name of Object.keys(messages)) {
    // What is refused, or taken away, is told as an error.
    if (name.startsWith("error") || ["welcome", "subscribed", "revoked", "goodbye"].includes(name)) continue;
    await hear(name);
    assert.equal(client.getStatus().stale, name === "stale", name);
  }
  assert.deepEqual(errors, []);
  await hear("error");
  assert.deepEqual(errors, [`limit_exceeded: ${messages.error.message}`]);
  await hear("revoked");
  assert.equal(client.getRoom(messages.revoked.room).state, "revoked");
});

test("a client that is sent away comes back when it was told to", async (t) => {
  const { client, socket, hear } = await joined(t);
  await hear("goodbye");
  const now = Date.now();
  socket.onclose({ code: messages.goodbye.code, reason: messages.goodbye.reason });
  const { state, code, nextRetryAt } = client.getStatus();
  assert.deepEqual([state, code, nextRetryAt], ["reconnecting", 4201, now + messages.goodbye.retry_after_ms]);
});
