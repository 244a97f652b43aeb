import assert from "node:assert/strict";
import { test } from "node:test";
import { createFold, foldChanges } from "../src/core/fold.js";
import { createPace } from "../src/core/pace.js";

const change = (more = {}) => ({ entity: "product", id: "1", op: "update", events: [], count: 1, at: "2026-01-01T00:00:00Z", own: false, ...more });
const told = (changes, replayed = false) => ({ type: "invalidate", room: "product:1", changes, replayed });
const resync = { type: "resync", room: "product:1", reason: "bulk", spreadMs: 5 };

test("operations fold to the one that leads from first to last", () => {
  for (const [first, second, both] of [
    ["insert", "update", "insert"],
    ["insert", "delete", "delete"],
    ["delete", "insert", "update"],
    ["delete", "update", "update"],
    ["update", "delete", "delete"],
    ["update", "update", "update"],
  ]) {
    assert.equal(foldChanges(change({ op: first }), change({ op: second })).op, both, `${first}, ${second}`);
  }
});

test("folding keeps the first old, the last new, every event, the sum and the oldest time", () => {
  const first = change({ events: ["a", "b"], count: 2, at: "2026-01-01T00:00:01.12Z", old: { price: 1 }, new: { price: 2 } });
  const later = change({ events: ["b", "c"], count: 3, at: "2026-01-01T00:00:01.1Z", old: { price: 2, name: "x" }, new: { price: 3, name: "y" } });
  const { events, count, at, old, new: latest } = foldChanges(first, later);
  assert.deepEqual({ events, count, at, old, latest }, {
    events: ["a", "b", "c"],
    count: 5,
    at: "2026-01-01T00:00:01.1Z",
    old: { price: 1, name: "x" },
    latest: { price: 3, name: "y" },
  });
});

test("an origin is told only if every change has it", () => {
  const mine = change({ origin: "me", own: true });
  assert.equal(foldChanges(mine, mine).origin, "me");
  assert.equal(foldChanges(mine, mine).own, true);
  const mixed = foldChanges(mine, change({ origin: "you" }));
  assert.equal("origin" in mixed, false);
  assert.equal(mixed.own, false);
  assert.equal("old" in foldChanges(change(), change()), false);
});

test("changes of several entities stay apart, and a replay folded into news is news", () => {
  const fold = createFold();
  fold.add(told([change(), change({ id: "2" })], true));
  fold.add(told([change({ entity: "sale" }), change()]));
  const { changes, replayed } = fold.take();
  assert.deepEqual(changes.map(({ entity, id, count }) => [entity, id, count]), [["product", "1", 2], ["product", "2", 1], ["sale", "1", 1]]);
  assert.equal(replayed, false);
  assert.equal(fold.take(), undefined);
});

test("a resync absorbs what was to be listed, before and after it", () => {
  const fold = createFold();
  fold.add(told([change()]));
  fold.add(resync);
  fold.add(told([change()]));
  assert.deepEqual(fold.take(), resync);
  fold.add(told([change()], true));
  assert.deepEqual(fold.take(), told([change()], true));
});

test("whoever is told at a pace is told first at once, last for sure, and never starved", () => {
  const pace = createPace(1000);
  const calls = [];
  let due = Infinity;
  for (let now = 0; now <= 10_000; now += 2) {
    if (now < 9900) due = Math.min(due, now + pace.add(told([change()]), now));
    if (now < due) continue;
    calls.push([now, pace.take(now).changes[0].count]);
    due = Infinity;
  }
  assert.deepEqual(calls.map(([at]) => at), [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000]);
  assert.equal(calls.reduce((sum, [, count]) => sum + count, 0), 4950);
});

test("a clock that is set back makes nobody wait longer than the interval", () => {
  const pace = createPace(1000);
  pace.take(1_000_000);
  assert.equal(pace.add(told([change()]), 5000), 1000);
});
