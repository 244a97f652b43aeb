/**
 * The daemon's side of one connection: answers what a client asks as `pgbell.v1` has it.
 *
 * @import { ErrorCode, RoomStatus, ServerMessage } from "../protocol.js"
 */

/** @typedef {ReturnType<typeof createSession>} Session */

/**
 * @typedef {object} World what all sessions of a server share
 * @property {ReturnType<typeof import("./memory.js").createMemory>} memory
 * @property {Map<string, ErrorCode>} denied
 * @property {Record<string, unknown>[]} frames
 * @property {{rooms: number, rooms_per_message: number, message_bytes: number}} limits
 * @property {number} heartbeat
 * @property {(token: string) => string | null} authenticate
 */

/** What is said of a token that means nobody. @type {Extract<ServerMessage, {type: "error"}>} */
export const UNAUTHORIZED = { type: "error", code: "unauthorized", message: "no such token", retryable: false };

/** Once what was said before has arrived. @param {() => void} act */
export const soon = (act) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(act)));

/**
 * @param {World} world
 * @param {(message: ServerMessage) => void} send
 * @param {(code: number, reason: string) => void} close
 * @param {string | null} [user] who comes with a ticket
 */
export function createSession(world, send, close, user = null) {
  const { memory } = world;
  /** @type {Set<string>} */
  const rooms = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let expiry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let beat;

  function heartbeat() {
    send({ type: "heartbeat", cursor: memory.cursor(), server_time: new Date().toISOString() });
    plan();
  }

  function plan() {
    beat = setTimeout(heartbeat, world.heartbeat);
    // A forgotten client keeps no test process alive. In browsers a timer is a number.
    /** @type {{unref?: () => void}} */ (beat).unref?.();
  }

  /**
   * @param {"subscribed" | "synced"} type
   * @param {any} request
   */
  function resume(type, { id, rooms: asked, since }) {
    /** @type {[string, import("../protocol.js").Change[]][]} */
    const replays = [];
    const statuses = asked.map((/** @type {string} */ room) => {
      const refusal = refuse(room, type === "synced");
      if (refusal) return { room, status: "denied", ...refusal };
      rooms.add(room);
      const missed = since === undefined ? [] : memory.missed(room, since);
      if (missed === "resync") return { room, status: "resync", code: "cursor_unrecoverable", message: "nobody knows" };
      if (missed.length) replays.push([room, missed]);
      return { room, status: missed.length ? "replayed" : "live" };
    });
    // Only the last frame of a replay moves the client on.
    send({ type, id, cursor: replays.length ? since : memory.cursor(), rooms: statuses });
    replays.forEach(([room, changes], index) => {
      const cursor = index === replays.length - 1 ? memory.cursor() : since;
      send({ type: "invalidate", room, cursor, changes, replayed: true });
    });
  }

  /**
   * @param {string} room
   * @param {boolean} mustBeIn
   * @returns {Partial<RoomStatus> | undefined}
   */
  function refuse(room, mustBeIn) {
    const code = world.denied.get(room);
    if (code) return { code, message: "not for you", retry_after_ms: retryAfter(code) };
    if (!/^[\w.:@/-]{1,128}$/.test(room)) return { code: "bad_room", message: "no name of a room" };
    if (mustBeIn && !rooms.has(room)) return { code: "bad_room", message: "not a room of this connection" };
    if (rooms.size >= world.limits.rooms && !rooms.has(room)) return { code: "limit_exceeded", message: "leave some first" };
  }

  return {
    rooms,
    send,
    close,
    user: () => user,

    welcome() {
      const { limits, heartbeat } = world;
      const server_time = new Date().toISOString();
      const cursor = memory.cursor();
      send({ type: "welcome", protocol: 1, connection: "mock", cursor, heartbeat_ms: heartbeat, server_time, user, limits });
      plan();
    },

    /** @param {string} text */
    receive(text) {
      const message = JSON.parse(text);
      world.frames.push(message);
      const { type, id } = message;
      if (message.rooms?.length > world.limits.rooms_per_message || text.length > world.limits.message_bytes) {
        return send({ type: "error", id, code: "limit_exceeded", message: "send several", retryable: false });
      }
      if (type === "subscribe") resume("subscribed", message);
      if (type === "sync") resume("synced", { rooms: [...rooms], ...message });
      if (type === "unsubscribe") {
        message.rooms.forEach((/** @type {string} */ room) => rooms.delete(room));
        send({ type: "unsubscribed", id, rooms: message.rooms });
      }
      if (type === "ping") send({ type: "pong", id, server_time: new Date().toISOString() });
      if (type === "auth") {
        const found = world.authenticate(message.token);
        if (found === null) return send({ ...UNAUTHORIZED, id });
        clearTimeout(expiry);
        user = found;
        send({ type: "authenticated", id, user, expires_in_ms: 3_600_000 });
      }
    },

    /** @param {number} ms */
    expire(ms) {
      send({ type: "token_expiring", in_ms: ms });
      clearTimeout(expiry);
      expiry = setTimeout(() => {
        send({ type: "goodbye", code: 4200, reason: "token_expired", retry_after_ms: 500 });
        soon(() => close(4200, "token_expired"));
      }, ms);
    },

    end() {
      clearTimeout(expiry);
      clearTimeout(beat);
    },
  };
}

/** When to ask again, if nobody could tell. @param {string} code */
export const retryAfter = (code) => (["not_ready", "rate_limited"].includes(code) ? 1000 : undefined);
