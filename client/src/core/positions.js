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
 * @typedef {object} Held what is remembered of a room that was left
 * @property {Position} [position]
 * @property {number} [liveSince]
 * @property {boolean} [unproven] whether something was missed that no position tells
 */

/** Rooms that were left and whose position is remembered. */
const MOST_HELD = 4096;

/** @param {string | undefined} cursor that the app brought along */
export const brought = (cursor) => (cursor ? { cursor, order: 0 } : undefined);

/** Where each room was left, for when it is joined again. */
export function createHeld(most = MOST_HELD) {
  /** @type {Map<string, Held>} */
  const rooms = new Map();
  let hasForgotten = false;
  return {
    /**
     * @param {string} room
     * @param {Held} left
     */
    hold(room, left) {
      rooms.delete(room);
      rooms.set(room, left);
      if (rooms.size <= most) return;
      const [oldest] = rooms.keys();
      rooms.delete(oldest);
      hasForgotten = true;
    },

    /**
     * `forgotten` where the room may have been one of those that are not remembered any more.
     *
     * @param {string} room
     * @returns {Held & {forgotten: boolean}}
     */
    recall(room) {
      const left = rooms.get(room);
      rooms.delete(room);
      return { ...left, forgotten: !left && hasForgotten };
    },
  };
}

/**
 * Which rooms are asked for with which cursor. All those told by the daemon share the oldest one: to be told twice is
 * harmless, and it is one frame.
 *
 * @template {{position?: Position}} R
 * @param {Iterable<R>} rooms
 * @returns {{since?: string, order: number, rooms: R[]}[]}
 */
export function groupBySince(rooms) {
  /** @type {Map<string | number, {since?: string, order: number, rooms: R[]}>} */
  const groups = new Map();
  for (const room of rooms) {
    const { cursor, order } = room.position ?? { cursor: undefined, order: 0 };
    const key = order ? 1 : (cursor ?? 0);
    const group = groups.get(key);
    if (!group) groups.set(key, { since: cursor, order, rooms: [room] });
    else {
      group.rooms.push(room);
      if (order < group.order) Object.assign(group, { since: cursor, order });
    }
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
  let room = 0;
  for (const each of rooms) {
    const last = chunks.at(-1);
    room -= each.name.length + 3;
    if (last && last.length < most && room >= 0) last.push(each);
    else {
      chunks.push([each]);
      room = bytes - each.name.length - 3;
    }
  }
  return chunks;
}
