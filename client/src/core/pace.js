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

  /** @param {number} now */
  const take = (now) => {
    next = now + interval;
    return fold.take();
  };

  return {
    take,

    /** How long what waits has to. @param {number} now */
    wait: (now) => next - now,

    /**
     * What to tell now, if it is time; else it waits. A clock that was set back makes nobody wait longer than before.
     *
     * @param {Told} notice
     * @param {number} now
     */
    offer(notice, now) {
      fold.add(notice);
      next = Math.min(next, now + interval);
      return now < next ? undefined : take(now);
    },

    /** @param {number} other */
    change(other) {
      interval = other;
    },
  };
}
