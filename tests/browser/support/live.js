// The page without npm (../pages/live.html), as tests use it.

import { expect } from "./test.js";

/** Opens it on products, and waits until it is live on them. It comes back sooner than clients do by default. */
export async function live(page, site, { daemon, ws = daemon.ws, products, how = {}, options = {} }) {
  const ids = products.map(({ id }) => id).join(",");
  const all = JSON.stringify({ spread: 800, backoff: { min: 50 }, ...options });
  const told = { http: daemon.http, ws, ids, how: JSON.stringify(how), options: all };
  await page.goto(site.page("live", told));
  for (const { id } of products) {
    await expect.poll(() => page.evaluate((room) => window.client?.getRoom(room).state, `product:${id}`)).toBe("live");
    await expect(price(page, { id })).not.toHaveText("");
  }
}

export const price = (page, { id }) => page.locator(`#price-${id}`);

export const status = (page) => page.evaluate(() => client.getStatus());

/** Waits until the client's status has what is named. */
export const becomes = (page, wanted) => expect.poll(() => status(page)).toMatchObject(wanted);

/** Changes the price in the database, and returns what the page must show. */
export async function reprice(sql, { id }) {
  const [row] = await sql`update products set price = price + 1 where id = ${id} returning price::float`;
  return String(row.price);
}
