/**
 * Which queries have missed something, and when they are fetched again: never two fetches of a query at once, and after a
 * running one at most one more.
 *
 * TanStack Query forgets an invalidation that comes while a query is fetched: the data of that fetch takes the mark away,
 * though it may have been read before the change. So what is due is remembered here until a fetch *begins*.
 *
 * @import { QueryClientLike, QueryLike } from "./types.js"
 */

/** Queries that a resync fetches at once. Beyond it even what is in use is spread: nobody sees more at a glance. */
const AT_ONCE = 10;

/** Over how many ms the tabs of an office spread that are seen again after lunch. */
const SEEN_AGAIN = 500;

/** Until a cancelled fetch is made up for, in ms. Who cancels before an optimistic update usually fetches afterwards. */
const CANCELLED = 1000;

/**
 * @param {QueryClientLike} queryClient
 * @param {boolean} inHidden whether a hidden tab fetches
 * @param {(query: QueryLike) => number} throttleOf ms between two fetches of a query
 * @param {() => void} wake asks for a `flush` soon
 */
export function createRefetches(queryClient, inHidden, throttleOf, wake) {
  /** Queries that missed something, and before when they are not fetched. @type {Map<QueryLike, number>} */
  const due = new Map();
  /** Queries with a running fetch that began after all they missed. @type {WeakSet<QueryLike>} */
  const covered = new WeakSet();
  /** @type {WeakMap<QueryLike, number>} */
  const begun = new WeakMap();
  const isHidden = () => globalThis.document?.visibilityState === "hidden";
  const onVisible = () => isHidden() || setTimeout(wake, Math.random() * SEEN_AGAIN);
  let burst = 0;

  /** @param {QueryLike} query @param {number} [wait] */
  const touch = (query, wait = 0) => {
    const now = Date.now();
    const throttle = throttleOf(query);
    wait = Math.max(wait, Math.min(throttle, (begun.get(query) ?? 0) + throttle - now));
    if (now + wait >= /** @type {number} */ (due.get(query))) return;
    due.set(query, now + wait);
    wake();
    if (wait) setTimeout(wake, wait);
  };

  globalThis.document?.addEventListener("visibilitychange", onVisible);
  return {
    touch,

    /** @param {QueryLike} query @param {number} spreadMs */
    resync(query, spreadMs) {
      touch(query, isHidden() || ++burst > AT_ONCE ? Math.random() * spreadMs : 0);
    },

    /** A fetch of all of the query began. @param {QueryLike} query */
    began(query) {
      due.delete(query);
      covered.add(query);
      begun.set(query, Date.now());
    },

    /** @param {QueryLike} query @param {number} [remedy] ms until what it should have brought is fetched after all */
    ended(query, remedy) {
      if (!covered.delete(query)) return false;
      if (remedy !== undefined) {
        due.delete(query);
        touch(query, remedy);
      }
      return true;
    },

    /** The query is no more. @param {QueryLike} query */
    removed: (query) => due.delete(query),

    flush() {
      burst = 0;
      if (!due.size) return;
      const now = Date.now();
      const waits = !inHidden && isHidden();
      const ready = new Set([...due.keys()].filter((query) => !waits && Number(due.get(query)) <= now && query.state.fetchStatus === "idle" && query.isActive()));
      queryClient.invalidateQueries({ predicate: (/** @type {QueryLike} */ query) => due.has(query), refetchType: "none" });
      ready.forEach((query) => due.delete(query));
      if (ready.size) queryClient.refetchQueries({ predicate: (/** @type {QueryLike} */ query) => ready.has(query) }, { cancelRefetch: false });
    },

    close() {
      due.clear();
      globalThis.document?.removeEventListener("visibilitychange", onVisible);
    },
  };
}

export { CANCELLED };
