/**
 * The rooms of a client: which are wanted, which are joined, and what is asked to make both the same.
 *
 * A room's position is its own until `subscribed` has answered for it, and that of the connection from then on. So a
 * connection that is lost before everything was asked again loses no position.
 *
 * @import { Change, ClientMessage, RoomStatus } from "../protocol.js"
 * @import { RoomState } from "../types.js"
 * @import { Emitter } from "./emitter.js"
 * @import { Told } from "./fold.js"
 * @import { Member } from "./member.js"
 * @import { Position } from "./positions.js"
 * @import { Timer, Timers } from "./timers.js"
 */
import { createBudget } from "./budget.js";
import { createMember } from "./member.js";
import { chunk, groupBySince } from "./positions.js";

/** Between two flushes, and between two gatherings of what is left, whatever the app does. */
const FLUSH_EVERY = 100;
const SWEEP_EVERY = 500;
/** What any daemon takes, until `welcome` tells more. */
const LIMITS = { rooms_per_message: 100, message_bytes: 16_384 };
/** Of a message, what is no room. */
const OVERHEAD = 1024;
/** How long an error that may pass is waited for. */
const RETRY_MS = 1000;
/** Rooms whose position is remembered after they were left. */
const MOST_IDLE = 4096;
/** Positions that members may bring to a joined room at once. */
const MOST_ASKS = 16;

/** What stands for a room nobody wants. @type {RoomState} */
const IDLE = Object.freeze({ state: "idle" });

/**
 * @typedef {object} Room
 * @property {string} name
 * @property {Set<Member>} members
 * @property {Member} notices whoever listens to all rooms, at the pace of the fastest member
 * @property {RoomState} state
 * @property {number} request the `subscribe` that is not answered yet; 0 for none
 * @property {Position} [position] where it is asked from; where it is joined, that of the connection counts
 * @property {boolean} unproven whether something was missed that no position tells
 * @property {Map<string, number>} asks older positions that members brought to the joined room, and who asks
 */

/** @typedef {{type: "subscribe" | "sync" | "unsubscribe", rooms: Room[], since?: string}} Request */

/**
 * @param {{batch: number, linger: number, origin: string}} options
 * @param {Emitter} emitter
 * @param {Timers} timers
 * @param {() => void} onChange there are rooms now, or none any more, or all of them are answered
 */
export function createRooms(options, { emit, fail, has }, timers, onChange) {
  /** @type {Map<string, Room>} */
  const rooms = new Map();
  /** Rooms that are not wanted any more, oldest first. @type {Set<Room>} */
  const idle = new Set();
  /** Rooms without members that are kept, and until when. @type {Map<Room, number>} */
  const leaving = new Map();
  /** Rooms to be left on the wire. @type {Room[]} */
  let departed = [];
  /** Rooms of before this connection that were not answered yet. @type {Set<Room>} */
  const unsettled = new Set();
  /** Rooms whose replay has not come yet. @type {Set<Room>} */
  const replaying = new Set();
  /** @type {Map<number, Request>} */
  const requests = new Map();
  /** Those who wait for rooms; they say when they do not wait any more. @type {Set<() => unknown>} */
  const waiters = new Set();
  const budget = createBudget(Date.now());

  /** Sends while there is a connection. @type {((message: ClientMessage) => void) | undefined} */
  let send;
  /** What the last message of this connection told. @type {Position | undefined} */
  let position;
  let order = 0;
  let lastId = 0;
  let limits = LIMITS;
  let spreadMs = 2000;
  let hasForgotten = false;
  let lastFlush = 0;
  let lastSweep = 0;
  /** @type {Timer | undefined} */
  let flushTimer;
  /** @type {Timer | undefined} */
  let sweepTimer;

  // Wishes: who wants which room.

  /**
   * @param {string} name
   * @param {Member} member
   * @param {string} [since]
   * @returns {() => void} ends it
   */
  function join(name, member, since) {
    const room = rooms.get(name) ?? create(name, since);
    const isNew = idle.delete(room);
    leaving.delete(room);
    room.members.add(member);
    setPace(room);
    if (isNew) {
      setState(room, "joining");
      if (!room.position && since) room.position = { cursor: since, order: 0 };
    }
    if (since && room.position?.cursor !== since) ask(room, since);
    if (isLive(room)) timers.set(() => catchUp(room, member), 0);
    plan(options.batch);
    onChange();
    return () => leave(room, member);
  }

  /** @type {(name: string, since?: string) => Room} */
  function create(name, since) {
    const notices = createMember((notice) => emit("notice", notice), 0, false, timers, fail);
    const unproven = hasForgotten && !since;
    /** @type {Room} */
    const room = { name, notices, unproven, members: new Set(), state: IDLE, request: 0, asks: new Map() };
    rooms.set(name, room);
    idle.add(room);
    return room;
  }

  /** @type {(room: Room, since: string) => void} */
  function ask(room, since) {
    if (room.asks.size >= MOST_ASKS) room.unproven = true;
    else if (!room.asks.has(since)) room.asks.set(since, 0);
  }

  /** Tells a member that came to a joined room what nobody was there to hear. @type {(room: Room, member: Member) => void} */
  function catchUp(room, member) {
    if (!member.welcome(room.name) && room.unproven) member.tell(unproven(room));
    room.unproven = false;
  }

  /** @type {(room: Room, member: Member) => void} */
  function leave(room, member) {
    if (!room.members.delete(member)) return;
    const untold = member.close();
    if (room.members.size) {
      setPace(room);
      // Those who came later rely on it.
      if (untold) for (const other of [...room.members]) other.tell(untold);
      return;
    }
    room.notices.flush();
    room.unproven ||= Boolean(untold) || room.asks.size > 0;
    leaving.set(room, Date.now() + options.linger);
    planSweep();
  }

  /** @param {Room} room */
  const setPace = (room) => room.notices.change(Math.min(...[...room.members].map(({ interval }) => interval)));

  function planSweep() {
    for (const due of leaving.values()) {
      sweepTimer ??= timers.set(sweep, Math.max(due, lastSweep + SWEEP_EVERY) - Date.now());
      break;
    }
  }

  /** Leaves what nobody came back to. */
  function sweep() {
    sweepTimer = undefined;
    lastSweep = Date.now();
    for (const [room, due] of leaving) {
      if (due > lastSweep) break;
      rest(room);
    }
    // There is space for others now.
    for (const room of rooms.values()) if (room.state.code === "limit_exceeded") setState(room, "joining");
    planSweep();
    flush();
    settle();
  }

  /** @param {Room} room */
  function rest(room) {
    if (room.request || isLive(room)) departed.push(room);
    for (const part of [leaving, unsettled, replaying]) part.delete(room);
    part(room);
    room.asks.clear();
    setState(room, "idle");
    idle.add(room);
    if (idle.size <= MOST_IDLE) return;
    const [oldest] = idle;
    idle.delete(oldest);
    rooms.delete(oldest.name);
    hasForgotten = true;
  }

  /** Keeps where a room stands that is not joined any more. @param {Room} room */
  function part(room) {
    room.request = 0;
    if (!isLive(room)) return;
    room.position = position;
    room.unproven ||= !position;
  }

  // The wire: what is asked.

  /** @param {number} wait */
  function plan(wait) {
    if (send) flushTimer ??= timers.set(flush, Math.max(wait, lastFlush + FLUSH_EVERY - Date.now()));
  }

  function flush() {
    timers.clear(flushTimer);
    flushTimer = undefined;
    if (!send) return;
    lastFlush = Date.now();
    departed = request("unsubscribe", departed);
    // Whoever was left and is wanted again is left first.
    if (departed.length) return;
    const joins = [];
    /** @type {Map<string, Room[]>} */
    const asks = new Map();
    for (const room of rooms.values()) {
      if (room.state.state === "joining" && !room.request) joins.push(room);
      if (!isLive(room)) continue;
      for (const [since, id] of room.asks) if (!id) asks.set(since, [...(asks.get(since) ?? []), room]);
    }
    for (const group of groupBySince(joins)) request("subscribe", group.rooms, group.since);
    for (const [since, asking] of asks) request("sync", asking, since);
  }

  /**
   * Asks in as many messages as it takes; returns what has to wait, because too many were sent.
   *
   * @param {Request["type"]} type
   * @param {Room[]} asked
   * @param {string} [since]
   */
  function request(type, asked, since) {
    const parts = chunk(asked, limits.rooms_per_message, limits.message_bytes - OVERHEAD);
    for (const [index, part] of parts.entries()) {
      const wait = budget.take(Date.now());
      if (wait) {
        plan(wait);
        return parts.slice(index).flat();
      }
      const id = ++lastId;
      requests.set(id, { type, rooms: part, since });
      for (const room of part) {
        if (type === "subscribe") room.request = id;
        if (type === "sync") room.asks.set(since ?? "", id);
      }
      send?.(/** @type {ClientMessage} */ ({ type, id, rooms: part.map(({ name }) => name), since }));
    }
    return [];
  }

  // The wire: what is answered and told.

  /** @param {any} message */
  function receive(message) {
    const { type, id, room: name } = message;
    const session = send;
    const asked = requests.get(id);
    const room = rooms.get(name);
    // What is told counts once the listeners know; what is answered, as soon as it is answered.
    const isAnswer = type === "subscribed" || type === "synced";
    if (isAnswer) move(message, asked);
    if (asked) {
      requests.delete(id);
      if (asked.type !== "unsubscribe") answered(id, asked, message);
    }
    if (type === "invalidate" && typeof name === "string") invalidated(message, room);
    // A change of who knows which room may be any.
    else if (type === "resync" || type === "invalidate") resynced(message);
    if (type === "revoked" && room) {
      part(room);
      deny(room, "revoked", message);
    }
    if (type === "error" && !(asked && isPassing(message))) fail(new Error(`${message.code}: ${message.message}`));
    if (session !== send) return;
    if (!isAnswer && type !== "welcome") move(message);
    settle();
  }

  /** @type {(message: any, asked?: Request) => void} */
  function move({ cursor, rooms }, asked) {
    if (typeof cursor !== "string" || cursor === position?.cursor) return;
    // Where a replay follows, it is an older position than those told before.
    const isBack = asked && asArray(rooms).some((room) => room?.status === "replayed");
    position = { cursor, order: isBack ? 0 : ++order };
  }

  /** @type {(id: number, asked: Request, message: any) => void} */
  function answered(id, { type, rooms: list, since = "" }, reply) {
    const { rooms: statuses, retry_after_ms, code, message } = reply;
    const answers = new Map(asArray(statuses).map((status) => [status?.room, status]));
    const isToRetry = isPassing(reply);
    if (isToRetry) plan(retry_after_ms ?? RETRY_MS);
    for (const room of list) {
      const isSync = type === "sync";
      if ((isSync ? room.asks.get(since) : room.request) !== id) continue;
      if (isSync && isToRetry) room.asks.set(since, 0);
      else if (isSync) room.asks.delete(since);
      room.request = 0;
      if (isToRetry) continue;
      unsettled.delete(room);
      const answer = answers.get(room.name) ?? { code, message };
      if (/^(live|replayed|resync)$/.test(answer.status)) entered(room, answer.status);
      else deny(room, "denied", answer);
    }
  }

  /** @type {(room: Room, status: RoomStatus["status"]) => void} */
  function entered(room, status) {
    if (status === "replayed") replaying.add(room);
    if (room.asks.size) plan(0);
    const isUnproven = status === "resync" || room.unproven;
    room.unproven = false;
    room.position = undefined;
    if (!isLive(room)) setState(room, "live");
    const others = [...room.members].filter((member) => !member.welcome(room.name));
    if (isUnproven) tell(room, unproven(room), others);
  }

  /** @type {(message: any, room?: Room) => void} */
  function invalidated({ changes, replayed = false }, room) {
    if (!room || !isLive(room)) return;
    replaying.delete(room);
    if (!Array.isArray(changes) || !changes.every(isChange)) return tell(room, unproven(room));
    const noticed = changes.map((change) => ({ ...change, own: change.origin === options.origin }));
    tell(room, { type: "invalidate", room: room.name, changes: noticed, replayed });
  }

  /** @param {any} message */
  function resynced({ rooms: names, reason, spread_ms }) {
    if (spread_ms >= 0) spreadMs = spread_ms;
    for (const room of rooms.values()) {
      if (!isLive(room) || (Array.isArray(names) && !names.includes(room.name))) continue;
      replaying.delete(room);
      tell(room, { ...unproven(room), ...(reason && { reason }) });
    }
  }

  /** @type {(room: Room, state: "denied" | "revoked", why: {code?: string, message?: string}) => void} */
  function deny(room, state, { code = "internal", message = "" }) {
    replaying.delete(room);
    setState(room, state, { code, message });
    fail(Object.assign(new Error(`${room.name} is ${state}: ${code} ${message}`), { room: room.name, code }));
  }

  // What listeners are told.

  /** @type {(room: Room, notice: Told, members?: Iterable<Member>) => void} */
  function tell(room, notice, members = room.members) {
    // Whoever comes back is told then.
    room.unproven ||= !room.members.size;
    if (has("notice")) room.notices.tell(notice);
    for (const member of [...members]) member.tell(notice);
  }

  /** @param {Room} room @returns {Extract<Told, {type: "resync"}>} */
  const unproven = (room) => ({ type: "resync", room: room.name, reason: "unproven", spreadMs });

  /** @type {(room: Room, state: RoomState["state"], why?: {code?: string, message?: string}) => void} */
  function setState(room, state, why) {
    const liveSince = room.state.liveSince ?? (state === "live" ? Date.now() : undefined);
    room.state = Object.freeze({ state, liveSince, ...why });
    emit("room", room.name, room.state);
  }

  /** @param {Room} room */
  const isLive = (room) => room.state.state === "live";

  function settle() {
    for (const isOver of waiters) if (isOver()) waiters.delete(isOver);
    onChange();
  }

  /** Waits until `isDone`, or fails with what it throws. @param {() => boolean} isDone @returns {Promise<void>} */
  const until = (isDone) =>
    new Promise((resolve, reject) => {
      const isOver = () => {
        try {
          return isDone() && (resolve(), true);
        } catch (error) {
          reject(error);
          return true;
        }
      };
      if (!isOver()) waiters.add(isOver);
    });

  /** @param {string} name */
  const state = (name) => rooms.get(name)?.state ?? IDLE;

  return {
    join,
    receive,
    state,
    size: () => rooms.size - idle.size,
    isSettled: () => !unsettled.size,

    /** @param {string} name */
    live: (name) =>
      until(() => {
        const now = state(name);
        if (now.code || now.state === "idle") throw Object.assign(new Error(`${name}: ${now.message ?? "left"}`), now);
        return now.state === "live";
      }),

    /**
     * Asks what was missed since the last message.
     *
     * @param {readonly string[]} [names]
     */
    async sync(names = [...rooms.keys()]) {
      const asked = names.flatMap((name) => rooms.get(name) ?? []);
      for (const room of asked) if (isLive(room) && position) ask(room, position.cursor);
      flush();
      await until(() => !asked.some((room) => room.state.state === "joining" || (isLive(room) && (room.asks.size || replaying.has(room)))));
      for (const room of asked) for (const member of [...room.members, room.notices]) member.flush();
    },

    /**
     * A connection is there: everything is asked again.
     *
     * @param {(message: ClientMessage) => void} sender
     */
    attach(sender) {
      send = sender;
      for (const room of rooms.values()) if (room.members.size) unsettled.add(room);
      flush();
    },

    /** @param {any} told */
    limit(told) {
      for (const [name, most] of Object.entries(told ?? {})) if (most > 0) limits = { ...limits, [name]: most };
    },

    /** The connection is gone: each room keeps where it stood. */
    detach() {
      send = undefined;
      timers.clear(flushTimer);
      flushTimer = undefined;
      departed = [];
      for (const gone of [unsettled, replaying, requests]) gone.clear();
      for (const room of rooms.values()) {
        part(room);
        for (const since of room.asks.keys()) room.asks.set(since, 0);
        if (!idle.has(room)) setState(room, "joining");
      }
      position = undefined;
    },

    /** Somebody else: nothing of this one is left. */
    clear() {
      const known = [...rooms.values()];
      for (const gone of [rooms, idle, leaving]) gone.clear();
      hasForgotten = false;
      for (const room of known) {
        for (const member of [...room.members, room.notices]) member.close();
        room.members.clear();
        room.state = IDLE;
        emit("room", room.name, IDLE);
      }
      settle();
    },
  };
}

/** Whether to ask again. By the time of the answer, more is known of what the daemon takes. @param {any} error */
const isPassing = ({ retryable, code }) => retryable || code === "limit_exceeded";

/** @param {any} list @returns {any[]} */
const asArray = (list) => (Array.isArray(list) ? list : []);

/** @param {any} change @returns {change is Change} */
const isChange = (change) =>
  typeof change?.entity === "string" && typeof change.id === "string" && Array.isArray(change.events);
