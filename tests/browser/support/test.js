// What tests get: a shop with its daemon for each worker, and faults, pages and rows of their own.

import { test as base, expect } from "@playwright/test";

import { Guarded } from "./guarded.js";
import { Daemon, startDemo } from "./pgbell.js";
import { Proxy } from "./proxy.js";
import { connect, rows } from "./shop.js";
import { Site } from "./site.js";

export { expect };

/** What browsers print by themselves about a network that tests have broken, or a refusal that they have asked for. */
const OF_THE_NETWORK = /WebSocket connection to|Failed to load resource|net::ERR_|EventSource/;

export const test = base.extend({
  /** `pgbell demo`: Postgres, shop, API, daemon. */
  demo: [
    async ({}, use) => {
      const demo = await startDemo();
      await use(demo);
      await demo.program.end();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  /** Tagged template: runs a statement in the shop's database. */
  sql: [
    async ({ demo }, use) => {
      const sql = connect(demo.database);
      await use(sql);
      await sql.end();
    },
    { scope: "worker" },
  ],
  /** Makes rows that are this test's own. */
  make: [async ({ sql }, use) => use(rows(sql)), { scope: "worker" }],
  /** A second daemon of the same database, to be killed. */
  daemon: async ({ demo }, use) => {
    const daemon = await Daemon.start(demo.database);
    await use(daemon);
    await daemon.stop();
  },
  /** A third one, which asks for tokens, for the pages of our own. */
  guarded: async ({ demo, site }, use) => {
    const guarded = await Guarded.start(demo.database, [site.origin]);
    await use(guarded);
    await guarded.close();
  },
  /** The way to the demo's daemon, to be disturbed. */
  network: async ({ demo }, use) => {
    const network = await Proxy.to(demo.host);
    await use(network);
    await network.close();
  },
  /** Pages of our own. */
  site: async ({ sql }, use) => {
    const site = await Site.start(sql);
    await use(site);
    await site.close();
  },
  /** Everything that went wrong in pages, with and without what comes of a broken network. */
  complaints: async ({}, use) => {
    const all = [];
    await use({
      all,
      own: () => all.filter((text) => !OF_THE_NETWORK.test(text)),
      watch(context) {
        context.on("console", (message) => {
          if (["error", "warning"].includes(message.type())) all.push(message.text());
        });
        context.on("weberror", (error) => all.push(String(error.error())));
        return context;
      },
    });
  },
  context: async ({ context, complaints }, use) => {
    complaints.watch(context);
    await use(context);
    expect(complaints.own(), "what pages complained about").toEqual([]);
  },
  /** Another device: a page with its own storage. */
  device: async ({ browser, complaints }, use) => {
    const contexts = [];
    await use(async (options) => {
      const context = complaints.watch(await browser.newContext(options));
      contexts.push(context);
      return await context.newPage();
    });
    for (const context of contexts) await context.close();
  },
});
