/**
 * What is remembered of one query, and what the events of the query cache make of it. Without clock.
 *
 * TanStack Query forgets an invalidation that comes while a query is fetched: the data of that fetch takes the mark away,
 * though it may have been read before the change. So what is due is remembered here until a fetch *begins*.
 *
 * @import { QueryLike } from "./types.js"
 */

/** Until a cancelled fetch is made up for, in ms. Who cancels before an optimistic update usually fetches afterwards. */
const CANCELLED = 1000;

/**
 * @typedef {object} QueryRecord
 * @property {QueryLike} query
 * @property {number} due when it may be fetched for what it missed; Infinity where it missed nothing
 * @property {number} fetched when the fetch of its data began; 0 for data that came from elsewhere
 * @property {any[]} rooms that the query named last; what is told there marks it also when nothing uses it
 * @property {boolean} [covered] whether a fetch runs that began after all it missed
 * @property {boolean} [foreign] whether the data is that of somebody who used the page before
 * @property {boolean} [moved] whether something happened to the query that is not looked at yet
 * @property {string | null} [since] the position at which its rooms were joined
 * @property {void | (() => void)} [stop] leaves the rooms; undefined while nothing on the page uses the query
 */

/** @param {QueryLike} query @returns {QueryRecord} */
export const createRecord = (query) => ({ query, due: Infinity, fetched: 0, rooms: [] });

/**
 * How long to wait, in ms, before the query is fetched again for this, if it has to be.
 *
 * @param {QueryRecord} record
 * @param {any} action of the query
 * @param {number} now
 * @returns {number | undefined}
 */
export function act(record, { type, meta, manual, state }, now) {
  const { covered } = record;
  const isFetch = type === "fetch";
  if (isFetch && !meta?.fetchMore) {
    Object.assign(record, { covered: true, due: Infinity, fetched: now });
  } else if (covered && (isFetch || state?.fetchStatus)) {
    // One of a further page only took its place, or it was cancelled, which puts back what was there before.
    Object.assign(record, { covered: false, due: Infinity });
    return isFetch ? 0 : CANCELLED;
  } else if (state) {
    // Restored, or brought by the server: who knows when that was read.
    record.fetched = 0;
  } else if (type === "error" || (type === "success" && !manual)) {
    // A write by hand says nothing of the fetch that runs, nor does an attempt that is made again.
    record.covered = false;
    if (record.fetched && type === "success") record.foreign = false;
  }
}
