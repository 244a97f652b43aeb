// What happens to a page when its network, its daemon or its window goes away.

import { Relay } from "../support/relay.js";
import { becomes, live, price, reprice, status } from "../support/live.js";
import { Proxy } from "../support/proxy.js";
import { endListeners } from "../support/shop.js";
import { expect, test } from "../support/test.js";
import { overhear } from "../support/wire.js";

test("a page without npm shows a change that was committed in SQL", async ({ page, site, demo, sql, make }) => {
  const product = await make.product();
  await live(page, site, { daemon: demo, products: [product] });
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
});

test("a page that was offline fetches again only what changed meanwhile, once", async ({
  page,
  context,
  site,
  demo,
  sql,
  make,
}) => {
  const [changed, unchanged] = [await make.product(), await make.product()];
  await live(page, site, { daemon: demo, products: [changed, unchanged] });
  const before = site.count();
  await context.setOffline(true);
  await becomes(page, { state: "offline", live: false });
  const now = await reprice(sql, changed);
  await context.setOffline(false);
  await expect(price(page, changed)).toHaveText(now);
  await becomes(page, { state: "connected", live: true });
  expect(site.count() - before).toBe(1);
  expect(site.requests.at(-1)).toBe(`/data/product/${changed.id}`);
});

test("a killed daemon shows in the status, and its return brings what was changed meanwhile", async ({
  page,
  site,
  daemon,
  sql,
  make,
}) => {
  const product = await make.product();
  await live(page, site, { daemon, products: [product], options: { lostAfter: 300 } });
  await daemon.kill();
  await becomes(page, { state: "reconnecting", live: false, lost: true });
  const now = await reprice(sql, product);
  await daemon.start();
  await expect(price(page, product)).toHaveText(now);
  await becomes(page, { state: "connected", live: true, lost: false });
});

test("a daemon that is stopped sends its clients away, and they come back when it says", async ({
  page,
  site,
  daemon,
  sql,
  make,
}) => {
  const product = await make.product();
  const wire = overhear(page);
  await live(page, site, { daemon, products: [product] });
  await daemon.stop();
  // Two, where the first sends it away for so short that the daemon is not gone yet.
  await expect.poll(() => wire.heard("goodbye")).not.toEqual([]);
  const now = await reprice(sql, product);
  await daemon.start();
  await expect(price(page, product)).toHaveText(now);
});

test("a black hole is found by a probe as soon as the browser tells that the network is back", async ({
  page,
  site,
  demo,
  network,
  sql,
  make,
}) => {
  const product = await make.product();
  await live(page, site, { daemon: demo, ws: network.ws, products: [product], options: { probe: 500 } });
  network.hold();
  const now = await reprice(sql, product);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await becomes(page, { state: "reconnecting" });
  network.cut();
  network.release();
  await expect(price(page, product)).toHaveText(now);
});

test("a black hole that nobody tells of is found by the silence of its heartbeats", async ({ page, site, daemon, sql, make }) => {
  await daemon.stop();
  daemon.env = { PGBELL_GATEWAY__HEARTBEAT: "1s" };
  await daemon.start();
  const network = await Proxy.to(daemon.host);
  const product = await make.product();
  await live(page, site, { daemon, ws: network.ws, products: [product] });
  network.hold();
  const now = await reprice(sql, product);
  await expect.poll(() => status(page), { timeout: 30_000 }).toMatchObject({ state: "reconnecting" });
  network.cut();
  network.release();
  await expect(price(page, product)).toHaveText(now);
  await network.close();
});

test("a page that comes back from the back/forward cache is live and current", async ({ page, site, demo, sql, make }) => {
  const product = await make.product();
  await live(page, site, { daemon: demo, products: [product] });
  await page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.restored = persisted)));
  await page.goto(site.page("bare"));
  const now = await reprice(sql, product);
  // A page that was kept is not loaded again.
  await page.goBack({ waitUntil: "commit" });
  expect(await page.evaluate(() => window.restored), "the page was kept by the browser").toBe(true);
  await expect(price(page, product)).toHaveText(now);
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
});

test("the loss of the daemon's LISTEN session loses no change", async ({ page, site, daemon, sql, make }) => {
  const product = await make.product();
  const wire = overhear(page);
  await live(page, site, { daemon, products: [product] });
  expect(await endListeners(sql)).toBeGreaterThan(0);
  const now = await reprice(sql, product);
  await expect(price(page, product)).toHaveText(now);
  await expect.poll(() => wire.heard("stale").length).toBe(1);
  await expect.poll(() => wire.heard("fresh").length).toBe(1);
  await becomes(page, { state: "connected", live: true, stale: false });
});

test("a connection that breaks within the throttle of a change still brings the change", async ({
  page,
  site,
  demo,
  network,
  sql,
  make,
}) => {
  const product = await make.product();
  const wire = overhear(page);
  await live(page, site, { daemon: demo, ws: network.ws, products: [product], how: { throttle: 5_000 } });
  await reprice(sql, product);
  await expect.poll(() => wire.heard("invalidate").length).toBe(1);
  const now = await reprice(sql, product);
  await expect.poll(() => wire.heard("invalidate").length).toBe(2);
  network.cut();
  await expect(price(page, product)).toHaveText(now);
  await becomes(page, { state: "connected", live: true });
});

test("switching users leaves nothing of the first", async ({ page, site, demo, make }) => {
  const [first, second] = [await make.product(), await make.product()];
  const wire = overhear(page);
  await live(page, site, { daemon: demo, products: [first] });
  await page.evaluate(() => client.setUser("2"));
  await page.evaluate((id) => void show(id), second.id);
  await expect(price(page, second)).not.toHaveText("");
  await expect.poll(() => wire.open).toBe(1);
  expect(await page.evaluate((room) => client.getRoom(room).state, `product:${first.id}`)).toBe("idle");
  expect(wire.sockets).toBe(2);
  expect(wire.said("subscribe").at(-1)).toMatchObject({ rooms: [`product:${second.id}`] });
  expect(wire.said("subscribe").at(-1)).not.toHaveProperty("since");
});

test("messages and fields that a client does not know do not disturb it", async ({ page, site, demo, sql, make }) => {
  const relay = await Relay.to(demo.ws, {
    down: (message) => [{ type: "weather", of: ["tomorrow"] }, { ...message, added: { later: [1] } }],
    up: (message) => [message],
  });
  const product = await make.product();
  await live(page, site, { daemon: demo, ws: relay.ws, products: [product] });
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
  await becomes(page, { state: "connected", live: true });
  await relay.close();
});

test("a daemon that knows less than the client is enough", async ({ page, site, demo, sql, make }) => {
  const relay = await Relay.to(demo.ws, {
    down: ({ limits, server_time, heartbeat_ms, ...message }) => (message.type === "heartbeat" ? [] : [message]),
    up: (message) => [message],
  });
  const product = await make.product();
  await live(page, site, { daemon: demo, ws: relay.ws, products: [product] });
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
  await relay.close();
});

test("without upgrades the page gets its changes as server-sent events", async ({ page, site, demo, network, sql, make }) => {
  network.refuseUpgrades();
  const product = await make.product();
  await live(page, site, { daemon: demo, ws: network.ws, products: [product] });
  await becomes(page, { state: "connected", transport: "sse" });
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
  network.cut();
  await expect(price(page, product)).toHaveText(await reprice(sql, product));
});
