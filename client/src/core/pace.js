/**
 * When a listener is told: the first at once, then at most once per interval, and always a last one. Without clock.
 *
 * @import { Notice } from "../types.js"
 */
import { createFold } from "./fold.js";

/** @typedef {ReturnType<typeof createPace>} Pace */

/** @param {number} interval in milliseconds; 0 tells everything as it comes */
export function createPace(interval) {
  let next = 0;
  const fold = createFold();

  /** @param {number} now */
  const take = (now) => {
    next = now + interval;
    return fold.take();
  };

  return {
    isEmpty: fold.isEmpty,
    add: fold.add,
    take,

    /** How long what waits has to. A clock that was set back makes nobody wait longer than the interval. */
    wait: (/** @type {number} */ now) => Math.min(next - now, interval),

    /**
     * What to tell now, if it is time; else it waits.
     *
     * @param {Extract<Notice, {type: "invalidate" | "resync"}>} notice
     * @param {number} now
     */
    offer(notice, now) {
      fold.add(notice);
      return next - now > 0 && next - now <= interval ? undefined : take(now);
    },

    /** @param {number} faster */
    change(faster) {
      interval = faster;
    },
  };
}
