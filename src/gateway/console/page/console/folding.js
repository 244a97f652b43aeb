// @ts-check
// The sentence above the strip: how many row changes became how many entities and frames in the last seconds.

import { byId, element, formatCount } from "./dom.js";

const SECONDS = 10;
const MAX_ENTITIES_PER_SECOND = 5000;

/** @typedef {{ second: number, frames: number, rooms: Set<string>, rows: Map<string, Map<string, number>> }} Bucket */

export class Folding {
  /** @type {Bucket[]} */
  #buckets = [];

  /** @param {string} room @param {import("./socket.js").Change[]} changes */
  add(room, changes) {
    const second = Math.floor(Date.now() / 1000);
    let bucket = this.#buckets.at(-1);
    if (bucket?.second !== second) {
      bucket = { second, frames: 0, rooms: new Set(), rows: new Map() };
      this.#buckets.push(bucket);
    }
    bucket.frames += 1;
    bucket.rooms.add(room);
    for (const change of changes) {
      const key = `${change.entity} ${change.id}`;
      const perRoom = bucket.rows.get(key) ?? new Map();
      perRoom.set(room, (perRoom.get(room) ?? 0) + (change.count ?? 1));
      if (bucket.rows.size < MAX_ENTITIES_PER_SECOND) bucket.rows.set(key, perRoom);
    }
  }

  render() {
    const oldest = Math.floor(Date.now() / 1000) - SECONDS;
    this.#buckets = this.#buckets.filter((bucket) => bucket.second > oldest);
    const entities = new Set();
    const rooms = new Set();
    let rows = 0;
    let frames = 0;
    for (const bucket of this.#buckets) {
      frames += bucket.frames;
      for (const room of bucket.rooms) rooms.add(room);
      for (const [key, perRoom] of bucket.rows) {
        entities.add(key);
        // One row change reaches several rooms: it counts once.
        rows += Math.max(...perRoom.values());
      }
    }
    write("folded-rows", rows, "row change", "row changes");
    write("folded-entities", entities.size, "entity", "entities");
    write("folded-frames", frames, "frame", "frames");
    write("folded-rooms", rooms.size, "room", "rooms");
  }
}

/** @param {string} id @param {number} amount @param {string} one @param {string} many */
function write(id, amount, one, many) {
  byId(id).replaceChildren(element("b", {}, formatCount(amount)), ` ${amount === 1 ? one : many}`);
}
