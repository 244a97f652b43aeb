/**
 * Messages by server-sent events, for where WebSockets do not get through. Speaks with the client as a WebSocket does: what it
 * asks becomes the URL of another stream, and what that stream answers becomes the answers to what was asked. Who it says it
 * is becomes a ticket, good for one stream, because a stream can carry no token and a token has no business in a URL.
 *
 * @import { ClientMessage, RoomStatus } from "../protocol.js"
 * @import { ClientOptions } from "../types.js"
 * @import { Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { parse } from "./parse.js";

/** Types of messages that a stream brings. */
const TYPES = "welcome subscribed invalidate resync revoked token_expiring heartbeat stale fresh goodbye error";
/** A daemon takes a request head of 8 KiB. */
const LONGEST_URL = 6000;
/** Changes of the rooms are gathered for this long before the stream is opened anew. */
const GATHER_MS = 250;
/** How often WebSockets are tried again. */
const TRIAL_MS = 300_000;
/** How long a daemon may take for a ticket. */
const TICKET_MS = 10_000;
/** Rooms beyond the longest URL are fetched again this often. */
const POLL_MS = 15_000;

/** The characters of rooms and cursors may stand in a URL as they are; the app's may be any. @param {string} text */
const encode = (text) => encodeURIComponent(text).replace(/%(3A|40|2F)/g, decodeURIComponent);

/** @param {RoomStatus | undefined} status */
const isDenied = (status) => status?.status === "denied";

/** @typedef {{type: "subscribe", id?: number, rooms: string[], since?: string}} Asked */

/**
 * @param {URL} url of the WebSocket
 * @param {Pick<ClientOptions, "fetch" | "transport"> & {EventSource: new (url: string) => EventSource}} options
 * @param {Timers} timers
 * @param {Ears} ears
 * @param {(ears: Ears) => Link} openSocket finds out beside the stream whether WebSockets get through by now
 * @param {() => void} leave they do
 * @returns {Link}
 */
export function openEvents(url, options, timers, ears, openSocket, leave) {
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
  /** Who the client has said it is. @type {Extract<ClientMessage, {type: "auth"}> | undefined} */
  let auth;
  /** For whom a ticket is asked for now. @type {typeof auth} */
  let asking;
  let isOver = false;
  const abort = new AbortController();
  const gathering = timers.create();
  const polling = timers.create();
  const trying = timers.create();
  const waiting = timers.create();
  /** @type {Link | undefined} */
  let rival;

  /** @param {string} path beside that of the WebSocket */
  const beside = (path) => new URL(path, url).href.replace("ws", "http");

  /** @param {object} message */
  const say = (message) => isOver || ears.message(JSON.stringify(message));

  function close() {
    isOver = true;
    source?.close();
    rival?.close();
    abort.abort();
    for (const timer of [gathering, polling, trying, waiting]) timer.clear();
  }

  function lose() {
    close();
    ears.close(1006, "");
  }

  function wake() {
    if (options.transport !== "auto" || isOver) return;
    rival?.close();
    rival = openSocket({ open() {}, message: leave, close() {} });
    trying.set(wake, TRIAL_MS);
  }

  /**
   * Opens the stream anew, with a ticket where there is a token. The one before goes on until that has come. What becomes of
   * the token is answered to 0, the id that the client gives it.
   */
  async function restart() {
    const mine = auth;
    if (!mine) return open("");
    // The stream of a ticket that is under way has all that is wanted by then.
    if (asking === mine) return;
    asking = mine;
    waiting.set(lose, TICKET_MS);
    const answer = await askTicket(mine.token);
    if (isOver || asking !== mine) return;
    asking = undefined;
    waiting.clear();
    if (answer?.ticket) {
      say({ type: "authenticated", id: 0 });
      open(`&ticket=${encode(answer.ticket)}`);
    } else if (answer?.retryable === false) {
      // Whether the link is to end is decided by who has it. Where tokens are not looked at, it goes on without.
      say({ ...answer, id: 0 });
      isOver || open("");
    } else lose();
  }

  /** A ticket, or an error of the daemon, which may pass; nothing where neither can be had. @param {string} token @returns {Promise<any>} */
  async function askTicket(token) {
    const ask = options.fetch ?? fetch;
    const headers = { authorization: `Bearer ${token}` };
    try {
      return await (await ask(beside("ticket"), { method: "POST", headers, signal: abort.signal })).json();
    } catch {
      // The network, or somebody who is not the daemon.
    }
  }

  /** Opens the stream of all rooms of now. @param {string} ticket */
  function open(ticket) {
    source?.close();
    // What was polled may be in the stream from here on: all of before is told now.
    if (polled.length) poll();
    answering.push(...asked.splice(0));
    const since = cursor ?? answering.find((each) => each.since)?.since;
    const query = (since ? `&since=${encode(since)}` : "") + ticket;
    let href = beside("events?rooms=");
    polled = [];
    for (const room of rooms) {
      const next = `${href + encode(room)},`;
      if (next.length + query.length > LONGEST_URL) polled.push(room);
      else href = next;
    }
    if (polled.length) polling.set(poll, POLL_MS);
    const mine = (source = new options.EventSource(href + query));
    for (const type of TYPES.split(" ")) {
      // An error of the stream itself has the name of a message of the daemon, but no data.
      mine.addEventListener(type, ({ data, lastEventId }) => data && mine === source && !isOver && hear(data, lastEventId, since));
    }
    mine.onerror = (/** @type {any} */ { data }) => {
      data || mine !== source || isOver || lose();
    };
  }

  /** @type {(text: string, id: string, since?: string) => void} */
  function hear(text, id, since) {
    const message = parse(text);
    if (message?.type === "subscribed") answer(message, since);
    // What comes before the answer has no id, because what was missed before it is not told yet.
    else if (message?.cursor && message.cursor !== id) say({ ...message, cursor: undefined });
    else {
      if (message?.type === "revoked") drop(message.room);
      ears.message(text);
    }
    cursor = id || cursor;
  }

  /** Whoever is not let into a room does not ask again by himself. @param {string} room */
  const drop = (room) => asked.some(({ rooms }) => rooms.includes(room)) || rooms.delete(room);

  /** @type {(message: {cursor: string, rooms: RoomStatus[]}, since?: string) => void} */
  function answer({ cursor, rooms }, since) {
    const known = new Map(Array.isArray(rooms) ? rooms.map((status) => [status?.room, status]) : []);
    // Rooms that were joined before, and may have missed something.
    const unproven = new Set(known.keys());
    for (const request of answering.splice(0)) {
      const statuses = request.rooms.map((room) => {
        unproven.delete(room);
        const status = known.get(room);
        // One stream is asked with one cursor: what was to be asked with another is not proven.
        const isProven = !polled.includes(room) && (!request.since || request.since === since);
        return isProven || isDenied(status) ? (status ?? { room }) : { room, status: "resync" };
      });
      say({ type: "subscribed", id: request.id, cursor, rooms: statuses });
    }
    for (const [room, status] of known) {
      if (isDenied(status)) {
        drop(room);
        if (unproven.has(room)) say({ ...status, type: "revoked" });
      }
      if (status?.status !== "resync") unproven.delete(room);
    }
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
      if (message.type === "auth") {
        auth = message;
        // Without a room there is nothing to ask a ticket for.
        if (!source) return;
      }
      if (message.type === "subscribe") {
        for (const room of message.rooms) rooms.add(room);
        asked.push(message);
      }
      gathering.ensure(restart, source ? GATHER_MS : 0);
    },
  };
}
