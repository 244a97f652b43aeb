/**
 * How the connection stands, as snapshots that stay the same until something changes.
 *
 * @import { Status } from "../types.js"
 * @import { Emitter } from "./emitter.js"
 * @import { Timer, Timers } from "./timers.js"
 */

/** Where there is no browser, and before anything happens. @type {Status} */
export const INITIAL = Object.freeze({
  state: "idle",
  live: false,
  lost: false,
  stale: false,
  since: 0,
  attempt: 0,
  user: null,
});

/**
 * @param {number} lostAfter
 * @param {Emitter} emitter
 * @param {Timers} timers
 */
export function createStatus(lostAfter, emitter, timers) {
  let status = INITIAL;
  /** @type {Timer | undefined} */
  let timer;

  /** @param {Partial<Status>} patch */
  function set(patch) {
    const next = { ...status, ...patch };
    const isChanged = /** @type {(keyof Status)[]} */ (Object.keys(next)).some((key) => next[key] !== status[key]);
    if (!isChanged) return;
    const wasLost = status.lost;
    if (next.state !== status.state) next.since = Date.now();
    // Whoever asked for no connection misses none.
    const isAway = next.state !== "connected" && next.state !== "idle" && !(next.state === "closed" && !next.code);
    if (!isAway) {
      next.lost = false;
      timers.clear(timer);
      timer = undefined;
    } else if (!next.lost) timer ??= timers.set(() => (timer = undefined, set({ lost: true })), lostAfter);
    status = Object.freeze(next);
    emitter.emit("status", status);
    if (status.lost && !wasLost) emitter.emit("lost", status);
    if (wasLost && status.state === "connected") emitter.emit("restored", status);
  }

  return { set, get: () => status };
}
