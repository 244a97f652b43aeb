/**
 * Which query keys a change or a room means, by the names that `keys` has for it. Pure.
 *
 * @import { NoticedChange } from "../types.js"
 * @import { KeysOf, Subject } from "./types.js"
 */

/** @param {Record<string, KeysOf>} [keys] */
export function createSubjects(keys = {}) {
  // Not the object itself: a room may be called `constructor`.
  const known = new Map(Object.entries(keys));

  /** @param {string[]} names @param {Subject} subject */
  const prefixesOf = (names, subject) => names.flatMap((name) => known.get(name)?.(subject) ?? []);

  /** `product:42` is product 42, `shop_5` is shop 5, `buyers` is just that. @param {string} room @returns {string[]} */
  const split = (room) => /^([^:]+):(.*)/.exec(room) ?? /^(.+)_(.+)/.exec(room) ?? ["", room, ""];

  return {
    /** Whether `keys` says what depends on a room as a whole. @param {string} room */
    has: (room) => known.has(split(room)[1]) || known.has(room),

    /** What depends on a room as a whole, and on a change told there. @param {string} room @param {NoticedChange} [change] */
    prefixesOf(room, change) {
      const [, kind, rest] = split(room);
      const prefixes = prefixesOf([kind, room], { entity: kind, id: rest, room, change });
      return change ? [...prefixes, ...prefixesOf([change.entity, ...change.events], { entity: change.entity, id: change.id, room, change })] : prefixes;
    },
  };
}
