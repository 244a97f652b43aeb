/** How many frames may be sent: a burst, and then so many per second. Without clock. */

/** 500 cards scrolled by in three seconds make at most 60 frames: 10 at once and 16 in each second. */
const BURST = 10;
const PER_SECOND = 16;

/** @param {number} now in milliseconds */
export function createBudget(now) {
  let left = BURST;
  let before = now;
  return {
    /**
     * Takes one, or says how long to wait for it.
     *
     * @param {number} now
     */
    take(now) {
      left = Math.min(BURST, left + (Math.max(0, now - before) * PER_SECOND) / 1000);
      before = now;
      if (left < 1) return Math.ceil(((1 - left) * 1000) / PER_SECOND);
      left -= 1;
      return 0;
    },
  };
}
