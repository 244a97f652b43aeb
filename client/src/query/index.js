/**
 * Keeps a TanStack Query cache fresh: what is told in rooms marks queries as stale and fetches those in use again, never two
 * fetches of a query at once, and after a running one at most one more. It never writes data, and never tells TanStack
 * whether the network is there.
 *
 * @import { Client, Notice, RoomState, Status } from "../types.js"
 * @import { QueryRecord } from "./record.js"
 * @import { QueryClientLike, QueryLike, QueryOf } from "./types.js"
 */
import { act, createRecord } from "./record.js";
import { createSubjects } from "./subjects.js";

/**
 * @typedef {import("./types.js").KeysOf} KeysOf
 * @typedef {import("./types.js").Subject} Subject
 */
/**
 * @template [Query=QueryLike]
 * @typedef {import("./types.js").QueryBindings<Query>} QueryBindings
 */

/** Queries that a resync fetches at once. Beyond it even what is in use is spread: nobody sees more at a glance. */
const AT_ONCE = 10;

/** Over how many ms the tabs of an office spread that are seen again after lunch. */
const SEEN_AGAIN = 500;

/** Rooms that were left and of which is remembered since when nothing was missed. */
const MOST_ROOMS = 4096;

/**
 * @template {QueryClientLike} QC
 * @param {Client} client
 * @param {QC} queryClient
 * @param {QueryBindings<QueryOf<QC>>} [options]
 * @returns {() => void} what ends it
 */
export function bindQueryClient(client, queryClient, options = {}) {
  /** @type {QueryBindings<any>} */
  const { keys, cursor, throttle, hidden, own, fallback } = options;
  const subjects = createSubjects(keys);
  const cache = queryClient.getQueryCache();
  const page = globalThis.document;
  /** @type {Map<QueryLike, QueryRecord>} */
  const records = new Map();
  /** Since when nothing was missed in a room: as the client says, and by the clock here. @type {Map<any, {liveSince?: number, from: number}>} */
  const rooms = new Map();
  /** When the youngest of the rooms went live. */
  let newest = 0;
  let clock = 0;
  let burst = 0;
  let asleep = true;
  /** @type {any} */
  let poll;

  /** The time; but it never stands still, so that it says what came first, and is never set back. */
  const tick = () => (clock = Math.max(clock + 0.001, Date.now()));
  const isHidden = () => page?.visibilityState === "hidden";
  const onVisible = () => isHidden() || setTimeout(wake, Math.random() * SEEN_AGAIN);
  const wake = () => {
    if (asleep) queueMicrotask(flush);
    asleep = false;
  };

  /** @param {QueryRecord} record */
  const look = (record) => {
    record.moved = true;
    wake();
  };

  /** @param {QueryLike} query */
  const recordOf = (query) => {
    const record = records.get(query) ?? createRecord(query);
    records.set(query, record);
    return record;
  };

  /** @param {object} filters */
  const find = (filters) => cache.findAll(filters).map(recordOf);

  /** What depends on a change in a room, or on all of the room; where nobody says what does, anything in use. @param {string} room @param {any} [change] */
  const dependents = (room, change) => {
    const named = [...records.values()].filter((record) => record.rooms.includes(room));
    if (keys && !change && !named.length && !subjects.has(room)) return find({ type: "active" });
    return named.concat(subjects.prefixesOf(room, change).flatMap((queryKey) => find({ queryKey })));
  };

  /** The query missed something. @param {QueryRecord} record @param {number} [wait] */
  const touch = (record, wait = 0) => {
    const { query, fetched, due } = record;
    const now = Date.now();
    const pace = Number(throttle?.(query) ?? query.meta?.throttle ?? 0);
    wait = Math.max(wait, Math.min(pace, fetched + pace - now));
    if (now + wait >= due) return;
    const at = (record.due = now + wait);
    // Due is what its timer says: the clock rounds, and may be set back.
    wait ? setTimeout(() => (record.due === at && (record.due = 0), wake()), wait) : wake();
  };

  /** Whoever is told twice of the same keeps its moment. @param {QueryRecord} record @param {number} spreadMs */
  const resync = (record, spreadMs) => {
    if (record.due === Infinity) touch(record, isHidden() || ++burst > AT_ONCE ? Math.random() * spreadMs : 0);
  };

  /** @param {QueryRecord} record */
  const cursorOf = ({ query, foreign }) => (foreign ? undefined : (cursor?.(query) ?? undefined));

  /** The new subscription begins before the old one ends, so that no room is left on the way. @param {QueryRecord} record @param {any[]} names */
  const join = (record, names) => {
    const { stop } = record;
    const since = cursorOf(record);
    // All that is told comes by `onNotice`, but for what only those are told who came to a room that was joined.
    /** @param {Notice} notice */
    const listener = (notice) => notice.type === "resync" && resync(record, notice.spreadMs);
    Object.assign(record, { rooms: names, since, stop: client.subscribe(names, listener, { since, throttle: 0 }) });
    stop?.();
    for (const room of names) onRoom(room, client.getRoom(room));
  };

  /** Makes a query be in the rooms that it names now; in none unless something uses it. @param {QueryRecord} record */
  const update = (record) => {
    const { query } = record;
    const named = query.isActive() && (options.rooms?.(query.queryKey, /** @type {any} */ (query)) ?? query.meta?.rooms);
    const names = /** @type {any[]} */ ([]).concat(named || []);
    if (!names.length) record.stop = record.stop?.();
    else if (!record.stop || `${names}` !== `${record.rooms}`) join(record, names);
  };

  /** Whether the data may be older than what is told in a room. A running fetch brings the query here again. @param {QueryRecord} record @param {number} from */
  const isOlder = ({ query, moved, fetched }, from) => moved && fetched < from && query.state.fetchStatus === "idle";

  /** Data that is older than its room is fetched again; or where it says when it was read, the room is asked what came since. @param {any} room @param {number} from */
  const settle = (room, from) => {
    if (client.getRoom(room).state !== "live") return;
    for (const record of dependents(room)) {
      if (!isOlder(record, from)) continue;
      const since = record.stop && cursorOf(record);
      if (!since) touch(record);
      else if (since !== record.since) join(record, record.rooms);
    }
  };

  const flush = () => {
    asleep = true;
    burst = 0;
    const all = [...records.values()];
    for (const record of all) record.moved && update(record);
    if (all.some((record) => isOlder(record, newest))) rooms.forEach(({ from }, room) => settle(room, from));
    for (const record of all) record.moved = false;
    const now = Date.now();
    /** @param {number} time */
    const isDue = (time) => (/** @type {QueryLike} */ query) => recordOf(query).due <= time;
    if (!all.some(({ due }) => due < Infinity)) return;
    queryClient.invalidateQueries({ predicate: isDue(Number.MAX_VALUE), refetchType: "none" });
    if (hidden === "refetch" || !isHidden()) queryClient.refetchQueries({ predicate: isDue(now), type: "active", fetchStatus: "idle" });
  };

  /** @param {any} event of the query cache */
  const onQuery = ({ type, query, action }) => {
    const record = recordOf(query);
    if (type === "removed") {
      record.stop?.();
      records.delete(query);
      return;
    }
    const wait = action && act(record, action, tick());
    if (wait >= 0) touch(record, wait);
    // Joining comes before the first fetch. Leaving waits until the task has ended: StrictMode lets go and takes up again.
    if (query.isActive()) update(record);
    look(record);
  };

  /** @param {Notice} notice */
  const onNotice = (notice) => {
    const { type, room } = notice;
    if (type === "resync") dependents(room).forEach((record) => resync(record, notice.spreadMs));
    else if (type === "invalidate" && !(own === "skip" && notice.changes.every((change) => change.own))) {
      for (const change of notice.changes) dependents(room, change).forEach((record) => touch(record));
    }
  };

  /** @param {any} room @param {RoomState} state */
  const onRoom = (room, { state, liveSince }) => {
    const known = rooms.get(room);
    if (state === "live") {
      if (!known?.from || known.liveSince !== liveSince) rooms.set(room, { liveSince, from: (newest = tick()) });
      dependents(room).forEach(look);
    } else if (state === "joining") known || rooms.set(room, { from: 0 });
    else if (rooms.size > MOST_ROOMS) rooms.delete(room);
  };

  const onPoll = () => rooms.forEach((_, room) => client.getRoom(room).state !== "idle" && dependents(room).forEach((record) => touch(record)));

  /** @param {Status} status */
  const onStatus = ({ lost }) => {
    if (!lost) poll = clearInterval(poll);
    else if (fallback) poll ??= setInterval(onPoll, fallback * (0.5 + Math.random()));
  };

  const onUser = () => {
    rooms.clear();
    for (const record of records.values()) {
      Object.assign(record, { foreign: true, fetched: 0 });
      if (record.stop) join(record, record.rooms);
    }
  };

  const ends = [cache.subscribe(onQuery), client.on("notice", onNotice), client.on("room", onRoom), client.on("user", onUser), client.on("status", onStatus)];
  page?.addEventListener("visibilitychange", onVisible);
  find({}).forEach(update);
  onStatus(client.getStatus());

  return () => {
    for (const end of ends) end();
    page?.removeEventListener("visibilitychange", onVisible);
    clearInterval(poll);
    for (const { stop } of records.values()) stop?.();
    records.clear();
  };
}
