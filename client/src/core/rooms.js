/**
 * The rooms of a client: which are wanted, which are joined, and what is asked to make both the same.
 *
 * A room's position is its own until `subscribed` has answered for it, and that of the connection from then on. So a
 * connection that is lost before everything was asked again loses no position.
 *
 * @import { Change, ClientMessage, RoomStatus, ServerMessage } from "../protocol.js"
 * @import { Notice, RoomState } from "../types.js"
 * @import { Emitter } from "./emitter.js"
 * @import { Member } from "./member.js"
 * @import { Position } from "./positions.js"
 * @import { Room } from "./room.js"
 * @import { Timer, Timers } from "./timers.js"
 */
import { createBudget } from "./budget.js";
import { createMember } from "./member.js";
import { brought, chunk, createHeld, groupBySince } from "./positions.js";
import { ask, createRoom, IDLE } from "./room.js";

/** Between two flushes, and between two gatherings of what is left, whatever the app does. */
const FLUSH_EVERY = 100;
const SWEEP_EVERY = 500;

/** What any daemon takes, until `welcome` tells more. */
const LIMITS = { rooms_per_message: 100, message_bytes: 16384 };

/** Of a message, what is no room. */
const OVERHEAD = 1024;

/** What a `resync` is spread over that came without a time, until the daemon has told one. */
const SPREAD_MS = 2000;

/** How long an error that may pass is waited for. */
const RETRY_MS = 1000;

/** @typedef {{kind: "subscribe" | "sync" | "unsubscribe", rooms: Room[], since?: string}} Request */

/**
 * @typedef {object} Waiter
 * @property {Room[]} rooms
 * @property {(room: Room) => boolean} isDone
 * @property {boolean} needs whether a refusal is a failure
 * @property {() => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * @param {object} context
 * @param {{batch: number, linger: number, origin: string}} context.options
 * @param {Emitter} context.emitter
 * @param {Timers} context.timers
 * @param {() => void} context.onChange there are rooms now, or none any more, or all of them are answered
 */
export function createRooms({ options, emitter, timers, onChange }) {
  const { emit, fail } = emitter;
  /** @type {Map<string, Room>} */
  const rooms = new Map();
  let held = createHeld();
  const budget = createBudget(Date.now());

  /** Rooms whose last member has gone, and until when they are kept. @type {Map<Room, number>} */
  const leaving = new Map();
  /** Rooms to be left on the wire. @type {Room[]} */
  let departed = [];
  /** Rooms to be looked at by the next flush. @type {Set<Room>} */
  const dirty = new Set();
  /** Rooms of before this connection that were not answered yet. @type {Set<Room>} */
  const unsettled = new Set();
  /** Rooms whose replay has not come yet. @type {Set<Room>} */
  const replaying = new Set();
  /** @type {Map<number, Request>} */
  const requests = new Map();
  /** @type {Set<Waiter>} */
  const waiters = new Set();

  /** Sends while there is a connection. @type {((message: ClientMessage) => void) | undefined} */
  let send;
  /** What the last message of this connection told. @type {Position | undefined} */
  let position;
  let order = 0;
  let lastId = 0;
  let limits = LIMITS;
  let spreadMs = SPREAD_MS;
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
    const room = rooms.get(name) ?? enter(name, since);
    leaving.delete(room);
    room.leftAt = undefined;
    room.members.add(member);
    setPace(room);
    const isAsked = !since || room.position?.cursor === since || ask(room, since);
    if (!isAsked && !room.joined) room.unproven = true;
    if (room.joined) later(() => catchUp(room, member, !isAsked));
    want(room);
    return () => leave(room, member);
  }

  /**
   * @param {string} name
   * @param {string} [since]
   */
  function enter(name, since) {
    /** @param {Notice} notice */
    const listener = (notice) => emit("notice", notice);
    const room = createRoom(name, createMember({ listener, interval: 0 }, timers, fail));
    const { position, liveSince, unproven, forgotten } = held.recall(name);
    room.position = position ?? brought(since);
    room.unproven = unproven ?? (forgotten && !since);
    room.state = Object.freeze({ state: "joining", liveSince });
    rooms.set(name, room);
    emit("room", name, room.state);
    if (rooms.size === 1) onChange();
    return room;
  }

  /** Tells a member that came to a joined room what nobody was there to hear. @type {(room: Room, member: Member, unproven: boolean) => void} */
  function catchUp(room, member, unproven) {
    if (member.welcome(room.name) || member.isDeaf) return;
    if (unproven || room.unproven || room.missed) member.tell(unprovenNotice(room));
    room.unproven = room.missed = false;
  }

  /** @type {(room: Room, member: Member) => void} */
  function leave(room, member) {
    const isBehind = member.isBehind();
    member.close();
    if (!room.members.delete(member) || !isCurrent(room)) return;
    if (room.members.size) return setPace(room);
    room.notices.flush();
    room.unproven ||= isBehind || room.asks.size > 0;
    room.leftAt = room.joined ? position : room.position;
    leaving.set(room, Date.now() + options.linger);
    planSweep();
  }

  /** @param {Room} room */
  function setPace(room) {
    room.notices.change(Math.min(...[...room.members].map((member) => member.interval)));
  }

  function planSweep() {
    const [due] = leaving.values();
    if (due === undefined) return;
    sweepTimer ??= timers.set(sweep, Math.max(due, lastSweep + SWEEP_EVERY) - Date.now());
  }

  /** Leaves what nobody came back to. */
  function sweep() {
    sweepTimer = undefined;
    lastSweep = Date.now();
    for (const [room, due] of leaving) {
      if (due <= lastSweep) drop(room);
    }
    planSweep();
    flush();
    if (!rooms.size) onChange();
  }

  /** @param {Room} room */
  function drop(room) {
    const { name, leftAt, unproven, state } = room;
    leaving.delete(room);
    rooms.delete(name);
    for (const rest of [dirty, unsettled, replaying]) rest.delete(room);
    if (leftAt || unproven) held.hold(name, { position: leftAt, liveSince: state.liveSince, unproven });
    if (room.request || room.joined) departed.push(room);
    emit("room", name, IDLE);
    settle();
  }

  // The wire: what is asked.

  /** @param {Room} room */
  function want(room) {
    dirty.add(room);
    plan(options.batch);
  }

  /** @param {number} wait */
  function plan(wait) {
    if (!send || flushTimer) return;
    flushTimer = timers.set(flush, Math.max(wait, lastFlush + FLUSH_EVERY - Date.now()));
  }

  function flush() {
    timers.clear(flushTimer);
    flushTimer = undefined;
    if (!send) return;
    lastFlush = Date.now();
    const unsent = departed.filter((room) => !isCurrent(room));
    departed = request("unsubscribe", unsent);
    // Whoever is left and joined again at once is left first.
    if (departed.length) return;
    const looked = [...dirty].filter(isCurrent);
    dirty.clear();
    const joins = looked.filter((room) => !room.joined && !room.request && !room.refused);
    for (const group of groupBySince(joins)) {
      for (const room of request("subscribe", group.rooms, group.since)) dirty.add(room);
    }
    /** @type {Map<string, Room[]>} */
    const asks = new Map();
    for (const room of looked.filter((room) => room.joined)) {
      for (const [since, id] of room.asks) {
        if (!id) asks.set(since, [...(asks.get(since) ?? []), room]);
      }
    }
    for (const [since, asking] of asks) {
      for (const room of request("sync", asking, since)) dirty.add(room);
    }
  }

  /**
   * Asks in as many messages as it takes and may be sent now; returns what has to wait.
   *
   * @param {Request["kind"]} kind
   * @param {Room[]} asked
   * @param {string} [since]
   */
  function request(kind, asked, since) {
    const parts = chunk(asked, limits.rooms_per_message, limits.message_bytes - OVERHEAD);
    while (parts.length) {
      const wait = budget.take(Date.now());
      if (wait) {
        plan(wait);
        break;
      }
      const part = /** @type {Room[]} */ (parts.shift());
      const id = ++lastId;
      requests.set(id, { kind, rooms: part, since });
      for (const room of part) {
        if (kind === "subscribe") room.request = id;
        if (kind === "sync" && since) room.asks.set(since, id);
      }
      const names = part.map((room) => room.name);
      send?.(/** @type {ClientMessage} */ ({ type: kind, id, rooms: names, since }));
    }
    return parts.flat();
  }

  // The wire: what is answered and told.

  /** @param {ServerMessage} message */
  function receive(message) {
    const session = send;
    // What is told counts once the listeners know; what is answered, as soon as it is answered.
    const isAnswer = message.type === "subscribed" || message.type === "synced";
    if (isAnswer) move(message);
    if (isAnswer) answered(message);
    else if (message.type === "unsubscribed") unsubscribed(message.id);
    else if (message.type === "invalidate") invalidated(message);
    else if (message.type === "resync") resynced(message);
    else if (message.type === "revoked") revoked(message);
    else if (message.type === "error") refused(message);
    if (session !== send) return;
    if (!isAnswer && message.type !== "welcome") move(message);
    settle();
  }

  /** @param {any} message */
  function move({ id, cursor, rooms }) {
    if (typeof cursor !== "string" || cursor === position?.cursor) return;
    // Where a replay follows, it is an older position than those told before.
    const isBack = Array.isArray(rooms) && rooms.some((room) => room?.status === "replayed");
    position = { cursor, order: isBack && requests.has(id) ? 0 : ++order };
  }

  /** @param {Extract<ServerMessage, {type: "subscribed" | "synced"}>} message */
  function answered({ id, rooms: list }) {
    const request = requests.get(id);
    requests.delete(id);
    if (!request || request.kind === "unsubscribe") return;
    /** @type {Map<string, RoomStatus>} */
    const answers = new Map();
    for (const status of Array.isArray(list) ? list : []) answers.set(status?.room, status);
    for (const room of request.rooms) {
      const answer = answers.get(room.name);
      if (!isCurrent(room)) continue;
      if (request.kind === "sync") synced(room, request.since ?? "", id, answer?.status);
      else if (room.request === id) subscribed(room, answer);
    }
  }

  /**
   * @param {Room} room
   * @param {RoomStatus} [answer]
   */
  function subscribed(room, answer) {
    room.request = 0;
    unsettled.delete(room);
    const status = answer?.status;
    if (status !== "live" && status !== "replayed" && status !== "resync") return deny(room, "denied", answer);
    room.joined = true;
    room.position = undefined;
    if (status === "replayed") replaying.add(room);
    if (room.asks.size) want(room);
    setState(room, { state: "live", liveSince: room.state.liveSince ?? Date.now() });
    const isUnproven = status === "resync" || room.unproven;
    // Whoever has gone is told when it comes back.
    room.unproven = isUnproven && !room.members.size;
    const others = [...room.members].filter((member) => !member.welcome(room.name));
    if (isUnproven) tell(room, unprovenNotice(room), others);
  }

  /** @type {(room: Room, since: string, id: number, status: string | undefined) => void} */
  function synced(room, since, id, status) {
    if (room.asks.get(since) !== id) return;
    room.asks.delete(since);
    if (status === "replayed") replaying.add(room);
    else if (status !== "live") tell(room, unprovenNotice(room));
    // The daemon does not know that this client is in the room: it is joined again, and nothing is proven.
    if (status === "denied") {
      room.joined = false;
      room.unproven = true;
      want(room);
    }
  }

  /** @param {number} id */
  function unsubscribed(id) {
    requests.delete(id);
    for (const room of rooms.values()) {
      if (room.refused && room.state.code === "limit_exceeded") {
        room.refused = false;
        want(room);
      }
    }
  }

  /** @param {Extract<ServerMessage, {type: "invalidate"}>} message */
  function invalidated({ room: name, changes, replayed }) {
    if (typeof name !== "string") return unreadable();
    const room = rooms.get(name);
    if (!room) return;
    replaying.delete(room);
    if (!Array.isArray(changes) || !changes.every(isChange)) return tell(room, unprovenNotice(room));
    const noticed = changes.map((change) => ({ ...change, own: change.origin === options.origin }));
    tell(room, { type: "invalidate", room: name, changes: noticed, replayed: Boolean(replayed) });
  }

  /** @param {Extract<ServerMessage, {type: "resync"}>} message */
  function resynced({ rooms: names, reason, spread_ms }) {
    if (spread_ms >= 0) spreadMs = spread_ms;
    for (const room of [...rooms.values()]) {
      if (Array.isArray(names) && !names.includes(room.name)) continue;
      replaying.delete(room);
      tell(room, { ...unprovenNotice(room), reason: reason ?? "unproven" });
    }
  }

  function unreadable() {
    for (const room of [...rooms.values()]) tell(room, unprovenNotice(room));
  }

  /** @param {Extract<ServerMessage, {type: "revoked"}>} message */
  function revoked({ room: name, code }) {
    const room = rooms.get(name);
    if (!room) return;
    if (room.joined) room.position = position;
    room.joined = false;
    room.request = 0;
    deny(room, "revoked", { code });
  }

  /** @param {Extract<ServerMessage, {type: "error"}>} message */
  function refused({ id, code, message, retryable, retry_after_ms, room: name }) {
    const request = requests.get(/** @type {number} */ (id));
    emitter.fail(new Error(`${code}: ${message}${name ? ` (${name})` : ""}`));
    if (!request) return;
    requests.delete(/** @type {number} */ (id));
    if (code === "limit_exceeded" && request.rooms.length > 1) {
      limits = { ...limits, rooms_per_message: Math.ceil(request.rooms.length / 2) };
      retryable = true;
      retry_after_ms ??= 0;
    }
    for (const room of request.rooms.filter(isCurrent)) {
      if (request.kind === "sync") synced(room, request.since ?? "", room.asks.get(request.since ?? "") ?? 0, "error");
      else if (room.request !== id) continue;
      else if (!retryable) subscribed(room, /** @type {RoomStatus} */ ({ room: room.name, status: "denied", code, message }));
      else {
        room.request = 0;
        dirty.add(room);
      }
    }
    if (retryable) plan(retry_after_ms ?? RETRY_MS);
  }

  /**
   * @param {Room} room
   * @param {"denied" | "revoked"} state
   * @param {{code?: string, message?: string}} [why]
   */
  function deny(room, state, { code = "internal", message = "the daemon gave no answer" } = {}) {
    room.refused = true;
    replaying.delete(room);
    setState(room, { state, code, message });
    fail(Object.assign(new Error(`${state} ${room.name}: ${code}: ${message}`), { room: room.name, code }));
  }

  // What listeners are told.

  /**
   * @param {Room} room
   * @param {Extract<Notice, {type: "invalidate" | "resync"}>} notice
   * @param {Iterable<Member>} [members]
   */
  function tell(room, notice, members = room.members) {
    if (!room.members.size) room.missed = true;
    if (emitter.has("notice")) room.notices.tell(notice);
    for (const member of [...members]) if (!member.isDeaf) member.tell(notice);
  }

  /** @param {Room} room @returns {Extract<Notice, {type: "resync"}>} */
  const unprovenNotice = (room) => ({ type: "resync", room: room.name, reason: "unproven", spreadMs });

  /**
   * @param {Room} room
   * @param {RoomState} state
   */
  function setState(room, state) {
    room.state = Object.freeze({ liveSince: room.state.liveSince, ...state });
    emit("room", room.name, room.state);
  }

  // Who waits for rooms.

  /**
   * @param {Room[]} awaited
   * @param {(room: Room) => boolean} isDone
   * @param {boolean} needs
   * @returns {Promise<void>}
   */
  function until(awaited, isDone, needs) {
    return new Promise((resolve, reject) => {
      waiters.add({ rooms: awaited, isDone, needs, resolve, reject });
      settle();
    });
  }

  function settle() {
    for (const waiter of waiters) {
      const failed = waiter.needs && waiter.rooms.find((room) => room.refused || !isCurrent(room));
      const isDone = waiter.rooms.every((room) => !isCurrent(room) || room.refused || waiter.isDone(room));
      if (!failed && !isDone) continue;
      waiters.delete(waiter);
      if (failed) waiter.reject(Object.assign(new Error(`${failed.name}: ${failed.state.message ?? "left"}`), failed.state));
      else waiter.resolve();
    }
    onChange();
  }

  /** @param {Room} room */
  const isCurrent = (room) => rooms.get(room.name) === room;

  /** @param {() => void} act */
  const later = (act) => void timers.set(act, 0);

  return {
    join,
    receive,
    size: () => rooms.size,
    isSettled: () => !unsettled.size,
    /** @param {string} name */
    state: (name) => rooms.get(name)?.state ?? IDLE,

    /** @param {string} name */
    live: (name) => until([.../** @type {Room[]} */ ([rooms.get(name)])], (room) => room.joined, true),

    /**
     * Asks what was missed since the last message.
     *
     * @param {readonly string[]} [names]
     */
    async sync(names = [...rooms.keys()]) {
      const asked = names.flatMap((name) => rooms.get(name) ?? []);
      for (const room of asked) {
        if (room.joined && position) ask(room, position.cursor);
        dirty.add(room);
      }
      flush();
      await until(asked, (room) => room.joined && !room.asks.size && !replaying.has(room), false);
      for (const room of asked) [...room.members, room.notices].forEach((member) => member.flush());
    },

    /**
     * A connection is there: everything is asked again.
     *
     * @param {(message: ClientMessage) => void} sender
     */
    attach(sender) {
      send = sender;
      for (const room of rooms.values()) {
        dirty.add(room);
        if (!leaving.has(room)) unsettled.add(room);
      }
      flush();
    },

    /** @param {Partial<typeof LIMITS> | undefined} told */
    limit(told) {
      const positive = Object.entries(told ?? {}).filter(([, most]) => most > 0);
      limits = { ...limits, ...Object.fromEntries(positive) };
    },

    /** The connection is gone: each room keeps where it stood. */
    detach() {
      send = undefined;
      timers.clear(flushTimer);
      flushTimer = undefined;
      for (const room of rooms.values()) {
        if (room.joined) {
          room.position = position;
          room.unproven ||= !position;
        }
        room.asks.forEach((_, since) => room.asks.set(since, 0));
        room.joined = room.refused = false;
        room.request = 0;
        if (room.state.state !== "joining") setState(room, { state: "joining" });
      }
      departed = [];
      position = undefined;
      for (const rest of [dirty, unsettled, replaying, requests]) rest.clear();
    },

    /** Somebody else: nothing of this one is left. */
    clear() {
      const names = [...rooms.keys()];
      for (const room of rooms.values()) {
        for (const member of [...room.members, room.notices]) member.close();
      }
      for (const rest of [rooms, leaving, dirty, unsettled, replaying, requests]) rest.clear();
      held = createHeld();
      for (const name of names) emit("room", name, IDLE);
      settle();
    },
  };
}

/** @param {any} change @returns {change is Change} */
const isChange = (change) =>
  typeof change?.entity === "string" && typeof change.id === "string" && Array.isArray(change.events);
