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
 * The rooms that are asked for together with the first of these, and with which cursor. All those told by the daemon share
 * the oldest one: to be told twice is harmless, and it is one frame.
 *
 * @template {{position?: Position}} R
 * @param {R[]} rooms
 * @returns {{since?: string, rooms: R[]}}
 */
export function firstGroup(rooms) {
  /** @param {R} room */
  const key = ({ position }) => position && (position.order > 0 || position.cursor);
  const group = rooms.filter((room) => key(room) === key(rooms[0]));
  const [oldest] = group.map(({ position }) => position).sort((one, other) => Number(one?.order) - Number(other?.order));
  return { since: oldest?.cursor, rooms: group };
}
