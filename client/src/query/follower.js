/**
 * One query: the rooms it is in, and what it missed there.
 *
 * TanStack Query forgets an invalidation that comes while a query is fetched: the data of that fetch takes the mark away,
 * though it may have been read before the change. So what was missed is remembered here until a fetch that began later
 * has ended. Time is a counter, which says what came first and is never set back.
 *
 * @import { QueryBindings, QueryLike } from "./types.js"
 */

/** Until a cancelled fetch is made up for, in ms. Who cancels before an optimistic update usually fetches afterwards. */
const CANCELLED = 1000;

let clock = 0;
/** What comes later has a higher number. */
export const tick = () => ++clock;

/** @typedef {ReturnType<typeof createFollower>} Follower */

/**
 * @param {QueryLike} query
 * @param {QueryBindings<any>} options
 * @param {(names: any[], listener: (notice: any) => void, since: any) => () => void} join
 * @param {() => void} wake plans a look at all queries that moved or missed something
 * @param {() => boolean} isLate whether so much is fetched already that more has to be spread
 */
export function createFollower(query, { rooms, cursor, throttle }, join, wake, isLate) {
  /** The rooms that it named last; what is told there counts also when nothing uses the query. @type {any[]} */
  let names = [];
  /** When the running fetch began, or the last one; 0 if it does not bring all of the data. */
  let begun = 0;
  /** When the fetch of its data began; 0 for data that came from elsewhere. */
  let fetched = 0;
  /** When it last missed something that no fetch has brought yet; 0 for nothing. */
  let missed = 0;
  /** Whether something happened to it that `check` has not looked at. */
  let hasMoved = false;
  /** The position at which its rooms were joined. @type {any} */
  let since;
  /** Leaves the rooms; undefined while nothing on the page uses the query. @type {void | (() => void)} */
  let leave;
  /** The timer that runs while it is not fetched, whatever it missed. @type {any} */
  let rest;

  /** @param {any} ms */
  const pause = (ms) => {
    clearTimeout(rest);
    const end = () => {
      rest = 0;
      wake();
    };
    rest = ms > 0 && setTimeout(end, ms);
  };

  const look = () => {
    hasMoved = true;
    wake();
  };

  /**
   * It missed something; with `spreadMs`, as all pages did at once.
   *
   * @param {number} [spreadMs]
   */
  const touch = (spreadMs) => {
    // Whoever is told twice of the same keeps its moment.
    if (spreadMs && missed <= begun && !rest && query.isActive() && isLate()) pause(Math.random() * spreadMs);
    missed = tick();
    wake();
  };

  /** Where its data was read. What is fetched again anyway says nothing of that. */
  const position = () => (missed ? undefined : cursor?.(query));

  /** @param {any[]} wanted */
  const enter = (wanted) => {
    const last = leave;
    names = wanted;
    since = position();
    // Changes come by `on("notice")`; a resync may be meant for those only who came to a room that was joined.
    leave = join(names, ({ changes, spreadMs }) => changes || touch(spreadMs), since);
    // No room is left on the way.
    last?.();
  };

  /** In the rooms that it names now; in none unless something uses it. */
  const update = () => {
    const named = query.isActive() && (rooms?.(query.queryKey, query) ?? query.meta?.rooms);
    const wanted = /** @type {any[]} */ ([]).concat(named || []);
    if (!wanted.length) leave = leave?.();
    else if (!leave || `${wanted}` !== `${names}`) enter(wanted);
  };

  /** @param {any} room */
  const isIn = (room) => names.includes(room);

  /**
   * Whether the data may be older than what is told in a room. A running fetch brings the query here again.
   *
   * @param {number} from
   */
  const isOlder = (from) => fetched < from && query.state.fetchStatus === "idle";

  return {
    look,
    touch,
    isIn,
    isDue: () => missed && !rest,
    leave: () => leave?.(),

    /**
     * Whether its data is to be compared with the rooms, the youngest of which is `newest`.
     *
     * @param {number} newest
     */
    check(newest) {
      if (!hasMoved) return;
      hasMoved = false;
      update();
      return isOlder(newest);
    },

    /**
     * Data that is older than its room is fetched again; or where it says when it was read, the room is asked what came
     * since, which makes it as good as fetched now.
     *
     * @param {any} room
     * @param {number} from since when nothing was missed there
     */
    compare(room, from) {
      if (!isOlder(from)) return;
      const at = leave && isIn(room) && position();
      if (!at) return touch();
      if (at !== since) enter(names);
      fetched = tick();
    },

    /** What it has, or is about to have, is of somebody else. */
    renew() {
      if (names.length) touch();
      if (leave) enter(names);
    },

    /** @param {any} [action] of the query */
    act({ type, meta, manual, state } = {}) {
      if (type === "fetch") {
        // One of a further page leaves the others as they are.
        begun = meta?.fetchMore ? 0 : tick();
        pause(throttle?.(query) ?? query.meta?.throttle);
      } else if (state) {
        // Restored, brought by the server, or put back by a fetch that was cancelled: who knows when that was read.
        fetched = since = 0;
        if (state.fetchStatus) pause(CANCELLED);
        // A write by hand says nothing of the fetch that runs, nor does an attempt that is made again.
      } else if (begun && (type === "error" || (type === "success" && !manual))) {
        fetched = begun;
        if (missed < begun) missed = 0;
      }
      // Joining comes before the first fetch. Leaving waits until the task has ended: StrictMode lets go and takes up again.
      if (query.isActive()) update();
      look();
    },
  };
}
