// The TanStack Query binding, on a page that knows nothing of rooms.

import { reprice } from "../support/live.js";
import { expect, test } from "../support/test.js";
import { overhear } from "../support/wire.js";

const shown = (page, { id }) => page.getByTestId(`price-${id}`);

const isLive = (page, { id }) =>
  expect.poll(() => page.evaluate((room) => window.client?.getRoom(room).state, `product:${id}`)).toBe("live");

async function open(page, site, ws, products, told = {}) {
  await page.goto(site.page("query", { ws, ids: products.map(({ id }) => id).join(","), ...told }));
}

test("queries in StrictMode share one socket, and a change refetches exactly its own", async ({ page, site, demo, sql, make }) => {
  const wire = overhear(page);
  const products = [await make.product(), await make.product(), await make.product()];
  await open(page, site, demo.ws, products, { cursor: 1 });
  for (const product of products) {
    await isLive(page, product);
    await expect(shown(page, product)).toHaveText("20");
  }
  // A page that still asks what came since its data was read may be told twice.
  await expect.poll(wire.isQuiet).toBe(true);
  const before = site.count();
  await expect(shown(page, products[1])).toHaveText(await reprice(sql, products[1]));
  expect(site.requests.slice(before)).toEqual([`/data/product/${products[1].id}`]);
  expect(wire.sockets).toBe(1);
});

test("data that brought its cursor is not fetched again when its room goes live", async ({ page, site, demo, make }) => {
  const product = await make.product();
  await open(page, site, demo.ws, [product], { cursor: 1 });
  await isLive(page, product);
  await expect(shown(page, product)).toHaveText("20");
  const other = await make.product();
  await page.evaluate((ids) => setIds(ids), [product.id, other.id]);
  await isLive(page, other);
  await expect(shown(page, other)).toHaveText("20");
  expect(site.count(`/data/product/${product.id}`)).toBe(1);
});

test("what was committed while the first fetch was on its way is on screen in the end", async ({ page, site, demo, sql, make }) => {
  const product = await make.product();
  const gate = site.gate(`/data/product/${product.id}`);
  await open(page, site, demo.ws, [product]);
  await gate.reached;
  await isLive(page, product);
  const wire = await page.evaluate((room) => {
    window.told = 0;
    client.on("notice", (notice) => notice.room === room && notice.type === "invalidate" && (window.told += 1));
  }, `product:${product.id}`);
  expect(wire).toBeUndefined();
  const now = await reprice(sql, product);
  await expect.poll(() => page.evaluate(() => told)).toBe(1);
  gate.open();
  await expect(shown(page, product)).toHaveText(now);
});

test("during a refetch however many changes cost one more", async ({ page, site, demo, sql, make }) => {
  const wire = overhear(page);
  const product = await make.product();
  await open(page, site, demo.ws, [product], { cursor: 1 });
  await isLive(page, product);
  await expect(shown(page, product)).toHaveText("20");
  await expect.poll(wire.isQuiet).toBe(true);
  const path = `/data/product/${product.id}`;
  const before = site.count(path);
  const gate = site.gate(path);
  await reprice(sql, product);
  await gate.reached;
  let now;
  for (let n = 2; n < 6; n++) {
    now = await reprice(sql, product);
    await expect.poll(() => wire.heard("invalidate").length).toBe(n);
  }
  expect(site.count(path) - before).toBe(1);
  gate.open();
  await expect(shown(page, product)).toHaveText(now);
  expect(site.count(path) - before).toBe(2);
});

test("a bulk write resyncs every room, and what is on screen is current", async ({ page, site, demo, sql, make }) => {
  const wire = overhear(page);
  const product = await make.product();
  await open(page, site, demo.ws, [product]);
  await isLive(page, product);
  const others = await make.products(10);
  const ids = [product.id, ...others.map(({ id }) => id)];
  const client = await sql.client();
  await client.query(`begin; set local pgbell.bulk_limit = 5;
    update products set price = 99 where id in (${ids}); commit`);
  client.release();
  await expect.poll(() => wire.heard("resync").length).toBeGreaterThan(0);
  await expect(shown(page, product)).toHaveText("99");
});

test("a query without observers leaves its room, and one that is shown again is current", async ({ page, site, demo, sql, make }) => {
  const wire = overhear(page);
  const [kept, left] = [await make.product(), await make.product()];
  await open(page, site, demo.ws, [kept, left], { options: JSON.stringify({ linger: 50 }) });
  await isLive(page, left);
  await expect(shown(page, left)).toHaveText("20");
  await page.evaluate((ids) => setIds(ids), [kept.id]);
  await expect.poll(() => wire.rooms()).toEqual(new Set([`product:${kept.id}`]));
  const now = await reprice(sql, left);
  await page.evaluate((ids) => setIds(ids), [kept.id, left.id]);
  await expect(shown(page, left)).toHaveText(now);
});
