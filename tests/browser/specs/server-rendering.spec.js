// A page that is rendered on a server and taken over by the browser.

import { render } from "../support/render.js";
import { expect, test } from "../support/test.js";

test("a page rendered on the server is taken over without a warning, and was live all along", async ({
  page,
  site,
  demo,
  sql,
  make,
}, info) => {
  const { id } = await make.product({ price: 20 });
  const [{ cursor }] = await sql`select pgbell.cursor()`;
  const query = { queryKey: ["product", id], queryHash: JSON.stringify(["product", id]) };
  const state = { data: { id, price: 20, cursor }, status: "success", dataUpdatedAt: Date.now() };
  const told = { id, ws: demo.ws, state: { queries: [{ ...query, state }], mutations: [] } };

  // Ends by itself: nothing on the server holds a timer or a socket.
  const { html, complaints } = await render(told, info.outputPath("render.mjs"));
  expect(complaints).toBe("");
  expect(html).toContain(">20<");

  // What is committed between rendering and hydration is not lost, as the data came with its cursor.
  await sql`update products set price = 30 where id = ${id}`;
  const head = '<meta charset="utf-8"><link rel="icon" href="data:,"><title>Product</title>';
  const data = `<script type="application/json" id="told">${JSON.stringify(told)}</script>`;
  const script = '<script type="module" src="/hydrate.js"></script>';
  site.made.set("product", `<!doctype html><html lang="en">${head}<div id="root">${html}</div>${data}${script}</html>`);
  await page.goto(site.page("product"));
  await expect(page.getByTestId("price")).toHaveText("30");
  await expect(page.getByTestId("badge")).toHaveText("connected");
  expect(await page.evaluate(() => window.recovered)).toEqual([]);
});
