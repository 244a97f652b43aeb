import assert from "node:assert/strict";
import { test } from "node:test";
import { setUp } from "./support.js";

/** A small generator of random numbers, so that a failure can be seen again. */
function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

test("a message that cannot be read may have been a change: the client comes back for it", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(200);
  for (const text of ["{", "null", "[]", '"x"', "7", '{"type":7}', new ArrayBuffer(4)]) {
    while (!client.getStatus().live) await pass(100);
    await pass(6000);
    const attempts = server.attempts;
    server.say(text);
    await pass(3000);
    assert.equal(server.attempts, attempts + 1, String(text));
  }
  assert.equal(errors.length, 7);
  assert.equal(client.getStatus().live, true);
});

test("a change that cannot be read is a resync", async (t) => {
  const { server, client, pass } = setUp(t);
  const notices = [];
  client.subscribe(["product:1", "product:2"], ({ type, room, reason }) => notices.push([type, room, reason].join(" ")));
  await pass(200);
  for (const changes of [undefined, null, {}, [null], [{}], [{ entity: "product", id: 1, events: [] }], [{ entity: "product", id: "1" }]]) {
    server.say(JSON.stringify({ type: "invalidate", room: "product:1", cursor: "x", changes }));
  }
  await pass();
  assert.deepEqual(notices, Array(7).fill("resync product:1 unproven"));
  notices.length = 0;
  for (const room of [undefined, 7, null]) server.say(JSON.stringify({ type: "invalidate", room, changes: [] }));
  server.say(JSON.stringify({ type: "resync" }));
  await pass();
  assert.equal(notices.length, 8);
});

test("types and fields of a newer daemon are ignored", async (t) => {
  const { server, client, pass, errors } = setUp(t);
  const notices = [];
  client.subscribe("product:1", (notice) => notices.push(notice));
  await pass(200);
  server.say(JSON.stringify({ type: "weather", room: "product:1", cursor: server.cursor, id: 1, rooms: 4 }));
  server.say(JSON.stringify({ type: "heartbeat", cursor: server.cursor, mood: { good: true } }));
  await pass(1000);
  assert.deepEqual([notices, errors, server.attempts, client.getStatus().live], [[], [], 1, true]);
});

test("whatever a daemon says, nothing throws, and a good one is believed again", async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`SEED=${seed}`);
  const random = randomFrom(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const values = () => pick([undefined, null, 0, -1, 1, 2, 3, 1e300, "", "x", "*", "product:1", [], {}, [null], ["product:1"], true, [{ room: "product:1", status: "live" }], [{ room: "product:1", status: "odd" }], [{ status: "denied" }]]);
  const types = ["welcome", "authenticated", "subscribed", "unsubscribed", "synced", "invalidate", "resync", "revoked", "token_expiring", "heartbeat", "stale", "fresh", "pong", "goodbye", "error", "constructor", "__proto__"];
  const fields = ["id", "cursor", "rooms", "room", "changes", "replayed", "reason", "spread_ms", "limits", "heartbeat_ms", "code", "message", "retryable", "retry_after_ms", "in_ms", "user"];
  const { server, client, pass } = setUp(t, { getToken: () => "ada" });
  const failures = [];
  const onFailure = (error) => failures.push(error);
  process.on("uncaughtException", onFailure).on("unhandledRejection", onFailure);
  t.after(() => process.off("uncaughtException", onFailure).off("unhandledRejection", onFailure));
  client.subscribe(["product:1", "product:2"], () => {});
  for (let message = 0; message < 3000; message++) {
    const said = { type: pick(types) };
    for (const field of fields) if (random() < 0.4) said[field] = values();
    server.say(random() < 0.05 ? JSON.stringify(said).slice(0, 20) : JSON.stringify(said));
    if (random() < 0.2) client.sync().catch(onFailure);
    if (random() < 0.3) await pass(100);
    if (client.getStatus().state === "closed") client.connect();
  }
  client.disconnect();
  client.connect();
  await pass(20_000);
  client.setUser("bob");
  const notices = [];
  client.subscribe("product:3", (notice) => notices.push(notice));
  await pass(60_000);
  server.emit("product:3");
  await pass(500);
  assert.deepEqual(failures, []);
  assert.deepEqual([client.getStatus().live, notices.length], [true, 1]);
});
