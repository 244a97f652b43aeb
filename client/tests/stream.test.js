/** Server-sent events, message by message: the daemon is this file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openEvents } from "../src/core/events.js";
import { createTimers } from "../src/core/timers.js";
import { pass } from "./support.js";

function setUp(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const told = [];
  const streams = [];
  class Source {
    listeners = {};
    constructor(url) {
      this.url = url;
      streams.push(this);
    }
    addEventListener(type, listener) {
      this.listeners[type] = listener;
    }
    /** As browsers do: an event without an id has that of the one before it. */
    tell(message, id = this.id ?? "") {
      this.id = id;
      this.listeners[message.type]({ data: JSON.stringify(message), lastEventId: id });
    }
    answer(cursor, ...rooms) {
      this.tell({ type: "subscribed", id: null, cursor, rooms: rooms.map((room) => ({ room, status: "live" })) }, cursor);
    }
    close() {}
  }
  const ears = { open() {}, message: (text) => told.push(JSON.parse(text)), close() {} };
  const link = openEvents(new URL("ws://bell.test/ws"), Source, createTimers(), ears, false, () => {});
  t.after(link.close);
  return { link, told, streams, pass: pass(t), ask: (id, ...rooms) => link.send({ type: "subscribe", id, rooms }) };
}

test("what is told before the answer moves no position: neither that of the stream nor that of the client", async (t) => {
  const { told, streams, ask, pass } = setUp(t);
  ask(1, "a:1");
  await pass(300);
  streams[0].answer("e.2:2:", "a:1");
  ask(2, "b:1");
  await pass(300);
  for (const type of ["welcome", "heartbeat", "fresh"]) streams[1].tell({ type, cursor: "e.9:9:" });
  assert.deepEqual(told.slice(1), [{ type: "welcome" }, { type: "heartbeat" }, { type: "fresh" }]);
  ask(3, "c:1");
  await pass(300);
  streams[2].answer("e.2:2:", "a:1", "b:1", "c:1");
  streams[2].tell({ type: "heartbeat", cursor: "e.9:9:" }, "e.9:9:");
  assert.equal(told.at(-1).cursor, "e.9:9:");
  ask(4, "d:1");
  await pass(300);
  assert.deepEqual(streams.map(({ url }) => new URL(url).searchParams.get("since")), [null, "e.2:2:", "e.2:2:", "e.9:9:"]);
});

test("a stream that is replaced leaves its questions to the next one", async (t) => {
  const { told, streams, ask, pass } = setUp(t);
  ask(1, "a:1");
  await pass(300);
  ask(2, "b:1");
  await pass(300);
  streams[1].answer("e.2:2:", "a:1", "b:1");
  assert.deepEqual(told.map(({ type, id, rooms }) => [type, id, rooms]), [
    ["subscribed", 1, [{ room: "a:1", status: "live" }]],
    ["subscribed", 2, [{ room: "b:1", status: "live" }]],
  ]);
});

test("a URL has rooms and positions as they are, and what is none cannot break it", async (t) => {
  const { link, streams, pass } = setUp(t);
  link.send({ type: "subscribe", id: 1, rooms: ["a:B_1.@/-", "no room&since=x,#"], since: "e.2:2:" });
  await pass(300);
  assert.equal(streams[0].url, "http://bell.test/events?rooms=a:B_1.@/-,no%20room%26since%3Dx%2C%23,&since=e.2:2:");
});
