// The React bindings: one socket and one room however many components, and only what is on screen.

import { metric } from "../support/pgbell.js";
import { expect, test } from "../support/test.js";
import { overhear } from "../support/wire.js";

const badge = (page) => page.getByTestId("badge");

const roomState = (page, room) => page.evaluate((room) => client.getRoom(room).state, room);

async function mount(page, what) {
  await page.evaluate((what) => window.mount(what), what);
}

test("thirty components of one room in StrictMode are one socket and one frame, and one of them is enough to stay", async ({
  page,
  site,
  demo,
  sql,
  make,
}) => {
  const wire = overhear(page);
  const { id } = await make.product();
  const room = `product:${id}`;
  await page.goto(site.page("react", { ws: demo.ws, options: JSON.stringify({ linger: 100 }) }));
  await mount(page, { watchers: 30, room });
  await expect(badge(page)).toHaveText("connected");
  await expect(page.getByTestId("room")).toHaveText("live");
  expect(wire.sockets).toBe(1);
  expect(wire.said("subscribe").map(({ rooms }) => rooms)).toEqual([[room]]);

  await sql`update products set price = 21 where id = ${id}`;
  await expect.poll(() => page.evaluate(() => calls)).toBe(30);

  await mount(page, { watchers: 1, room });
  await sql`update products set price = 22 where id = ${id}`;
  await expect.poll(() => page.evaluate(() => calls)).toBe(31);
  expect(wire.said("unsubscribe")).toEqual([]);

  await mount(page, { watchers: 0, room });
  await expect.poll(() => wire.said("unsubscribe").map(({ rooms }) => rooms)).toEqual([[room]]);
});

test("the last room that is left closes the socket, and the next one opens another", async ({ page, site, demo, make }) => {
  const wire = overhear(page);
  const room = `product:${(await make.product()).id}`;
  const options = JSON.stringify({ linger: 50, idle: 100 });
  await page.goto(site.page("react", { ws: demo.ws, options }));
  await mount(page, { watchers: 1, room });
  await expect.poll(() => roomState(page, room)).toBe("live");
  await mount(page, { watchers: 0, room });
  await expect(badge(page)).toHaveText("idle");
  await expect.poll(() => wire.open).toBe(0);
  await mount(page, { watchers: 1, room });
  await expect.poll(() => roomState(page, room)).toBe("live");
  expect(wire.sockets).toBe(2);
});

test("500 cards scrolled in three seconds are at most 60 frames, and in the end the rooms of those on screen", async ({
  page,
  site,
  demo,
  make,
}) => {
  const wire = overhear(page);
  const cards = (await make.products(500)).map(({ id }) => id);
  await page.goto(site.page("react", { ws: demo.ws }));
  await mount(page, { cards });
  await expect.poll(() => roomState(page, `product:${cards[0]}`)).toBe("live");
  const renders = await page.evaluate(() => window.renders);
  const before = wire.said("subscribe", "unsubscribe").length;
  await page.evaluate(async () => {
    const [start, height] = [performance.now(), document.documentElement.scrollHeight];
    for (let part = 0; part < 1; ) {
      part = Math.min((performance.now() - start) / 3000, 1);
      scrollTo(0, part * height * 0.9);
      await new Promise(requestAnimationFrame);
    }
  });
  const frames = () => wire.said("subscribe", "unsubscribe").length - before;
  const onScreen = await page.evaluate(() => {
    const near = (card) => {
      const { top, bottom } = card.getBoundingClientRect();
      return bottom >= -200 && top <= innerHeight + 200;
    };
    return [...document.querySelectorAll("[data-room]")].filter(near).map((card) => card.dataset.room).sort();
  });
  expect(onScreen.length).toBeGreaterThan(8);
  await expect.poll(() => [...wire.rooms()].sort()).toEqual(onScreen);
  await expect.poll(() => metric(demo.http, "pgbell_rooms")).toBe(onScreen.length);
  test.info().annotations.push({ type: "subscription frames", description: String(frames()) });
  console.log(`500 cards in 3 s: ${frames()} subscription frames, ${onScreen.length} rooms in the end`);
  expect(frames()).toBeLessThanOrEqual(60);
  expect(await page.evaluate(() => window.renders), "scrolling renders no card again").toBe(renders);
});

test("many mounts leave neither rooms nor listeners nor memory behind", async ({ page, site, demo, make }) => {
  const wire = overhear(page);
  const cards = (await make.products(50)).map(({ id }) => id);
  const room = `product:${cards[0]}`;
  await page.goto(site.page("react", { ws: demo.ws, options: JSON.stringify({ linger: 0 }) }));
  const protocol = await page.context().newCDPSession(page);
  const rounds = async (count) => {
    for (let n = 0; n < count; n++) {
      await mount(page, { watchers: 20, room, cards });
      await expect.poll(() => roomState(page, room)).toBe("live");
      await mount(page, {});
      await expect.poll(() => roomState(page, room)).toBe("idle");
    }
    await protocol.send("HeapProfiler.collectGarbage");
    const { jsEventListeners, nodes } = await protocol.send("Memory.getDOMCounters");
    const { usedSize } = await protocol.send("Runtime.getHeapUsage");
    return { jsEventListeners, nodes, usedSize };
  };
  await rounds(5);
  const early = await rounds(5);
  const late = await rounds(15);
  console.log(`heap after 10 rounds ${early.usedSize >> 10} KiB, after 25 ${late.usedSize >> 10} KiB`);
  expect(late.jsEventListeners).toBeLessThanOrEqual(early.jsEventListeners);
  expect(late.nodes).toBeLessThanOrEqual(early.nodes + 50);
  expect(late.usedSize - early.usedSize, "bytes").toBeLessThan(500_000);
  await expect.poll(() => wire.rooms().size).toBe(0);
  expect(wire.sockets).toBe(1);
});
