// The faults that other tests rely on, proven with a bare WebSocket.

import { expect, test } from "../support/test.js";

async function open(page, site, ws, room) {
  await page.goto(site.page("bare"));
  await page.evaluate(
    ([ws, room]) => {
      window.heard = [];
      window.socket = new WebSocket(ws, "pgbell.v1");
      socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", id: 1, rooms: [room] }));
      socket.onmessage = ({ data }) => heard.push(JSON.parse(data).type);
      socket.onclose = () => heard.push("closed");
    },
    [ws, room],
  );
}

const heard = (page) => expect.poll(() => page.evaluate(() => heard));

test("a held connection stays open and hears everything after its release", async ({ page, site, network, sql, make }) => {
  const product = await make.product();
  await open(page, site, network.ws, `product:${product.id}`);
  await heard(page).toContain("subscribed");
  network.hold();
  const before = network.bytes.down;
  await sql`update products set price = price + 1 where id = ${product.id}`;
  await expect.poll(() => [...network.pairs].some((pair) => pair.held.length > 0)).toBe(true);
  expect(network.bytes.down).toBe(before);
  network.release();
  await heard(page).toContain("invalidate");
});

test("a cut connection is closed, and a refusing proxy lets nobody in", async ({ page, site, network }) => {
  await open(page, site, network.ws, "product:1");
  await heard(page).toContain("subscribed");
  network.refuse();
  await heard(page).toContain("closed");
  await open(page, site, network.ws, "product:1");
  await heard(page).toEqual(["closed"]);
  network.accept();
  await open(page, site, network.ws, "product:1");
  await heard(page).toContain("subscribed");
});

test("a proxy that refuses upgrades passes everything else", async ({ page, site, network }) => {
  network.refuseUpgrades();
  await open(page, site, network.ws, "product:1");
  await heard(page).toEqual(["closed"]);
  expect((await fetch(`${network.http}/livez`)).status).toBe(200);
});

test("a killed daemon takes its connections with it and comes back at the same address", async ({ page, site, daemon }) => {
  await open(page, site, daemon.ws, "product:1");
  await heard(page).toContain("subscribed");
  await daemon.kill();
  await heard(page).toContain("closed");
  await daemon.start();
  await open(page, site, daemon.ws, "product:1");
  await heard(page).toContain("subscribed");
});
