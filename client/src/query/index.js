/**
 * Keeps a TanStack Query cache fresh: what is told in rooms marks queries as stale and fetches those in use again. It never
 * writes data, and never tells TanStack whether the network is there.
 *
 * @import { Client, Notice, RoomState, Status } from "../types.js"
 * @import { QueryBindings, QueryClientLike, QueryLike, QueryOf } from "./types.js"
 */
import { createJoins } from "./joins.js";
import { CANCELLED, createRefetches } from "./refetches.js";
import { prefixesOfChange, prefixesOfRoom } from "./subjects.js";

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
  const { keys, own, fallback, hidden, cursor, throttle } = options;
  const cache = queryClient.getQueryCache();

  /** Since when nothing was missed in a room: by the wall clock, as the client tells it, and by `clock`. @type {Map<string, {liveSince?: number, from: number}>} */
  const rooms = new Map();
  /** Rooms that are joined now, or being joined. @type {Set<string>} */
  const present = new Set();
  /** When the last fetch of all of a query began, by `clock`. @type {WeakMap<QueryLike, number>} */
  let fetched = new WeakMap();
  /** Queries with data of whoever used the page before. @type {WeakSet<QueryLike>} */
  let foreign = new WeakSet();
  /** Queries that may be older than a room of theirs. @type {Set<QueryLike>} */
  const doubted = new Set();
  /** Queries that may name other rooms now. @type {Set<QueryLike>} */
  const moved = new Set();
  /** Says what came first. A wall clock does not: it may be set, and data may come from a server. */
  let clock = 1;
  /** When the youngest of `rooms` went live. */
  let newest = 1;
  let asleep = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let poll;

  const wake = () => {
    if (asleep) queueMicrotask(flush);
    asleep = false;
  };

  /** @param {QueryLike} query */
  const cursorOf = (query) => (foreign.has(query) ? undefined : cursor?.(query));
  const refetches = createRefetches(queryClient, hidden === "refetch", (query) => throttle?.(query) ?? Number(query.meta?.throttle ?? 0), wake);
  const joins = createJoins(client, options, cursorOf);

  /** @param {readonly (readonly unknown[])[]} prefixes @returns {QueryLike[]} */
  const find = (prefixes) => prefixes.flatMap((queryKey) => cache.findAll({ queryKey }));

  /** What depends on all of a room. @param {string} room @returns {QueryLike[]} */
  const queriesOf = (room) => {
    const joined = joins.queriesIn(room);
    if (!keys) return joined;
    const prefixes = prefixesOfRoom(keys, room);
    // Where nobody says what depends on a room, anything in use may.
    return prefixes ? [...joined, ...find(prefixes)] : joined.length ? joined : cache.findAll({ type: "active" });
  };

  /** @param {Notice} notice */
  const onNotice = (notice) => {
    const { room, type } = notice;
    if (type === "resync") queriesOf(room).forEach((query) => refetches.resync(query, notice.spreadMs));
    if (type !== "invalidate" || (own === "skip" && notice.changes.every((change) => change.own))) return;
    joins.queriesIn(room).forEach((query) => refetches.touch(query));
    for (const change of keys ? notice.changes : []) find(prefixesOfChange(/** @type {any} */ (keys), room, change)).forEach((query) => refetches.touch(query));
  };

  /** @param {string} room @param {RoomState} state */
  const onRoom = (room, { state, liveSince }) => {
    if (state === "joining") present.add(room);
    else if (state !== "live") {
      present.delete(room);
      if (rooms.size > MOST_ROOMS) rooms.delete(room);
    } else {
      present.add(room);
      if (!rooms.has(room) || rooms.get(room)?.liveSince !== liveSince) rooms.set(room, { liveSince, from: (newest = ++clock) });
      queriesOf(room).forEach((query) => doubted.add(query));
      wake();
    }
  };

  /** Data that is older than its room is fetched again; or where it says when it was read, the room is asked what came since. */
  const settleDoubts = () => {
    /** @param {QueryLike} query */
    const fetchedAt = (query) => fetched.get(query) ?? 0;
    /** @param {QueryLike} query @param {string} room */
    const isOlder = (query, room) => fetchedAt(query) < (rooms.get(room)?.from ?? 1) && client.getRoom(/** @type {any} */ (room)).state === "live";
    // Without data there is nothing old, and a running fetch brings its query here again when it ends.
    const doubts = new Set([...doubted].filter((query) => query.state.data !== undefined && query.state.fetchStatus === "idle" && fetchedAt(query) < newest));
    doubted.clear();
    if (!doubts.size) return;
    const older = new Set([...doubts].filter((query) => joins.roomsOf(query).some((room) => isOlder(query, room))));
    for (const room of keys ? present : []) {
      queriesOf(room).forEach((query) => doubts.has(query) && isOlder(query, room) && older.add(query));
    }
    for (const query of older) joins.catchUp(query) || refetches.touch(query);
  };

  const flush = () => {
    asleep = true;
    moved.forEach(joins.update);
    moved.clear();
    settleDoubts();
    refetches.flush();
  };

  /** @param {any} event of the query cache */
  const onQuery = ({ type, query, action }) => {
    if (type === "removed") {
      joins.leave(query);
      refetches.removed(query);
      return;
    }
    // Leaving waits until the task has ended: StrictMode, and a page that changes, let go and take up again.
    if (type === "observerRemoved") moved.add(query);
    else if (type === "observerAdded" || type === "observerOptionsUpdated") query.isActive() ? joins.update(query) : moved.add(query);
    else if (type === "updated") onAction(query, action);
    else return;
    if (type !== "updated" || query.state.fetchStatus === "idle") {
      moved.add(query);
      doubted.add(query);
      wake();
    }
  };

  /** @param {QueryLike} query @param {any} action */
  const onAction = (query, { type, meta, manual, state }) => {
    if (type === "fetch") {
      // A further page of an infinite query takes the place of a fetch of all pages.
      if (meta?.fetchMore) return refetches.ended(query, 0);
      refetches.began(query);
      fetched.set(query, ++clock);
    } else if (type === "error" || (type === "success" && !manual)) {
      refetches.ended(query);
      if (type === "success" && fetched.has(query)) foreign.delete(query);
    } else if (type === "setState" && "dataUpdatedAt" in state) {
      // A cancelled fetch puts back what was there before; anything else brings data from who knows when.
      if (!state.fetchStatus || !refetches.ended(query, CANCELLED)) fetched.delete(query);
    }
  };

  /** @param {Status} status */
  const onStatus = ({ lost }) => {
    if (!lost) poll = void clearTimeout(poll);
    else if (fallback) {
      poll ??= setTimeout(() => {
        poll = undefined;
        for (const query of [...joins.queries(), ...[...present].flatMap(queriesOf)]) refetches.touch(query);
        onStatus(client.getStatus());
      }, fallback * (0.5 + Math.random()));
    }
  };

  const onUser = () => {
    rooms.clear();
    fetched = new WeakMap();
    foreign = new WeakSet(cache.getAll());
    joins.restart();
  };

  const ends = [cache.subscribe(onQuery), client.on("notice", onNotice), client.on("room", onRoom), client.on("user", onUser), client.on("status", onStatus)];
  cache.getAll().forEach(joins.update);
  onStatus(client.getStatus());

  return () => {
    ends.forEach((end) => end());
    joins.queries().forEach(joins.leave);
    refetches.close();
    moved.clear();
    doubted.clear();
    clearTimeout(poll);
  };
}
