/**
 * Keeps a TanStack Query cache fresh: what is told in rooms marks queries as stale and fetches those in use again, never two
 * fetches of a query at once, and after a running one at most one more. It never writes data, and never tells TanStack
 * whether the network is there.
 *
 * @import { Client, RoomState } from "../types.js"
 * @import { Follower } from "./follower.js"
 * @import { QueryClientLike, QueryLike, QueryOf } from "./types.js"
 */
import { createFollower, tick } from "./follower.js";
import { prefixesOf } from "./subjects.js";

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
  const { keys, hidden, own } = options;
  const cache = queryClient.getQueryCache();
  const page = globalThis.document;
  /** @type {Map<QueryLike, Follower>} */
  const followers = new Map();
  /** Since when nothing was missed in a room: as the client says, and by `tick`. @type {Map<any, [number | undefined, number]>} */
  const rooms = new Map();
  /** When the youngest of the rooms went live. */
  let newest = 0;
  let burst = 0;
  let asleep = true;

  const wake = () => {
    if (asleep) queueMicrotask(flush);
    asleep = false;
  };
  const onVisible = () => setTimeout(wake, Math.random() * SEEN_AGAIN);
  const isHidden = () => page?.visibilityState === "hidden";
  const isLate = () => isHidden() || ++burst > AT_ONCE;

  /**
   * What depends on a change in a room, or on all of the room; where nobody says what does, anything may.
   *
   * @param {string} room
   * @param {any} [change]
   */
  const dependents = (room, change) => {
    const named = [...followers.values()].filter((follower) => follower.isIn(room));
    const prefixes = (keys ? prefixesOf(keys, room, change) : []) ?? (named.length ? [] : [[]]);
    const queries = prefixes.flatMap((queryKey) => cache.findAll({ queryKey }));
    return named.concat(queries.map((query) => /** @type {Follower} */ (followers.get(query))));
  };

  const flush = () => {
    asleep = true;
    burst = 0;
    const older = [...followers.values()].filter((follower) => follower.check(newest));
    // To compare is dear, and few queries are older than the youngest room.
    rooms.forEach(([, from], room) => {
      if (older.length && client.getRoom(room).state === "live") dependents(room).forEach((follower) => follower.compare(room, from));
    });
    queryClient.invalidateQueries({
      predicate: (/** @type {QueryLike} */ query) => followers.get(query)?.isDue(),
      fetchStatus: "idle",
      refetchType: hidden !== "refetch" && isHidden() ? "none" : "active",
    });
  };

  /** @param {any[]} names @param {(notice: any) => void} listener @param {any} since */
  const join = (names, listener, since) => {
    const leave = client.subscribe(names, listener, { since, throttle: 0 });
    names.forEach((room) => onRoom(room, client.getRoom(room)));
    return leave;
  };

  /** @param {any} event of the query cache */
  const onQuery = ({ type, query, action }) => {
    if (type === "added") followers.set(query, createFollower(query, options, join, wake, isLate));
    const follower = followers.get(query);
    if (type === "removed") {
      follower?.leave();
      followers.delete(query);
    } else follower?.act(action);
  };

  /** @param {any} notice */
  const onNotice = ({ room, changes = [undefined], spreadMs }) => {
    changes.forEach((/** @type {any} */ change) => {
      if (own !== "skip" || !change?.own) dependents(room, change).forEach((follower) => follower.touch(spreadMs));
    });
  };

  /** @param {any} room @param {RoomState} state */
  const onRoom = (room, { state, liveSince }) => {
    if (state === "live") {
      if (rooms.get(room)?.[0] !== liveSince) rooms.set(room, [liveSince, (newest = tick())]);
      dependents(room).forEach((follower) => follower.look());
    } else if (state === "idle" && rooms.size > MOST_ROOMS) rooms.delete(room);
  };

  const onUser = () => followers.forEach((follower) => follower.renew());

  const ends = [cache.subscribe(onQuery), client.on("notice", onNotice), client.on("room", onRoom), client.on("user", onUser)];
  page?.addEventListener("visibilitychange", onVisible);
  cache.getAll().forEach((query) => onQuery({ type: "added", query }));

  return () => {
    ends.forEach((end) => end());
    page?.removeEventListener("visibilitychange", onVisible);
    followers.forEach((follower) => follower.leave());
    followers.clear();
  };
}
