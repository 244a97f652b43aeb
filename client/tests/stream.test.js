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
    close() {
      this.isClosed = true;
    }
  }
  /** Requests for tickets, to be answered by the test. */
  const requests = [];
  const fetch = (url, { method, headers, signal }) =>
    new Promise((resolve, reject) => {
      const answer = (body, status = 200) => resolve(Response.json(body, { status }));
      requests.push({ asked: `${method} ${url} ${headers.authorization}`, signal, resolve, reject, answer });
    });
  const ends = [];
  const ears = { open() {}, message: (text) => told.push(JSON.parse(text)), close: (code) => ends.push(code) };
  const link = openEvents(new URL("ws://bell.test/ws?x=y"), { EventSource: Source, fetch }, createTimers(), ears, () => {}, () => {});
  t.after(link.close);
  const auth = (token) => link.send({ type: "auth", id: 0, token });
  return { link, told, streams, requests, ends, auth, pass: pass(t), ask: (id, ...rooms) => link.send({ type: "subscribe", id, rooms }) };
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

const ticket = (name) => ({ ticket: name, expires_in_ms: 30_000 });
const tickets = (streams) => streams.map(({ url }) => new URL(url).searchParams.get("ticket"));

test("who has a token opens a stream with a ticket, and the token is in no URL", async (t) => {
  const { told, streams, requests, auth, ask, pass } = setUp(t);
  auth("ada.1.x");
  ask(1, "a:1");
  await pass(300);
  assert.deepEqual([requests.map(({ asked }) => asked), streams.length], [["POST http://bell.test/ticket Bearer ada.1.x"], 0]);
  requests[0].answer(ticket("T-_1"));
  await pass(300);
  assert.deepEqual(streams.map(({ url }) => url), ["http://bell.test/events?rooms=a:1,&ticket=T-_1"]);
  assert.deepEqual(told, [{ type: "authenticated", id: 0 }]);
});

test("every stream has a ticket of its own, and the one before goes on until that has come", async (t) => {
  const { told, streams, requests, auth, ask, pass } = setUp(t);
  auth("ada");
  ask(1, "a:1");
  await pass(300);
  requests[0].answer(ticket("one"));
  await pass(300);
  streams[0].answer("e.2:2:", "a:1");
  ask(2, "b:1");
  await pass(300);
  ask(3, "c:1");
  await pass(300);
  assert.equal(requests.length, 2, "one is asked for at a time");
  streams[0].tell({ type: "invalidate", room: "a:1", cursor: "e.3:3:" }, "e.3:3:");
  requests[1].answer(ticket("two"));
  await pass(300);
  assert.deepEqual(tickets(streams), ["one", "two"]);
  assert.equal(streams[1].url, "http://bell.test/events?rooms=a:1,b:1,c:1,&since=e.3:3:&ticket=two");
  streams[1].answer("e.3:3:", "a:1", "b:1", "c:1");
  assert.deepEqual(told.filter(({ type }) => type === "invalidate" || type === "subscribed").map(({ type, id }) => id ?? type), [1, "invalidate", 2, 3]);
});

test("a newer token leads to another stream, from where the first one was", async (t) => {
  const { told, streams, requests, auth, ask, pass } = setUp(t);
  auth("old");
  ask(1, "a:1", "b:1");
  await pass(300);
  requests[0].answer(ticket("one"));
  await pass(300);
  streams[0].answer("e.2:2:", "a:1", "b:1");
  streams[0].tell({ type: "token_expiring", in_ms: 1000 });
  assert.deepEqual(told.at(-1), { type: "token_expiring", in_ms: 1000 });
  auth("new");
  await pass(300);
  requests[1].answer(ticket("two"));
  await pass(300);
  assert.deepEqual(requests.map(({ asked }) => asked.split(" ").at(-1)), ["old", "new"]);
  assert.equal(new URL(streams[1].url).searchParams.get("since"), "e.2:2:");
  // The new one may not be in one of the rooms any more.
  const denied = { room: "b:1", status: "denied", code: "forbidden", message: "no" };
  streams[1].tell({ type: "subscribed", cursor: "e.2:2:", rooms: [{ room: "a:1", status: "resync" }, denied] }, "e.2:2:");
  assert.deepEqual(told.slice(-2), [
    { ...denied, type: "revoked" },
    { type: "resync", rooms: ["a:1"], cursor: "e.2:2:" },
  ]);
  auth("newer");
  await pass(300);
  requests[2].answer(ticket("three"));
  await pass(300);
  assert.equal(new URL(streams[2].url).searchParams.get("rooms"), "a:1,");
});

test("a ticket that was asked for with the token before is not used", async (t) => {
  const { streams, requests, auth, ask, pass } = setUp(t);
  auth("old");
  ask(1, "a:1");
  await pass(300);
  requests[0].answer(ticket("one"));
  await pass(300);
  ask(2, "b:1");
  await pass(300);
  auth("new");
  await pass(300);
  requests[2].answer(ticket("new's"));
  requests[1].answer(ticket("old's"));
  await pass(300);
  assert.deepEqual(tickets(streams), ["one", "new's"]);
});

test("a room that is denied or revoked is not asked for again, unless the client does", async (t) => {
  const { link, streams, ask, pass } = setUp(t);
  ask(1, "a:1", "b:1");
  await pass(300);
  streams[0].tell({ type: "subscribed", cursor: "e.2:2:", rooms: [{ room: "a:1", status: "live" }, { room: "b:1", status: "denied" }] }, "e.2:2:");
  streams[0].tell({ type: "revoked", room: "a:1", code: "forbidden" });
  ask(2, "c:1");
  await pass(300);
  ask(3, "a:1");
  link.send({ type: "unsubscribe", id: 4, rooms: ["c:1"] });
  await pass(300);
  assert.deepEqual(streams.map(({ url }) => new URL(url).searchParams.get("rooms")), ["a:1,b:1,", "c:1,", "a:1,"]);
});

test("a room that is asked for again before it was denied is asked for again", async (t) => {
  const { link, streams, ask, pass } = setUp(t);
  ask(1, "a:1", "b:1");
  await pass(300);
  link.send({ type: "unsubscribe", id: 2, rooms: ["b:1"] });
  ask(3, "b:1");
  streams[0].tell({ type: "subscribed", cursor: "e.2:2:", rooms: [{ room: "a:1", status: "live" }, { room: "b:1", status: "denied" }] }, "e.2:2:");
  await pass(300);
  assert.equal(new URL(streams[1].url).searchParams.get("rooms"), "a:1,b:1,");
});

test("a room that is denied is denied, with whatever cursor it was asked for", async (t) => {
  const { told, streams, link, pass } = setUp(t);
  link.send({ type: "subscribe", id: 1, rooms: ["a:1"], since: "e.1:1:" });
  link.send({ type: "subscribe", id: 2, rooms: ["b:1"], since: "e.2:2:" });
  await pass(300);
  streams[0].tell({ type: "subscribed", cursor: "e.3:3:", rooms: ["a:1", "b:1"].map((room) => ({ room, status: "denied" })) }, "e.3:3:");
  assert.deepEqual(told.flatMap(({ rooms }) => rooms), ["a:1", "b:1"].map((room) => ({ room, status: "denied" })));
});

for (const code of ["unauthorized", "token_expired"]) {
  test(`a token that is refused is told as over a WebSocket (${code})`, async (t) => {
    const { told, requests, auth, ask, pass } = setUp(t);
    auth("ada");
    ask(1, "a:1");
    await pass(300);
    requests[0].answer({ type: "error", id: null, code, message: "no", retryable: false }, 401);
    await pass();
    assert.deepEqual(told, [{ type: "error", id: 0, code, message: "no", retryable: false }]);
  });
}

test("where tokens are not looked at, the stream goes on without", async (t) => {
  const { streams, requests, auth, ask, pass } = setUp(t);
  auth("ada");
  ask(1, "a:1");
  await pass(300);
  requests[0].answer({ type: "error", id: null, code: "bad_request", message: "open", retryable: false }, 400);
  await pass();
  assert.deepEqual(streams.map(({ url }) => url), ["http://bell.test/events?rooms=a:1,"]);
});

for (const [what, happens] of [
  ["the network fails", ({ reject }) => reject(new TypeError("fetch failed"))],
  ["somebody else answers", ({ resolve }) => resolve(new Response("<h1>Bad Gateway</h1>", { status: 502 }))],
  ["nobody answers in time", () => {}],
  ["there are too many", ({ answer }) => answer({ type: "error", code: "rate_limited", message: "later", retryable: true }, 429)],
  ["nobody can check the token", ({ answer }) => answer({ type: "error", code: "not_ready", message: "later", retryable: true }, 503)],
]) {
  test(`a ticket that cannot be had is a connection that is lost (${what})`, async (t) => {
    const { told, streams, requests, ends, auth, ask, pass } = setUp(t);
    auth("ada");
    ask(1, "a:1");
    await pass(300);
    happens(requests[0]);
    await pass(11_000);
    assert.deepEqual([ends, streams.length, told.length, requests[0].signal.aborted], [[1006], 0, 0, true]);
  });
}

test("a stream that breaks is not opened again with the same ticket, and one that is closed waits for none", async (t) => {
  const { link, told, streams, requests, ends, auth, ask, pass } = setUp(t);
  auth("ada");
  ask(1, "a:1");
  await pass(300);
  requests[0].answer(ticket("one"));
  await pass(300);
  ask(2, "b:1");
  await pass(300);
  streams[0].onerror({});
  requests[1].answer(ticket("two"));
  await pass(300);
  assert.deepEqual([ends, streams.length, streams[0].isClosed], [[1006], 1, true]);
  const before = told.length;
  link.close();
  await pass(300);
  assert.equal(told.length, before);
});

test("a token alone opens no stream: without a room there is nothing to ask for", async (t) => {
  const { told, requests, auth, pass } = setUp(t);
  auth("ada");
  await pass(300);
  assert.deepEqual([told, requests], [[{ type: "welcome" }], []]);
});
