// How often a page is told, and how soon.

import { live, price } from "../support/live.js";
import { expect, test } from "../support/test.js";

const SECONDS = 4;

/** Reprices one row as fast as it goes, and at least 500 times a second, for some seconds; returns the last price. */
async function hotRow(sql, { id }) {
  const client = await sql.client();
  await client.query("set synchronous_commit = off");
  const start = Date.now();
  let changes = 0;
  while (Date.now() - start < SECONDS * 1000) {
    const due = ((Date.now() - start) / 1000) * 500;
    for (; changes < due; changes++) await client.query("update products set price = price + 1 where id = $1", [id]);
    await new Promise((soon) => setTimeout(soon, 1));
  }
  const { rows } = await client.query("select price::float from products where id = $1", [id]);
  client.release();
  return { changes, last: String(rows[0].price), seconds: Math.ceil((Date.now() - start) / 1000) };
}

test("a hot row is told at the pace of the page, never starved, and its last value is shown", async ({
  page,
  site,
  demo,
  sql,
  make,
}) => {
  const product = await make.product();
  await live(page, site, { daemon: demo, products: [product], how: { throttle: 1000 } });
  const first = await page.evaluate(() => performance.now());
  const { changes, last, seconds } = await hotRow(sql, product);
  await expect(price(page, product)).toHaveText(last);
  const told = (await page.evaluate(() => notices)).filter(({ type, at }) => type === "invalidate" && at >= first);
  console.log(`${changes} changes of a row in ${seconds} s: ${told.length} calls`);
  expect(told.length).toBeGreaterThanOrEqual(SECONDS - 1);
  // The first at once, one a second, and the last.
  expect(told.length).toBeLessThanOrEqual(seconds + 2);
});

test("without a throttle a listener hears of a commit at once", async ({ page, site, demo, sql, make }) => {
  const product = await make.product();
  await live(page, site, { daemon: demo, products: [product], how: { throttle: 0 } });
  await page.evaluate((room) => {
    window.heardAt = [];
    client.subscribe(room, () => heardAt.push(Date.now()), { throttle: 0 });
  }, `product:${product.id}`);
  const waits = [];
  for (let n = 1; n <= 15; n++) {
    await sql`update products set price = ${n} where id = ${product.id}`;
    const committed = Date.now();
    await page.waitForFunction((n) => heardAt.length === n, n);
    waits.push((await page.evaluate(() => heardAt.at(-1))) - committed);
    // A room that is quiet is told at once: the daemon's own window has to pass.
    await page.waitForTimeout(320);
  }
  waits.sort((a, b) => a - b);
  console.log(`commit to listener: ${waits[7]} ms in the middle, ${waits.at(-1)} ms at most, of ${waits.length}`);
});
