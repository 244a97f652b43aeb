import assert from "node:assert/strict";
import { test } from "node:test";
import { sent, setUp } from "./support.js";

test("a change in a room reaches its listener", async (t) => {
  const { server, client, pass } = setUp(t);
  const notices = [];
  client.subscribe("product:42", (notice) => notices.push(notice));
  await pass(100);
  assert.equal(client.getRoom("product:42").state, "live");
  assert.equal(client.getStatus().live, true);
  server.emit("product:42", { events: ["product:price_changed"] });
  await pass();
  assert.equal(notices.length, 1);
  assert.equal(notices[0].changes[0].events[0], "product:price_changed");
  assert.equal(notices[0].changes[0].own, false);
});

test("thirty listeners of a room are one room in one frame, and it stays for the last of them", async (t) => {
  const { server, client, pass } = setUp(t);
  let told = 0;
  const ends = Array.from({ length: 30 }, () => client.subscribe("product:1", () => told++));
  await pass(100);
  assert.deepEqual(sent(server, "subscribe").map((frame) => frame.rooms), [["product:1"]]);
  ends.slice(1).forEach((end) => end());
  await pass(10_000);
  server.emit("product:1");
  await pass();
  assert.equal(told, 1);
  assert.equal(sent(server, "unsubscribe").length, 0);
  assert.equal(server.connections, 1);
});

test("what changed while a client was away is told when it comes back", async (t) => {
  const { server, client, pass } = setUp(t);
  const notices = [];
  client.subscribe(["product:1", "product:2"], (notice) => notices.push(notice));
  await pass(100);
  server.drop();
  server.emit("product:2");
  await pass(20_000);
  assert.deepEqual(notices.map(({ type, room, replayed }) => [type, room, replayed]), [["invalidate", "product:2", true]]);
  assert.equal(client.getStatus().live, true);
});

test("500 cards scrolled by in three seconds take at most 60 frames, and leave what is on screen", async (t) => {
  const { server, client, pass } = setUp(t);
  const ends = [];
  for (let card = 0; card < 500; card++) {
    ends.push(client.subscribe(`product:${card}`, () => {}));
    if (card >= 12) ends[card - 12]();
    await pass(6);
  }
  const inThreeSeconds = server.frames.length;
  await pass(5000);
  t.diagnostic(`${inThreeSeconds} frames while scrolling, ${server.frames.length} in all`);
  assert.ok(server.frames.length <= 60, `${server.frames.length} frames`);
  assert.deepEqual([...server.rooms.keys()].sort(), Array.from({ length: 12 }, (_, card) => `product:${488 + card}`));
});
