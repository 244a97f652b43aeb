// Windows that are hidden, shown and frozen.

import { becomes, live, price, reprice, status } from "../support/live.js";
import { expect, test } from "../support/test.js";
import { Window } from "../support/window.js";
import { overhear } from "../support/wire.js";

const inWindow = test.extend({
  window: async ({ complaints }, use) => {
    const window = await Window.open();
    complaints.watch(window.context);
    await use(window);
    await window.close();
    expect(complaints.own(), "what pages complained about").toEqual([]);
  },
});

inWindow("a page that was frozen is current after it resumes", async ({ window, site, demo, network, sql, make }) => {
  const product = await make.product();
  await live(window.page, site, { daemon: demo, ws: network.ws, products: [product], options: { probe: 500 } });
  await window.hide();
  await window.freeze();
  // What a router does to a sleeping laptop: the connection is gone and nobody tells.
  network.hold();
  const now = await reprice(sql, product);
  await window.resume();
  await window.show();
  await becomes(window.page, { state: "reconnecting" });
  network.cut();
  network.release();
  await expect(price(window.page, product)).toHaveText(now);
});

inWindow("a disconnected client stays so when its window is hidden and shown", async ({ window, site, demo, make }) => {
  const wire = overhear(window.page);
  const product = await make.product();
  await live(window.page, site, { daemon: demo, products: [product] });
  await window.page.evaluate(() => client.disconnect());
  await becomes(window.page, { state: "closed" });
  await window.hide();
  await window.show();
  await window.page.evaluate(() => {
    dispatchEvent(new Event("online"));
    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
  });
  expect(await status(window.page)).toMatchObject({ state: "closed" });
  expect(wire.sockets).toBe(1);
  await window.page.evaluate(() => client.connect());
  await becomes(window.page, { state: "connected", live: true });
});

inWindow("a hidden page asks for nothing during 1000 events, and then once for each query", async ({ window, site, demo, sql, make }) => {
  const { page } = window;
  const wire = overhear(page);
  const products = [await make.product(), await make.product()];
  const ids = products.map(({ id }) => id);
  await page.goto(site.page("query", { ws: demo.ws, ids: ids.join(",") }));
  const shown = ({ id }) => page.getByTestId(`price-${id}`);
  for (const { id } of products) {
    await expect.poll(() => page.evaluate((room) => client.getRoom(room).state, `product:${id}`)).toBe("live");
    await expect(shown({ id })).toHaveText("20");
  }
  await window.hide();
  const before = site.count();
  for (let n = 0; n < 500; n++) await sql`update products set price = price + 1 where id = any(${ids})`;
  // Told of the last change of each, and of nothing more: whatever it would ask for, it would have by now.
  for (const id of ids) {
    const told = () => wire.heard("invalidate", `product:${id}`).reduce((sum, { changes }) => sum + changes[0].count, 0);
    await expect.poll(told).toBe(500);
  }
  expect(site.count()).toBe(before);
  await window.show();
  for (const product of products) await expect(shown(product)).toHaveText("520");
  expect(site.count() - before).toBe(products.length);
});
