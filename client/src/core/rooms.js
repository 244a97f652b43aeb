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
 * @import { Timers } from "./timers.js"
 */
import { createMember } from "./member.js";
import { firstGroup } from "./positions.js";

/** Between two messages, whatever the app does: 500 cards scrolled by in three seconds make at most 40. */
const FLUSH_EVERY = 75;
/** What any daemon takes, until `welcome` tells more. */
const LIMITS = { rooms_per_message: 100, message_bytes: 16_384 };
/** More bytes than a room takes in a message. */
const LONGEST_ROOM = 132;
/** How long an error that may pass is waited for. */
const RETRY_MS = 1000;
/** Rooms whose position is remembered after they were left. */
const MOST_IDLE = 4096;

/** What stands for a room nobody wants. @type {RoomState} */
const IDLE = Object.freeze({ state: "idle" });

/**
 * @typedef {object} Room
 * @property {string} name
 * @property {Set<Member>} members
 * @property {Member} notices whoever listens to all rooms, at the pace of the fastest member
 * @property {import("./timers.js").Timer} lingering while nobody is in it that is kept for one who comes back
 * @property {RoomState} state
 * @property {number} request the `subscribe` that is not answered yet; 0 for none
 * @property {Position} [position] where it is to be asked from; where it is joined, that of the connection counts otherwise
 * @property {boolean} unproven whether something was missed that no position tells
 */


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
  /** Rooms to be left on the wire. @type {Set<Room>} */
  const departed = new Set();
  /** Rooms of before this connection that were not answered yet. @type {Set<Room>} */
  const unsettled = new Set();
  /** What each `subscribe` asked for. @type {Map<number, Room[]>} */
  const requests = new Map();
  /** Those who wait for rooms, and look again whenever something happens. @type {Set<() => void>} */
  const waiters = new Set();

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
  const flushing = timers.create();

  // Wishes: who wants which room.

  /**
   * @param {string} name
   * @param {Member} member
   * @param {string} [since]
   * @returns {() => void} ends it
   */
  function join(name, member, since) {
    const room = rooms.get(name) ?? create(name, since);
    room.lingering.clear();
    room.members.add(member);
    setPace(room);
    if (idle.delete(room)) setState(room, "joining");
    if (since && !room.position && !room.request) room.position = { cursor: since, order: 0 };
    // One position can be asked at a time, and two that differ are in no known order.
    const isDoubtful = since && room.position?.cursor !== since;
    if (isLive(room)) queueMicrotask(() => (isDoubtful ? tell(room, unproven(room), [member]) : catchUp(room, member)));
    else if (isDoubtful) room.unproven = true;
    plan(options.batch);
    onChange();
    return () => leave(room, member);
  }

  /** @type {(name: string, since?: string) => Room} */
  function create(name, since) {
    const notices = createMember((notice) => emit("notice", notice), 0, false, timers, fail);
    /** @type {Room} */
    const room = { name, notices, lingering: timers.create(), unproven: hasForgotten && !since, members: new Set(), state: IDLE, request: 0 };
    rooms.set(name, room);
    idle.add(room);
    return room;
  }

  /** Tells a member that came to a joined room what nobody was there to hear. @type {(room: Room, member: Member) => void} */
  function catchUp(room, member) {
    if (member.isDeaf) return;
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
    } else {
      room.notices.flush();
      room.unproven ||= !!untold;
      room.lingering.set(() => rest(room), options.linger);
    }
    // Whoever waits for a room may have left it.
    settle();
  }

  /** @param {Room} room */
  const setPace = (room) => room.notices.change(Math.min(...[...room.members].map(({ interval }) => interval)));

  /** Leaves a room that nobody came back to. @param {Room} room */
  function rest(room) {
    if (room.request || isLive(room)) departed.add(room);
    unsettled.delete(room);
    part(room);
    setState(room, "idle");
    idle.add(room);
    if (idle.size > MOST_IDLE) {
      const [oldest] = idle;
      idle.delete(oldest);
      rooms.delete(oldest.name);
      hasForgotten = true;
    }
    plan(options.batch);
    settle();
  }

  /** Keeps where a room stands that is not joined any more. @param {Room} room */
  function part(room) {
    room.request = 0;
    if (!isLive(room)) return;
    // What a member brought is in no known order with where the others are.
    room.unproven ||= !position || room.position !== undefined;
    room.position = position;
  }

  // The wire: what is asked.

  /** @param {number} wait */
  function plan(wait) {
    if (send) flushing.ensure(flush, Math.max(wait, lastFlush + FLUSH_EVERY - Date.now()));
  }

  /** Whether there is something to ask: to come in, or what was missed. @param {Room} room */
  const isOpen = (room) => room.members.size && (isLive(room) ? room.position : room.state.state === "joining");

  const unasked = () => [...rooms.values()].filter((room) => !room.request && isOpen(room));

  /** Sends one message; what does not fit waits for the next. */
  function flush() {
    flushing.clear();
    if (!send) return;
    lastFlush = Date.now();
    // Leaving makes space for others, and who was left and is wanted again is left first.
    const isLeaving = departed.size;
    const { since, rooms: wanted } = isLeaving ? { rooms: [...departed] } : firstGroup(unasked());
    if (!wanted.length) return;
    const most = Math.max(Math.min(limits.rooms_per_message, limits.message_bytes / LONGEST_ROOM - 1) | 0, 1);
    const asked = wanted.slice(0, most);
    const id = ++lastId;
    if (isLeaving) {
      for (const room of asked) departed.delete(room);
      for (const room of rooms.values()) if (room.state.code === "limit_exceeded") setState(room, "joining");
    } else {
      requests.set(id, asked);
      for (const room of asked) room.request = id;
    }
    send({ type: isLeaving ? "unsubscribe" : "subscribe", id, rooms: asked.map(({ name }) => name), since });
    if (departed.size || unasked().length) plan(0);
  }

  // The wire: what is answered and told.

  /** @param {any} message */
  function receive(message) {
    const { type, id, room: name } = message;
    const session = send;
    const asked = requests.get(id);
    const room = rooms.get(name);
    requests.delete(id);
    if (type === "welcome") limits = { ...limits, ...message.limits };
    // What is told counts once the listeners know; what is answered, as soon as it is answered.
    if (type === "subscribed") move(message, asked);
    if (asked) answered(id, asked, message);
    if (type === "invalidate" && typeof name === "string") invalidated(message, room);
    // A change of who knows which room may be any.
    else if (type === "resync" || type === "invalidate") resynced(message);
    if (type === "revoked" && room) {
      part(room);
      deny(room, "revoked", message);
    }
    if (type === "error" && !(asked && isPassing(message))) fail(new Error(`${message.code}: ${message.message}`));
    if (session !== send) return;
    if (type !== "subscribed" && type !== "welcome") move(message);
    settle();
  }

  /** @type {(message: any, asked?: Room[]) => void} */
  function move({ cursor, rooms }, asked) {
    if (typeof cursor !== "string" || cursor === position?.cursor) return;
    // Where a replay follows, it is an older position than those told before.
    const isBack = asked && asArray(rooms).some((room) => room?.status === "replayed");
    position = { cursor, order: isBack ? 0 : ++order };
  }

  /** @type {(id: number, asked: Room[], reply: any) => void} */
  function answered(id, asked, reply) {
    const answers = new Map(asArray(reply.rooms).map((status) => [status?.room, status]));
    if (isPassing(reply)) plan(reply.retry_after_ms ?? RETRY_MS);
    for (const room of asked) {
      if (room.request !== id) continue;
      room.request = 0;
      if (isPassing(reply)) continue;
      unsettled.delete(room);
      const answer = answers.get(room.name) ?? reply;
      if (/live|replayed|resync/.test(answer.status)) entered(room, answer.status);
      else deny(room, "denied", answer);
    }
  }

  /** @type {(room: Room, status: RoomStatus["status"]) => void} */
  function entered(room, status) {
    const isUnproven = status === "resync" || room.unproven;
    room.position = undefined;
    room.unproven = false;
    if (!isLive(room)) setState(room, "live");
    const others = [...room.members].filter((member) => !member.welcome(room.name));
    if (isUnproven) tell(room, unproven(room), others);
  }

  /** @type {(message: any, room?: Room) => void} */
  function invalidated({ changes, replayed = false }, room) {
    if (!room || !isLive(room)) return;
    if (!Array.isArray(changes) || !changes.every(isChange)) return tell(room, unproven(room));
    const noticed = changes.map((change) => ({ ...change, own: change.origin === options.origin }));
    tell(room, { type: "invalidate", room: room.name, changes: noticed, replayed });
  }

  /** @param {any} message */
  function resynced({ rooms: names, reason, spread_ms }) {
    if (spread_ms >= 0) spreadMs = spread_ms;
    for (const room of rooms.values()) {
      if (!isLive(room) || (Array.isArray(names) && !names.includes(room.name))) continue;
      tell(room, { ...unproven(room), ...(reason && { reason }) });
    }
  }

  /** @type {(room: Room, state: "denied" | "revoked", why: {code?: string, message?: string, retry_after_ms?: number}) => void} */
  function deny(room, state, { retry_after_ms, code = "internal", message = "" }) {
    if (retry_after_ms) {
      // Nobody could tell whether it may be joined: that passes.
      setState(room, "joining");
      return plan(retry_after_ms);
    }
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
    for (const check of waiters) check();
    onChange();
  }

  /** Waits until `isDone`, or fails with what it throws. @type {(isDone: () => unknown, signal?: AbortSignal) => Promise<void>} */
  const until = (isDone, signal) =>
    new Promise((resolve, reject) => {
      const check = () => {
        try {
          signal?.throwIfAborted();
          if (!isDone()) return;
          resolve();
        } catch (error) {
          reject(error);
        }
        waiters.delete(check);
      };
      waiters.add(check);
      check();
    });

  /** @param {string} name */
  const state = (name) => rooms.get(name)?.state ?? IDLE;

  return {
    join,
    receive,
    state,
    size: () => rooms.size - idle.size,
    isSettled: () => !unsettled.size,

    /** @type {(name: string, signal?: AbortSignal) => Promise<void>} */
    live: (name, signal) =>
      until(() => {
        const now = state(name);
        if (now.code || now.state === "idle") throw Object.assign(new Error(`${name} is ${now.code ?? "left"}`), now);
        return now.state === "live";
      }, signal),

    /**
     * Asks what was missed since the last message.
     *
     * @param {readonly string[]} [names]
     */
    async sync(names = [...rooms.keys()]) {
      const asked = names.flatMap((name) => rooms.get(name) ?? []);
      for (const room of asked) if (isLive(room) && !room.request) room.position ??= position;
      flush();
      // The last message of a replay is the first that moves on.
      await until(() => position?.order !== 0 && !asked.some(isOpen));
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

    /** The connection is gone: each room keeps where it stood. */
    detach() {
      send = undefined;
      flushing.clear();
      for (const gone of [departed, unsettled, requests]) gone.clear();
      for (const room of rooms.values()) {
        part(room);
        if (!idle.has(room)) setState(room, "joining");
      }
      position = undefined;
    },

    /** Somebody else: nothing of this one is left. */
    clear() {
      const known = [...rooms.values()];
      for (const gone of [rooms, idle]) gone.clear();
      hasForgotten = false;
      for (const room of known) {
        room.lingering.clear();
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
