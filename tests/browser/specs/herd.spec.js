// Many clients at once, outside of a browser.

import { createClient } from "pgbell";
import { WebSocket } from "ws";

import { expect, test } from "../support/test.js";

const CLIENTS = 200;
const SLOT_MS = 250;

/** A page without a screen: shows one product, and fetches it again whenever it is told to. */
class HeadlessPage {
  connected = [];

  constructor(ws, sql, product) {
    Object.assign(this, { sql, product });
    this.client = createClient({ url: ws, WebSocket });
    this.client.on("status", ({ state }) => {
      if (state === "connected" && this.state !== "connected") this.connected.push(Date.now());
      this.state = state;
    });
    this.client.subscribe(`product:${product.id}`, () => (this.fetching = this.load()), { initial: true });
  }

  async load() {
    const [row] = await this.sql`select price::float from products where id = ${this.product.id}`;
    this.price = row.price;
  }
}

test("200 clients of a killed daemon come back spread out, and none of their pages is stale", async ({ daemon, sql, make }) => {
  const products = await make.products(CLIENTS);
  const ids = products.map(({ id }) => id);
  const pages = products.map((product) => new HeadlessPage(daemon.ws, sql, product));
  const all = (what) => expect.poll(() => pages.filter(what).length, { timeout: 30_000 });
  await all(({ client, price }) => client.getStatus().live && price !== undefined).toBe(CLIENTS);

  await daemon.kill();
  await all(({ client }) => client.getStatus().state === "reconnecting").toBe(CLIENTS);
  await sql`update products set price = price + 1000 where id = any(${ids})`;
  await daemon.start();
  await all(({ client, price }) => client.getStatus().live && price > 1000).toBe(CLIENTS);

  const back = pages.map(({ connected }) => connected[1]).sort((a, b) => a - b);
  const slots = new Map();
  for (const at of back) {
    const slot = Math.floor((at - back[0]) / SLOT_MS);
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
  }
  console.log(`reconnects in slots of ${SLOT_MS} ms: ${[...slots.values()].join(" ")}`);
  expect(Math.max(...slots.values())).toBeLessThanOrEqual(CLIENTS / 10);
  for (const { client } of pages) client.destroy();
});
