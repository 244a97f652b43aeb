/**
 * Where a client stands in each room. Cursors are opaque: which of two is the older one is only known of those that were
 * told by the daemon, by the order in which they came. Without clock.
 */

/**
 * @typedef {object} Position
 * @property {string} cursor
 * @property {number} order of reception; 0 where nobody knows, as with a cursor that came with a page
 */

/**
 * Which rooms are asked for with which cursor. All those told by the daemon share the oldest one: to be told twice is
 * harmless, and it is one frame.
 *
 * @template {{position?: Position}} R
 * @param {Iterable<R>} rooms
 * @returns {{since?: string, order: number, rooms: R[]}[]}
 */
export function groupBySince(rooms) {
  /** @type {Map<string | boolean | undefined, {since?: string, order: number, rooms: R[]}>} */
  const groups = new Map();
  for (const room of rooms) {
    const { cursor: since, order = 0 } = room.position ?? {};
    const key = order > 0 || since;
    const group = groups.get(key) ?? { since, order, rooms: [] };
    if (order < group.order) Object.assign(group, { since, order });
    group.rooms.push(room);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/**
 * Parts that fit into messages.
 *
 * @template {{name: string}} R
 * @param {R[]} rooms
 * @param {number} most in one message
 * @param {number} bytes that the names may take
 * @returns {R[][]}
 */
export function chunk(rooms, most, bytes) {
  /** @type {R[][]} */
  const chunks = [];
  let left = 0;
  for (const room of rooms) {
    const size = room.name.length + 3;
    const last = chunks.at(-1);
    if (last && last.length < most && left >= size) last.push(room);
    else {
      chunks.push([room]);
      left = bytes;
    }
    left -= size;
  }
  return chunks;
}
