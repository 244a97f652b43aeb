/**
 * What a mock daemon remembers of its rooms: enough to say what was missed since a cursor. Without clock.
 *
 * @import { Change, ResyncReason } from "../protocol.js"
 */
import { createFold } from "../core/fold.js";

/** @typedef {{change?: Change, resync?: ResyncReason, at: number}} Told */

export function createMemory(epoch = "mock") {
  let here = 0;
  let oldest = 0;
  /** By room; `*` was told to all. @type {Map<string, Told[]>} */
  const told = new Map();

  return {
    /** The position after everything that was told. */
    cursor: () => `${epoch}.${here}`,

    /**
     * @param {string} room
     * @param {{change?: Change, resync?: ResyncReason}} what
     */
    tell(room, what) {
      told.set(room, [...(told.get(room) ?? []), { ...what, at: ++here }]);
    },

    /** No cursor of before can be answered any more. */
    forget() {
      oldest = ++here;
    },

    /** Another history: no cursor means anything any more. */
    restart() {
      epoch += "'";
    },

    /**
     * What `room` missed since: nothing, changes, or that nobody knows.
     *
     * @param {string} room
     * @param {string} since
     * @returns {Change[] | "resync"}
     */
    missed(room, since) {
      const at = since.startsWith(`${epoch}.`) ? Number(since.slice(epoch.length + 1)) : NaN;
      if (!(at >= oldest && at <= here)) return "resync";
      const later = [...(told.get(room) ?? []), ...(told.get("*") ?? [])].filter((each) => each.at > at);
      if (later.some((each) => each.resync)) return "resync";
      const fold = createFold();
      const changes = later.flatMap(({ change }) => (change ? [{ ...change, own: false }] : []));
      if (changes.length) fold.add({ type: "invalidate", room, changes, replayed: true });
      const notice = fold.take();
      return notice?.type === "invalidate" ? notice.changes.map(({ own, ...change }) => change) : [];
    },
  };
}
