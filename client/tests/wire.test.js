/** What rooms ask and make of the answers, message by message: the daemon is this file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmitter } from "../src/core/emitter.js";
import { createMember } from "../src/core/member.js";
import { createRooms } from "../src/core/rooms.js";
import { createTimers } from "../src/core/timers.js";
import { pass } from "./support.js";

function setUp(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const timers = createTimers();
  const emitter = createEmitter();
  emitter.on("error", () => {});
  const rooms = createRooms({ batch: 0, linger: 0, origin: "me" }, emitter, timers, () => {});
  const sent = [];
  const told = [];
  return {
    rooms,
    sent,
    told,
    emitter,
    pass: pass(t),
    attach: () => rooms.attach((message) => sent.push(message)),
    join(room, { since, throttle = 0, initial, name = room, deaf } = {}) {
      const listener = deaf ? null : ({ type, reason, changes }) => told.push([name, reason ?? type, changes?.length].filter((each) => each !== undefined).join(" "));
      return rooms.join(room, createMember(listener, throttle, initial, timers, assert.fail), since);
    },
    /** The daemon answers what was asked last, or the n-th. */
    answer: (status, cursor, asked = sent.at(-1)) => rooms.receive({ type: "subscribed", id: asked.id, cursor, rooms: asked.rooms.map((room) => ({ room, status })) }),
    change: (room, cursor) => rooms.receive({ type: "invalidate", room, cursor, changes: [{ entity: "e", id: "1", op: "update", events: [], count: 1, at: "2026-01-01T00:00:00Z" }] }),
    last: () => [sent.at(-1).type, sent.at(-1).rooms.join(), sent.at(-1).since],
  };
}

test("the answer to a room that was left and is wanted again is that to the second request", async (t) => {
  const { rooms, sent, join, attach, answer, pass } = setUp(t);
  attach();
  const end = join("a:1");
  await pass(200);
  end();
  await pass(1000);
  join("a:1");
  await pass(1000);
  assert.deepEqual(sent.map(({ type }) => type), ["subscribe", "unsubscribe", "subscribe"]);
  answer("live", "c1", sent[0]);
  assert.equal(rooms.state("a:1").state, "joining");
  answer("live", "c2", sent[2]);
  assert.equal(rooms.state("a:1").state, "live");
});

test("while nothing may be sent, whoever is left and wanted again is in the room in the end", async (t) => {
  const { sent, join, attach, pass } = setUp(t);
  attach();
  // More than may be sent at once: each with a position of its own.
  const ends = Array.from({ length: 30 }, (_, index) => join(`a:${index}`, { since: `c${index}` }));
  await pass(100);
  ends.forEach((end) => end());
  await pass(600);
  Array.from({ length: 30 }, (_, index) => join(`a:${index}`));
  await pass(20_000);
  const membership = new Set();
  for (const { type, rooms } of sent) for (const room of rooms) membership[type === "subscribe" ? "add" : "delete"](room);
  assert.equal(membership.size, 30);
});

test("a position before a replay is in no known order with those told before", async (t) => {
  const { rooms, sent, join, attach, answer, change, pass } = setUp(t);
  attach();
  const leave = join("a:1");
  await pass(200);
  answer("live", "c5");
  leave();
  await pass(1000);
  join("b:1", { since: "page" });
  await pass(1000);
  answer("replayed", "page");
  rooms.detach();
  join("a:1");
  attach();
  await pass(100);
  assert.deepEqual(sent.slice(-2).map(({ rooms, since }) => [rooms.join(), since]).sort(), [["a:1", "c5"], ["b:1", "page"]]);
  answer("live", "c6", sent.at(-1));
  answer("live", "c7", sent.at(-2));
  change("a:1", "c8");
  rooms.detach();
  attach();
  assert.deepEqual(sent.at(-1).rooms.length, 2);
  assert.equal(sent.at(-1).since, "c8");
});

test("two positions for one room, of which nobody knows the older, are a resync", async (t) => {
  const { told, join, attach, answer, pass } = setUp(t);
  attach();
  join("a:1", { since: "c1", name: "first" });
  join("a:1", { since: "c2", name: "second" });
  await pass(200);
  answer("live", "c3");
  assert.deepEqual(told, ["first unproven", "second unproven"]);
  join("a:1", { since: "c3", name: "third" });
  await pass(200);
  join("a:1", { since: "c4", name: "fourth" });
  await pass(200);
  answer("live", "c5");
  assert.deepEqual(told.slice(2), ["fourth unproven"]);
});

test("a connection that ends before a brought position was answered proves nothing for the others", async (t) => {
  const { rooms, sent, told, join, attach, answer, pass } = setUp(t);
  attach();
  join("a:1", { name: "first" });
  await pass(200);
  answer("live", "c1");
  join("a:1", { since: "page", name: "second" });
  await pass(200);
  assert.equal(sent.at(-1).since, "page");
  rooms.detach();
  attach();
  assert.equal(sent.at(-1).since, "c1");
  answer("live", "c2");
  assert.deepEqual(told, ["first unproven", "second unproven"]);
});

test("what a listener that leaves was not told yet is told to those who came after it", async (t) => {
  const { told, join, attach, answer, change, pass } = setUp(t);
  attach();
  const end = join("a:1", { throttle: 1000, name: "slow" });
  await pass(200);
  answer("live", "c1");
  change("a:1", "c2");
  change("a:1", "c3");
  join("a:1", { name: "late" });
  await pass(200);
  assert.deepEqual(told, ["slow invalidate 1"]);
  end();
  assert.deepEqual(told, ["slow invalidate 1", "late invalidate 1"]);
});

test("a member without a listener does not take what the next one is to be told", async (t) => {
  const { told, join, attach, answer, change, pass } = setUp(t);
  attach();
  const end = join("a:1", { throttle: 1000 });
  await pass(200);
  answer("live", "c1");
  change("a:1", "c2");
  change("a:1", "c3");
  end();
  join("a:1", { deaf: true });
  await pass(10);
  join("a:1", { name: "next" });
  await pass(200);
  assert.deepEqual(told.slice(1), ["next unproven"]);
});

test("a position that came while everything was given up is nobody's", async (t) => {
  const { rooms, sent, join, attach, answer, change, pass, emitter } = setUp(t);
  attach();
  join("a:1");
  await pass(200);
  answer("live", "c1");
  const off = emitter.on("notice", () => {
    off();
    rooms.detach();
    attach();
  });
  change("a:1", "c2");
  assert.equal(sent.at(-1).since, "c1");
  rooms.detach();
  attach();
  assert.equal(sent.at(-1).since, "c1");
});

test("frames are as small as the daemon wants them in rooms and in bytes, whatever it says", async (t) => {
  for (const [limits, most] of [[{ rooms_per_message: 7 }, 7], [{ message_bytes: 1320 }, 9], [{ rooms_per_message: 0 }, 1], [{ rooms_per_message: "x" }, 1], [null, 60]]) {
    await t.test(JSON.stringify(limits), async (t) => {
      const { rooms, sent, join, attach, pass } = setUp(t);
      rooms.receive({ type: "welcome", limits });
      attach();
      for (let index = 0; index < 60; index++) join(`a:${index}`);
      await pass(10_000);
      assert.equal(Math.max(...sent.map(({ rooms }) => rooms.length)), most);
      assert.equal(sent.flatMap(({ rooms }) => rooms).length, 60);
    });
  }
});
