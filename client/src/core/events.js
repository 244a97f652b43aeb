/**
 * Messages by server-sent events, for where WebSockets do not get through. Speaks with the client as a WebSocket does: what it
 * asks becomes the URL of another stream, and what that stream answers becomes the answers to what was asked.
 *
 * @import { RoomStatus } from "../protocol.js"
 * @import { Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { parse } from "./parse.js";

/** Types of messages that a stream brings. */
const TYPES = "welcome subscribed invalidate resync revoked heartbeat stale fresh goodbye error";
/** A daemon takes a request head of 8 KiB. */
const LONGEST_URL = 6000;
/** Changes of the rooms are gathered for this long before the stream is opened anew. */
const GATHER_MS = 250;
/** How often WebSockets are tried again. */
const TRIAL_MS = 300_000;
/** Rooms beyond the longest URL are fetched again this often. */
const POLL_MS = 15_000;

/** @typedef {{type: "subscribe", id?: number, rooms: string[], since?: string}} Asked */

/**
 * @param {URL} url of the WebSocket
 * @param {new (url: string) => EventSource} EventSource
 * @param {Timers} timers
 * @param {Ears} ears
 * @param {false | ((ears: Ears) => Link)} openSocket finds out beside the stream whether WebSockets get through by now
 * @param {() => void} leave they do
 * @returns {Link}
 */
export function openEvents(url, EventSource, timers, ears, openSocket, leave) {
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
  let isOver = false;
  const gathering = timers.create();
  const polling = timers.create();
  const trying = timers.create();
  /** @type {Link | undefined} */
  let rival;

  /** @param {object} message */
  const say = (message) => isOver || ears.message(JSON.stringify(message));

  function close() {
    isOver = true;
    source?.close();
    rival?.close();
    for (const timer of [gathering, polling, trying]) timer.clear();
  }

  function wake() {
    if (!openSocket || isOver) return;
    rival?.close();
    rival = openSocket({ open() {}, message: leave, close() {} });
    trying.set(wake, TRIAL_MS);
  }

  /** Opens the stream of all rooms of now. */
  function restart() {
    source?.close();
    // What was polled may be in the stream from here on: all of before is told now.
    if (polled.length) poll();
    answering.push(...asked.splice(0));
    const since = cursor ?? answering.find((each) => each.since)?.since;
    const query = since ? `&since=${encodeURIComponent(since)}` : "";
    let { href } = new URL("events?rooms=", url);
    href = href.replace("ws", "http");
    polled = [];
    for (const room of rooms) {
      const next = `${href + encodeURIComponent(room)},`;
      if (next.length + query.length > LONGEST_URL) polled.push(room);
      else href = next;
    }
    if (polled.length) polling.set(poll, POLL_MS);
    const mine = (source = new EventSource(href + query));
    for (const type of TYPES.split(" ")) {
      // An error of the stream itself has the name of a message of the daemon, but no data.
      mine.addEventListener(type, ({ data }) => data && mine === source && !isOver && hear(data, since));
    }
    mine.onerror = (/** @type {any} */ { data }) => {
      if (data || mine !== source || isOver) return;
      close();
      ears.close(1006, "");
    };
  }

  /** @type {(text: string, since?: string) => void} */
  function hear(text, since) {
    const message = parse(text);
    if (message?.type === "subscribed") answer(message, since);
    else ears.message(text);
    if (message?.type !== "welcome") cursor = message?.cursor ?? cursor;
  }

  /** @type {(message: {cursor: string, rooms: RoomStatus[]}, since?: string) => void} */
  function answer({ cursor, rooms }, since) {
    const known = new Map(Array.isArray(rooms) ? rooms.map((status) => [status?.room, status]) : []);
    // Rooms that were joined before, and may have missed something.
    const unproven = new Set(known.keys());
    for (const request of answering.splice(0)) {
      const statuses = request.rooms.map((room) => {
        unproven.delete(room);
        // One stream is asked with one cursor: what was to be asked with another is not proven.
        const isProven = !polled.includes(room) && (!request.since || request.since === since);
        return isProven ? (known.get(room) ?? { room }) : { room, status: "resync" };
      });
      say({ type: "subscribed", id: request.id, cursor, rooms: statuses });
    }
    for (const room of unproven) if (known.get(room)?.status !== "resync") unproven.delete(room);
    if (unproven.size) say({ type: "resync", rooms: [...unproven], cursor });
  }

  function poll() {
    polling.set(poll, POLL_MS);
    say({ type: "resync", rooms: polled, reason: "polled" });
  }

  trying.set(wake, TRIAL_MS);
  queueMicrotask(() => {
    if (isOver) return;
    ears.open();
    // Without a room there is nothing to open yet.
    if (!asked.length) say({ type: "welcome" });
  });

  return {
    close,
    wake,

    send(message) {
      // The stream goes on with those that are left until there is another reason to open it anew.
      if (message.type === "unsubscribe") return message.rooms.forEach((room) => rooms.delete(room));
      if (message.type === "subscribe") {
        for (const room of message.rooms) rooms.add(room);
        asked.push(message);
      }
      gathering.ensure(restart, source ? GATHER_MS : 0);
    },
  };
}
