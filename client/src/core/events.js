/**
 * Messages by server-sent events, for where WebSockets do not get through. Speaks with the client as a WebSocket does: what it
 * asks becomes the URL of another stream, and what that stream answers becomes the answers to what was asked.
 *
 * @import { RoomStatus } from "../protocol.js"
 * @import { Timer, Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */

/** Types of messages that a stream brings. */
const TYPES = ["welcome", "subscribed", "invalidate", "resync", "revoked", "heartbeat", "stale", "fresh", "goodbye", "error"];
/** A daemon takes a request head of 8 KiB. */
const LONGEST_URL = 6000;
/** Changes of the rooms are gathered for this long before the stream is opened anew. */
const GATHER_MS = 250;
/** Rooms beyond the longest URL are fetched again this often. */
const POLL_MS = 15_000;

/** @typedef {{type: string, id: number, rooms?: string[], since?: string}} Asked */

/**
 * @param {URL} url of the WebSocket
 * @param {new (url: string) => EventSource} EventSource
 * @param {Timers} timers
 * @param {Ears} ears
 * @returns {Link}
 */
export function openEvents(url, EventSource, timers, ears) {
  const base = new URL("events", url);
  base.protocol = base.protocol.replace("ws", "http");
  /** @type {Set<string>} */
  const rooms = new Set();
  /** What the next stream answers. @type {Asked[]} */
  let asked = [];
  /** What this stream answers. @type {Asked[]} */
  let answering = [];
  /** Rooms that no URL has space for. @type {string[]} */
  let polled = [];
  /** @type {EventSource | undefined} */
  let source;
  /** Where all rooms of the stream stand. @type {string | undefined} */
  let cursor;
  /** @type {Timer | undefined} */
  let gather;
  /** @type {Timer | undefined} */
  let poll;
  let isWelcomed = false;
  let isOver = false;

  /** @param {object} message */
  const say = (message) => isOver || ears.message(JSON.stringify(message));

  function stop() {
    isOver = true;
    source?.close();
    timers.clear(gather);
    timers.clear(poll);
  }

  /** Opens the stream of all rooms of now. */
  function restart() {
    gather = undefined;
    source?.close();
    answering.push(...asked);
    asked = [];
    const since = cursor ?? answering.find((each) => each.since)?.since;
    const query = since ? `&since=${encodeURIComponent(since)}` : "";
    const wasPolled = polled;
    polled = [];
    let href = `${base.href}?rooms=`;
    for (const room of rooms) {
      const next = `${href + encodeURIComponent(room)},`;
      if (next.length + query.length > LONGEST_URL) polled.push(room);
      else href = next;
    }
    const mine = (source = new EventSource(href + query));
    for (const type of TYPES) {
      mine.addEventListener(type, (event) => mine === source && !isOver && hear(event.data, since, wasPolled));
    }
    mine.onerror = () => {
      if (mine !== source || isOver) return;
      stop();
      ears.close(1006, "");
    };
  }

  /** @type {(text: string, since: string | undefined, wasPolled: string[]) => void} */
  function hear(text, since, wasPolled) {
    // An error of the stream itself comes without a message, by the same name as one of the daemon.
    if (!text) return;
    const message = parse(text);
    if (message?.type === "welcome" && isWelcomed) return;
    isWelcomed = true;
    if (message?.type === "subscribed") answer(message, since, wasPolled);
    else ears.message(text);
    if (message?.cursor && message.type !== "welcome") cursor = message.cursor;
  }

  /** @type {(message: {cursor: string, rooms: RoomStatus[]}, since: string | undefined, wasPolled: string[]) => void} */
  function answer({ cursor, rooms: statuses }, since, unproven) {
    const known = new Map(Array.isArray(statuses) ? statuses.map((status) => [status?.room, status]) : []);
    const others = new Map(known);
    for (const request of answering.splice(0)) {
      // One stream is asked with one cursor: what was to be asked with another is not proven.
      const isProven = !request.since || request.since === since;
      const answers = (request.rooms ?? []).map((room) => {
        others.delete(room);
        const status = polled.includes(room) ? { room, status: request.since ? "resync" : "live" } : known.get(room);
        return isProven || status?.status === "denied" ? (status ?? { room }) : { room, status: "resync" };
      });
      if (request.type !== "ping") say({ type: request.type === "sync" ? "synced" : "subscribed", id: request.id, cursor, rooms: answers });
    }
    // What the stream says of those that were joined before.
    for (const { room, status, code } of others.values()) {
      if (status === "resync") unproven.push(room);
      if (status === "denied") say({ type: "revoked", room, code });
    }
    if (unproven.length) say({ type: "resync", rooms: unproven, cursor });
    timers.clear(poll);
    if (polled.length) poll = timers.set(tellPolled, POLL_MS);
  }

  function tellPolled() {
    say({ type: "resync", rooms: polled, reason: "polled" });
    if (!isOver) poll = timers.set(tellPolled, POLL_MS);
  }

  queueMicrotask(() => {
    if (isOver) return;
    ears.open();
    // Without a room there is nothing to open yet.
    if (!asked.length) say({ type: "welcome" });
  });

  return {
    send(message) {
      if (message.type === "unsubscribe") {
        // The stream goes on with them until there is another reason to open it anew.
        for (const room of message.rooms) rooms.delete(room);
        return queueMicrotask(() => say({ type: "unsubscribed", id: message.id, rooms: message.rooms }));
      }
      if (message.type === "subscribe") for (const room of message.rooms) rooms.add(room);
      asked.push(/** @type {Asked} */ (message));
      gather ??= timers.set(restart, source ? GATHER_MS : 0);
    },
    close: () => stop(),
  };
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    // The client says what it makes of it.
  }
}
