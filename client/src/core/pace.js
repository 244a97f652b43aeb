/**
 * When a listener is told: the first at once, then at most once per interval, and always a last one. Without clock.
 *
 * @import { Told } from "./fold.js"
 */
import { createFold } from "./fold.js";

/** @param {number} interval in milliseconds; 0 tells everything as it comes */
export function createPace(interval) {
  let next = 0;
  const fold = createFold();
  return {
    /**
     * Takes one in, and says how long it has to wait. A clock that was set back makes nobody wait longer than before.
     *
     * @param {Told} notice
     * @param {number} now
     */
    add(notice, now) {
      fold.add(notice);
      next = Math.min(next, now + interval);
      return next - now;
    },

    /** What is to be told now. @param {number} now */
    take(now) {
      next = now + interval;
      return fold.take();
    },

    /** @param {number} other */
    change(other) {
      interval = other;
    },
  };
}
