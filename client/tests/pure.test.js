import assert from "node:assert/strict";
import { test } from "node:test";
import { verdict, wait } from "../src/core/backoff.js";
import { createBudget } from "../src/core/budget.js";
import { chunk, groupBySince } from "../src/core/positions.js";

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

test("waits are random below a ceiling that doubles up to the most", () => {
  const bounds = { min: 500, max: 20_000 };
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 1000].map((attempt) => wait(attempt, bounds, 1));
  assert.deepEqual(ceilings, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assert.equal(wait(3, bounds, 0), 0);
  assert.equal(wait(3, bounds, 0.25), 1000);
});

test("frames that may be sent are a burst, and then so many per second", () => {
  const budget = createBudget(0);
  let sent = 0;
  for (let now = 0; now < 3000; now++) if (!budget.take(now)) sent++;
  assert.ok(sent <= 60 && sent >= 50, String(sent));
  budget.take(3000);
  const wait = budget.take(3000);
  assert.ok(wait > 0 && wait <= 63, String(wait));
  assert.equal(budget.take(3000 + wait), 0);
});

test("rooms told by the daemon are asked for with the oldest of their cursors, and others with their own", () => {
  const at = (name, cursor, order) => ({ name, position: cursor && { cursor, order } });
  const groups = groupBySince([at("a"), at("b", "c7", 7), at("c", "page", 0), at("d", "c3", 3), at("e", "page", 0), at("f", "other", 0), at("g")]);
  const shown = groups.map(({ since, rooms }) => [since, rooms.map(({ name }) => name).join("")]);
  assert.deepEqual(shown, [[undefined, "ag"], ["c3", "bd"], ["page", "ce"], ["other", "f"]]);
});

test("rooms are asked for in messages that are small enough in number and in bytes", () => {
  const rooms = Array.from({ length: 10 }, (_, index) => ({ name: `product:${index}` }));
  assert.deepEqual(chunk(rooms, 4, 1000).map(({ length }) => length), [4, 4, 2]);
  for (const part of chunk(rooms, 100, 30)) assert.ok(JSON.stringify(part.map(({ name }) => name)).length <= 31);
  assert.deepEqual(chunk([{ name: "x".repeat(100) }], 4, 10).length, 1);
  assert.deepEqual(chunk([], 4, 10), []);
});
