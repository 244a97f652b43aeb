import assert from "node:assert/strict";
import { test } from "node:test";
import { longestWait, verdict } from "../src/core/backoff.js";
import { firstGroup } from "../src/core/positions.js";

test("the range of a close code decides what a client does", () => {
  for (const [what, codes] of Object.entries({
    stop: [4000, 4002, 4004, 4099],
    later: [1000, 1001, 1005, 1006, 1011, 1012, 4100, 4199, 4300, 4999],
    soon: [4200, 4201, 4299],
    fault: [1002, 1003, 1007, 1009],
  })) {
    for (const code of codes) assert.equal(verdict(code), what, String(code));
  }
});

test("the longest wait doubles with each attempt up to the most, and begins with a spread after a connection", () => {
  const bounds = { min: 500, max: 20_000 };
  const after = (hadWelcomes) => {
    let before = 0;
    return hadWelcomes.map((hadWelcome) => (before = longestWait(before, hadWelcome, bounds, 7500)));
  };
  assert.deepEqual(after([false, false, false, false, false, false, false]), [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assert.deepEqual(after([true, false, false, false]), [7500, 15_000, 20_000, 20_000]);
  assert.deepEqual(after([false, true, true]), [1000, 7500, 15_000]);
});

/** Numbers from 0 to 1 that are the same in each run. */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

for (const downtime of [100, 1000, 2000, 3000, 5000]) {
  test(`of 200 clients cut off for ${downtime} ms at most a tenth come back within the same 250 ms, in 99 of 100 cases`, () => {
    const largest = Array.from({ length: 200 }, (_, seed) => {
      const random = seeded(seed * 7919 + downtime);
      const slots = new Map();
      for (let client = 0; client < 200; client++) {
        let at = 0;
        let longest = 0;
        do at += random() * (longest = longestWait(longest, !longest, {}, 8000));
        while (at < downtime);
        const slot = Math.floor(at / 250);
        slots.set(slot, (slots.get(slot) ?? 0) + 1);
      }
      return Math.max(...slots.values());
    });
    largest.sort((one, other) => one - other);
    assert.ok(largest[197] <= 20, `${largest[197]}, and ${largest[199]} at worst`);
  });
}

test("rooms told by the daemon are asked for with the oldest of their cursors, and others with their own", () => {
  const at = (name, cursor, order) => ({ name, position: cursor && { cursor, order } });
  let left = [at("a"), at("b", "c7", 7), at("c", "page", 0), at("d", "c3", 3), at("e", "page", 0), at("f", "other", 0), at("g")];
  const shown = [];
  while (left.length) {
    const { since, rooms } = firstGroup(left);
    shown.push([since, rooms.map(({ name }) => name).join("")]);
    left = left.filter((room) => !rooms.includes(room));
  }
  assert.deepEqual(shown, [[undefined, "ag"], ["c3", "bd"], ["page", "ce"], ["other", "f"]]);
  assert.deepEqual(firstGroup([]).rooms, []);
});
