/** Timers that keep no Node process alive and can all be cleared at once. */

/** @typedef {ReturnType<typeof createTimers>} Timers */
/** @typedef {ReturnType<typeof setTimeout>} Timer */

/** The longest wait that `setTimeout` knows; a longer one would end at once. */
const LONGEST = 2 ** 31 - 1;

export function createTimers() {
  /** @type {Set<Timer>} */
  const timers = new Set();
  return {
    /**
     * @param {() => void} act
     * @param {number} ms
     * @returns {Timer}
     */
    set(act, ms) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        act();
      }, Math.min(Math.max(ms, 0), LONGEST));
      timers.add(timer);
      // In browsers a timer is a number.
      /** @type {{unref?: () => void}} */ (timer).unref?.();
      return timer;
    },

    /** @param {Timer | undefined} timer */
    clear(timer) {
      clearTimeout(timer);
      timers.delete(/** @type {Timer} */ (timer));
    },

    clearAll() {
      timers.forEach(clearTimeout);
      timers.clear();
    },
  };
}
