/**
 * One room that somebody wants.
 *
 * @import { RoomState } from "../types.js"
 * @import { Member } from "./member.js"
 * @import { Position } from "./positions.js"
 */

/**
 * @typedef {object} Room
 * @property {string} name
 * @property {Set<Member>} members
 * @property {Member} notices whoever listens to all rooms, at the pace of the fastest member
 * @property {RoomState} state
 * @property {number} request the `subscribe` that is not answered yet; 0 for none
 * @property {boolean} joined on this connection
 * @property {boolean} refused on this connection
 * @property {Position} [position] where it is asked from; where it is joined, that of the connection counts
 * @property {boolean} unproven whether something was missed that no position tells
 * @property {boolean} missed whether something came while it had no members
 * @property {Position} [leftAt] where the last member left
 * @property {Map<string, number>} asks older positions that members brought to the joined room, and who asks
 */

/** What stands for a room nobody wants. @type {RoomState} */
export const IDLE = Object.freeze({ state: "idle" });

/** Positions that a room may be asked from at once; more than this is told to fetch all. */
const MOST_ASKS = 16;

/**
 * @param {string} name
 * @param {Member} notices
 * @returns {Room}
 */
export function createRoom(name, notices) {
  return {
    name,
    notices,
    members: new Set(),
    state: Object.freeze({ state: "joining" }),
    request: 0,
    joined: false,
    refused: false,
    unproven: false,
    missed: false,
    asks: new Map(),
  };
}

/**
 * Asks what a member missed that brought a position of its own; false where there are too many to ask.
 *
 * @param {Room} room
 * @param {string} since
 */
export function ask(room, since) {
  if (room.asks.size >= MOST_ASKS) return false;
  if (!room.asks.has(since)) room.asks.set(since, 0);
  return true;
}
