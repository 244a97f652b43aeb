// A second engine, where it is installed.

import { Firefox, executablePath } from "../support/firefox.js";
import { reprice } from "../support/live.js";
import { expect, test as base } from "../support/test.js";

const test = base.extend({
  firefox: [
    async ({}, use) => {
      const firefox = await Firefox.open();
      await use(firefox);
      await firefox.close();
    },
    { scope: "worker", timeout: 60_000 },
  ],
});

test.skip(!executablePath, "Firefox is not installed: apt-get install firefox-esr");

async function live(firefox, site, demo, ws, product) {
  const options = JSON.stringify({ spread: 800, backoff: { min: 50 } });
  await firefox.goto(site.page("live", { http: demo.http, ws, ids: product.id, options }));
  await expect.poll(() => firefox.evaluate(`window.client?.getRoom("product:${product.id}").state`)).toBe("live");
  await shows(firefox, product, "20");
}

const shows = (firefox, { id }, price) =>
  expect.poll(() => firefox.evaluate(`document.getElementById("price-${id}")?.value`)).toBe(price);

test("Firefox shows a change that was committed in SQL", async ({ firefox, site, demo, sql, make }) => {
  const product = await make.product();
  await live(firefox, site, demo, demo.ws, product);
  await shows(firefox, product, await reprice(sql, product));
  expect(firefox.errors).toEqual([]);
});

test("Firefox comes back after a cut connection and shows what was changed meanwhile", async ({
  firefox,
  site,
  demo,
  network,
  sql,
  make,
}) => {
  const product = await make.product();
  await live(firefox, site, demo, network.ws, product);
  network.refuse();
  await expect.poll(() => firefox.evaluate("client.getStatus().live")).toBe(false);
  const now = await reprice(sql, product);
  network.accept();
  await shows(firefox, product, now);
});

test("Firefox says that it is offline, and fetches what was changed meanwhile when it is not", async ({
  firefox,
  site,
  demo,
  sql,
  make,
}) => {
  const product = await make.product();
  await live(firefox, site, demo, demo.ws, product);
  await firefox.setOffline(true);
  await expect.poll(() => firefox.evaluate("client.getStatus().state")).toBe("offline");
  const now = await reprice(sql, product);
  await firefox.setOffline(false);
  await shows(firefox, product, now);
});

test("Firefox shows what was changed while it was on another page", async ({ firefox, site, demo, sql, make }) => {
  const product = await make.product();
  await live(firefox, site, demo, demo.ws, product);
  await firefox.goto(site.page("bare"));
  const now = await reprice(sql, product);
  await firefox.back();
  await shows(firefox, product, now);
});
