/**
 * The rooms that queries themselves name. A query is in its rooms while something on the page uses it, and is marked as
 * stale by what happens there for as long as it is cached.
 *
 * @import { Client } from "../types.js"
 * @import { QueryBindings, QueryLike } from "./types.js"
 */

/**
 * @typedef {object} Join
 * @property {string[]} rooms
 * @property {string | null | undefined} since
 * @property {(() => void) | null} stop null once nothing on the page uses the query
 */

/**
 * @param {Client} client
 * @param {QueryBindings<any>} options
 * @param {(query: QueryLike) => string | null | undefined} cursorOf
 */
export function createJoins(client, options, cursorOf) {
  /** @type {Map<QueryLike, Join>} */
  const joins = new Map();

  /**
   * The new subscription begins before the old one ends, so that no room is left on the way.
   *
   * @param {QueryLike} query @param {any} rooms
   */
  const join = (query, rooms) => {
    const before = joins.get(query);
    const since = cursorOf(query);
    joins.set(query, { rooms, since, stop: client.subscribe(rooms, null, { since: since ?? undefined, throttle: 0 }) });
    before?.stop?.();
  };

  return {
    /** @param {QueryLike} query */
    roomsOf: (query) => joins.get(query)?.rooms ?? [],

    /** @param {string} room */
    queriesIn: (room) => [...joins].filter(([, join]) => join.rooms.includes(room)).map(([query]) => query),

    /** Makes the query be in the rooms that it names now; in none unless something uses it. @param {QueryLike} query */
    update(query) {
      const before = joins.get(query);
      const named = query.isActive() ? (options.rooms?.(query.queryKey, query) ?? query.meta?.rooms ?? []) : [];
      const rooms = /** @type {unknown[]} */ ([]).concat(named);
      if (!rooms.length) {
        before?.stop?.();
        if (before) before.stop = null;
      } else if (!before?.stop || `${rooms}` !== `${before.rooms}`) join(query, rooms);
    },

    /** Asks what came since the data was read; not twice, as then it was told. @param {QueryLike} query */
    catchUp(query) {
      const before = joins.get(query);
      const cursor = before?.stop && cursorOf(query);
      if (cursor && cursor !== before.since) join(query, before.rooms);
      return cursor;
    },

    /** @param {QueryLike} query */
    leave(query) {
      joins.get(query)?.stop?.();
      joins.delete(query);
    },

    /** All anew, for somebody else. */
    restart() {
      for (const [query, { rooms, stop }] of joins) stop ? join(query, rooms) : joins.delete(query);
    },

    queries: () => [...joins.keys()],
  };
}
