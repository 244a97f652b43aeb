/**
 * Which query keys a change or a room means, by the names that `keys` has for it. Pure.
 *
 * @import { NoticedChange } from "../types.js"
 * @import { KeysOf, Subject } from "./types.js"
 */

/** @typedef {Record<string, KeysOf>} Keys */

/**
 * @param {Keys} keys
 * @param {string[]} names
 * @param {Subject} subject
 */
const prefixesOf = (keys, names, subject) => {
  const known = names.filter((name) => Object.hasOwn(keys, name));
  return known.length ? known.flatMap((name) => keys[name](subject) ?? []) : undefined;
};

/**
 * What depends on a room as a whole: `product:42` is product 42, `shop_5` is shop 5, `buyers` is just that. Undefined where
 * `keys` has no name for it.
 *
 * @param {Keys} keys
 * @param {string} room
 * @param {NoticedChange} [change] what was told there
 */
export function prefixesOfRoom(keys, room, change) {
  const [, entity, id] = /^([^:]+):(.*)/.exec(room) ?? /^(.+)_([^_]+)$/.exec(room) ?? ["", room, ""];
  return prefixesOf(keys, entity === room ? [room] : [entity, room], { entity, id, room, change });
}

/**
 * What depends on a changed entity, on what happened to it, or on the room that was told.
 *
 * @param {Keys} keys
 * @param {string} room
 * @param {NoticedChange} change
 */
export function prefixesOfChange(keys, room, change) {
  const { entity, id, events } = change;
  return [...(prefixesOf(keys, [entity, ...events], { entity, id, room, change }) ?? []), ...(prefixesOfRoom(keys, room, change) ?? [])];
}
