/**
 * One listener in one room, told at its own pace.
 *
 * @import { Notice } from "../types.js"
 * @import { Told } from "./fold.js"
 * @import { Timers } from "./timers.js"
 */
import { createPace } from "./pace.js";

/** @typedef {ReturnType<typeof createMember>} Member */

/**
 * @param {((notice: Notice) => void) | null | undefined} listener
 * @param {number} interval
 * @param {boolean | undefined} initial whether it wants to hear that the room is live
 * @param {Timers} timers
 * @param {(error: unknown) => void} fail takes what the listener throws
 */
export function createMember(listener, interval, initial, timers, fail) {
  const pace = createPace(interval);
  const timer = timers.create();

  /** @param {Notice | undefined} notice */
  const call = (notice) => {
    try {
      if (notice) listener?.(notice);
    } catch (error) {
      fail(error);
    }
  };

  const flush = () => {
    timer.clear();
    call(pace.take(Date.now()));
  };

  return {
    interval,
    isDeaf: !listener,
    change: pace.change,
    flush,

    /** @param {Told} notice */
    tell(notice) {
      if (!listener) return;
      const wait = pace.add(notice, Date.now());
      if (wait > 0) timer.ensure(flush, wait);
      else flush();
    },

    /** Says that the room is live, if that is wanted and was not said before. @param {string} room */
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
      timer.clear();
      return untold;
    },
  };
}
