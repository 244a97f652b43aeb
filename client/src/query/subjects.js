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
  const subject = { entity: kind, id: rest, room, change };
  const meant = [kind, room].map((name) => ({ name, subject }));
  if (change) meant.push(...[change.entity, ...change.events].map((name) => ({ name, subject: { ...subject, entity: change.entity, id: change.id } })));
  const known = meant.filter(({ name }) => Object.hasOwn(keys, name));
  if (change || known.length) return known.flatMap(({ name, subject }) => keys[name](subject) ?? []);
}
