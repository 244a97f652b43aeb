/**
 * One listener in one room, told at its own pace.
 *
 * @import { Notice } from "../types.js"
 * @import { Timers, Timer } from "./timers.js"
 */
import { createPace } from "./pace.js";

/** @typedef {ReturnType<typeof createMember>} Member */

/**
 * @param {object} member
 * @param {((notice: Notice) => void) | null | undefined} member.listener
 * @param {number} member.interval
 * @param {boolean} [member.initial] whether it wants to hear that the room is live
 * @param {Timers} timers
 * @param {(error: unknown) => void} fail takes what the listener throws
 */
export function createMember({ listener, interval, initial = false }, timers, fail) {
  const pace = createPace(interval);
  /** @type {Timer | undefined} */
  let timer;
  let active = true;

  /** @param {Notice | undefined} notice */
  const call = (notice) => {
    timers.clear(timer);
    timer = undefined;
    if (!notice || !active) return;
    try {
      listener?.(notice);
    } catch (error) {
      fail(error);
    }
  };
  const flush = () => call(pace.isEmpty() ? undefined : pace.take(Date.now()));

  return {
    interval,
    isDeaf: !listener,
    isBehind: () => Boolean(listener) && !pace.isEmpty(),
    change: pace.change,
    flush,

    /** @param {Extract<Notice, {type: "invalidate" | "resync"}>} notice */
    tell(notice) {
      if (!active) return;
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
      const isWanted = initial && active;
      initial = false;
      if (isWanted) call({ type: "live", room });
      return isWanted;
    },

    close() {
      active = false;
      timers.clear(timer);
    },
  };
}
