/**
 * How the connection stands, as snapshots that stay the same until something changes.
 *
 * @import { Status } from "../types.js"
 * @import { Emitter } from "./emitter.js"
 * @import { Timers } from "./timers.js"
 */

/** Before anything happens, and where there is no browser. @type {Status} */
const INITIAL = { state: "idle", live: false, lost: false, stale: false, since: 0, attempt: 0, user: null };

/**
 * @param {number} lostAfter
 * @param {Emitter} emitter
 * @param {Timers} timers
 */
export function createStatus(lostAfter, { emit }, timers) {
  let status = Object.freeze(INITIAL);
  const timer = timers.create();

  /** @param {Partial<Status>} patch */
  function set(patch) {
    const before = status;
    const next = { ...before, ...patch };
    const { state, code } = next;
    if (/** @type {(keyof Status)[]} */ (Object.keys(next)).every((key) => next[key] === before[key])) return;
    if (state !== before.state) next.since = Date.now();
    // Whoever asked for no connection misses none.
    const isAway = state !== "connected" && state !== "idle" && (state !== "closed" || code);
    next.lost &&= !!isAway;
    if (!isAway) timer.clear();
    else if (!next.lost) timer.ensure(() => set({ lost: true }), lostAfter);
    status = Object.freeze(next);
    emit("status", next);
    if (next.lost && !before.lost) emit("lost", next);
    if (before.lost && state === "connected") emit("restored", next);
  }

  return { set, get: () => status };
}
