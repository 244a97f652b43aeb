/**
 * A pgbell daemon for tests and stories, in the same process and without a network. It remembers what it told, so a client
 * that comes back is told what it missed.
 *
 * @import { Change, ErrorCode, ResyncReason, ServerMessage } from "../protocol.js"
 * @import { Session } from "./session.js"
 * @import { Wire } from "./sockets.js"
 */
import { createMemory } from "./memory.js";
import { UNAUTHORIZED, createSession, retryAfter, soon } from "./session.js";
import { createSockets } from "./sockets.js";

/**
 * @typedef {object} MockServerOptions
 * @property {string} [url] default `ws://mock.test/ws`
 * @property {number} [heartbeat] how often it shows that it is there, in milliseconds. Default 25000
 * @property {{rooms?: number, rooms_per_message?: number, message_bytes?: number}} [limits]
 * @property {(token: string) => string | null} [authenticate] names the user of a token, or nobody: default, the token itself
 */

/** @typedef {ReturnType<typeof createMockServer>} MockServer */

/** @param {MockServerOptions} [options] */
export function createMockServer(options = {}) {
  const memory = createMemory();
  /** @type {Map<Wire, Session>} */
  const sessions = new Map();
  /** What any client sent, oldest first. @type {Record<string, any>[]} */
  const frames = [];
  /** @type {Map<string, ErrorCode>} */
  const denied = new Map();
  const refusals = { websocket: 0, sse: 0, ticket: 0 };
  /** Who may open a stream with which ticket, once. @type {Map<string, string>} */
  const tickets = new Map();
  let lastTicket = 0;
  let attempts = 0;
  /** @type {Set<Wire>} */
  const silenced = new Set();
  const world = {
    memory,
    denied,
    frames,
    heartbeat: options.heartbeat ?? 25_000,
    limits: { rooms: 1000, rooms_per_message: 1000, message_bytes: 65_536, ...options.limits },
    authenticate: options.authenticate ?? ((/** @type {string} */ token) => token),
  };

  const { WebSocket, EventSource } = createSockets({
    accept(wire) {
      attempts++;
      if (refusals[wire.kind]-- > 0) return;
      refusals[wire.kind] = 0;
      const ticket = wire.url.searchParams.get("ticket");
      const user = ticket === null ? null : tickets.get(ticket);
      if (user === undefined) return;
      tickets.delete(ticket ?? "");
      const send = (/** @type {ServerMessage} */ message) => {
        if (!silenced.has(wire)) wire.deliver({ type: "message", data: JSON.stringify(message) });
      };
      const session = createSession(world, send, (code, reason) => wire.cut(code, reason), user);
      const { receive } = session;
      session.receive = (text) => void (silenced.has(wire) || receive(text));
      sessions.set(wire, session);
      return session;
    },
    leave(wire) {
      sessions.get(wire)?.end();
      sessions.delete(wire);
      silenced.delete(wire);
    },
  });

  /**
   * `POST /ticket`.
   *
   * @param {string} url
   * @param {RequestInit} init
   */
  async function fetch(url, init) {
    if (refusals.ticket-- > 0) throw new TypeError("fetch failed");
    refusals.ticket = 0;
    const token = new Headers(init.headers).get("authorization")?.replace("Bearer ", "") ?? "";
    frames.push({ type: "ticket", token, url });
    const user = world.authenticate(token);
    if (user === null) return Response.json(UNAUTHORIZED, { status: 401 });
    const ticket = `ticket-${++lastTicket}`;
    tickets.set(ticket, user);
    return Response.json({ ticket, expires_in_ms: 30_000 });
  }

  /**
   * @param {ServerMessage} message
   * @param {(session: Session) => boolean} [whom]
   */
  const tell = (message, whom = () => true) => {
    for (const session of sessions.values()) if (whom(session)) session.send(message);
  };
  const cut = (/** @type {number} */ code, /** @type {string} */ reason) => {
    for (const wire of [...sessions.keys()]) wire.cut(code, reason);
  };

  return {
    url: options.url ?? "ws://mock.test/ws",
    WebSocket: /** @type {new (url: string, protocols?: string | string[]) => globalThis.WebSocket} */ (/** @type {unknown} */ (WebSocket)),
    EventSource: /** @type {new (url: string) => globalThis.EventSource} */ (/** @type {unknown} */ (EventSource)),
    /** For tickets, which a client with tokens opens an `EventSource` with. */
    fetch,
    frames,

    /** Something changed. What a change leaves out is made up from the room's name: `product:42`. */
    emit(/** @type {string} */ room, /** @type {Partial<Change> | Partial<Change>[]} */ change = {}) {
      const [entity, id = ""] = room.split(/[:_]/);
      const at = new Date().toISOString();
      const changes = [change].flat().map((each) => ({ entity, id, op: "update", events: [], count: 1, at, ...each }));
      for (const each of changes) memory.tell(room, { change: /** @type {Change} */ (each) });
      const message = { type: "invalidate", room, cursor: memory.cursor(), changes };
      tell(/** @type {ServerMessage} */ (message), (session) => session.rooms.has(room));
    },

    /** Nobody can say what changed. */
    resync(/** @type {string[] | "*"} */ rooms = "*", /** @type {ResyncReason} */ reason = "bulk", spread_ms = 2000) {
      for (const room of rooms === "*" ? ["*"] : rooms) memory.tell(room, { resync: reason });
      tell({ type: "resync", rooms, reason, cursor: memory.cursor(), spread_ms }, ({ rooms: joined }) => rooms === "*" || rooms.some((room) => joined.has(room)));
    },

    /** The database is lost, */
    stale: () => tell({ type: "stale", since: new Date().toISOString() }),
    /** and back. */
    fresh: () => tell({ type: "fresh", cursor: memory.cursor() }),

    /** A planned close. */
    goodbye(code = 4201, retry_after_ms = 1000) {
      tell({ type: "goodbye", code, reason: "draining", retry_after_ms });
      soon(() => cut(code, "draining"));
    },

    close: (code = 1000, reason = "") => cut(code, reason),
    /** The network is gone: what is under way is lost. */
    drop: () => cut(1006, ""),
    /** The connections of now stay open, and nothing comes through any more. */
    silence: () => [...sessions.keys()].forEach((wire) => silenced.add(wire)),
    /** The next attempts to connect fail, or those to get a ticket. */
    refuse: (attempts = Infinity, /** @type {"websocket" | "sse" | "ticket"} */ transport = "websocket") => (refusals[transport] = attempts),

    /** From now on nobody may join this room, until `allow`. */
    deny: (/** @type {string} */ room, /** @type {ErrorCode} */ code = "forbidden") => denied.set(room, code),
    allow: (/** @type {string} */ room) => denied.delete(room),
    /** Whoever is in this room is not any more, and may not join it again. */
    revoke(/** @type {string} */ room, /** @type {ErrorCode} */ code = "forbidden") {
      denied.set(room, code);
      tell({ type: "revoked", room, code, retry_after_ms: retryAfter(code) }, (session) => session.rooms.delete(room));
    },

    /** The tokens of all connections expire, unless they are renewed. */
    expireToken: (inMs = 60_000) => sessions.forEach((session) => session.expire(inMs)),

    /** The log was rotated away: cursors of before cannot be answered. */
    forget: () => memory.forget(),
    /** Another history, as after a restored database. */
    restart: () => memory.restart(),
    /** Sends any text to everybody, to see what a client makes of it. */
    say: (/** @type {unknown} */ text) => [...sessions.keys()].forEach((wire) => wire.deliver({ type: "message", data: text })),

    /** How many connections are in each room. @returns {Map<string, number>} */
    get rooms() {
      const rooms = new Map();
      for (const session of sessions.values()) for (const room of session.rooms) rooms.set(room, (rooms.get(room) ?? 0) + 1);
      return rooms;
    },
    /** How many connections there are. */
    get connections() {
      return sessions.size;
    },
    /** How often any client tried to connect. */
    get attempts() {
      return attempts;
    },
    get cursor() {
      return memory.cursor();
    },
    /** Who is connected, by name. */
    get users() {
      return [...sessions.values()].map((session) => session.user());
    },
  };
}
