/**
 * One listener in one room, told at its own pace.
 *
 * @import { Notice } from "../types.js"
 * @import { Told } from "./fold.js"
 * @import { Timers, Timer } from "./timers.js"
 */
import { createPace } from "./pace.js";

/** @typedef {ReturnType<typeof createMember>} Member */

/**
 * @param {((notice: Notice) => void) | null | undefined} listener
 * @param {number} interval
 * @param {boolean} initial whether it wants to hear that the room is live
 * @param {Timers} timers
 * @param {(error: unknown) => void} fail takes what the listener throws
 */
export function createMember(listener, interval, initial, timers, fail) {
  const pace = createPace(interval);
  /** @type {Timer | undefined} */
  let timer;

  /** @param {Notice | undefined} notice */
  const call = (notice) => {
    timers.clear(timer);
    timer = undefined;
    try {
      if (notice) listener?.(notice);
    } catch (error) {
      fail(error);
    }
  };
  const flush = () => call(pace.take(Date.now()));

  return {
    interval,
    change: pace.change,
    flush,

    /** @param {Told} notice */
    tell(notice) {
      if (!listener) return;
      const now = Date.now();
      const ready = pace.offer(notice, now);
      if (ready) call(ready);
      else timer ??= timers.set(flush, pace.wait(now));
    },

    /**
     * Says that the room is live, if that is wanted and was not said before.
     *
     * @param {string} room
     */
    welcome(room) {
      const isWanted = initial;
      initial = false;
      if (isWanted) call({ type: "live", room });
      return isWanted;
    },

    /** Ends it; returns what it was not told yet. */
    close() {
      const untold = listener && pace.take(0);
      listener = null;
      initial = false;
      timers.clear(timer);
      return untold;
    },
  };
}
