/**
 * Which query keys a change or a room means, by the names that `keys` has for it. Pure.
 *
 * @import { NoticedChange } from "../types.js"
 * @import { KeysOf } from "./types.js"
 */

/**
 * Prefixes of query keys for a change told in a room, or for the room as a whole; undefined where `keys` has no name for
 * the whole of it. `product:42` is product 42, `shop_5` is shop 5, `buyers` is just that.
 *
 * @param {Record<string, KeysOf>} keys
 * @param {string} room
 * @param {NoticedChange} [change]
 */
export function prefixesOf(keys, room, change) {
  const [, kind, rest] = /^([^:]+)[:_](.*)/.exec(room) ?? ["", room, ""];
  /** @param {string[]} names @param {string} entity @param {string} id */
  const ask = (names, entity, id) =>
    names.filter((name) => Object.hasOwn(keys, name)).map((name) => keys[name]({ entity, id, room, change }) ?? []);
  const found = ask([kind, room], kind, rest);
  if (change) found.push(...ask([change.entity, ...change.events], change.entity, change.id));
  if (change || found.length) return found.flat();
}
