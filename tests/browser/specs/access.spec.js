// Who cannot see, cannot point, or has a small screen can use the storefront, too.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { order, put, visit } from "../support/store.js";
import { expect, test } from "../support/test.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Every view, as somebody for whom it has something to show. */
async function views({ sql, make }, demo) {
  const user = await make.user();
  const product = await make.product({ stock: 3 });
  await sql`insert into sales (product_id, discount_percent) values (${product.id}, 20)`;
  await put(demo, user, product);
  const placed = await order(sql, { user: user.id });
  const as = `customer:${user.id}`;
  return [
    { route: "#/", as },
    { route: `#/product/${product.id}`, as },
    { route: "#/cart", as },
    { route: "#/checkout", as },
    { route: "#/orders", as },
    { route: `#/order/${placed.id}`, as },
    { route: "#/seller", as: "seller:2" },
    { route: "#/admin", as: "admin" },
  ];
}

for (const colorScheme of ["light", "dark"]) {
  test(`no view has a serious barrier in ${colorScheme} colours, and none complains`, async ({ page, complaints, demo, sql, make }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const { route, as } of await views({ sql, make }, demo)) {
      await visit(page, demo, route, { as });
      await expect(page.locator("main")).not.toBeEmpty();
      await page.waitForLoadState("networkidle");
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      const barriers = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      const told = barriers.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
      expect(told, `${route} in ${colorScheme}`).toEqual([]);
    }
    expect(complaints.all).toEqual([]);
  });
}

test("no view scrolls sideways on a phone of 360 pixels", async ({ page, demo, sql, make }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  for (const { route, as } of await views({ sql, make }, demo)) {
    await visit(page, demo, route, { as });
    await page.waitForLoadState("networkidle");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, route).toBeLessThanOrEqual(360);
  }
});

test("something can be bought with the keyboard alone", async ({ page, demo, sql, make }) => {
  const user = await make.user();
  const product = await make.product();
  await visit(page, demo, "#/", { as: `customer:${user.id}` });
  const focus = async (testId) => {
    const wanted = page.getByTestId(testId);
    await expect(wanted).toBeVisible();
    for (let presses = 0; presses < 150; presses++) {
      const found = await page.evaluate((testId) => {
        const wanted = document.querySelector(`[data-testid="${testId}"]`);
        return wanted?.contains(document.activeElement) && document.activeElement !== document.body;
      }, testId);
      if (found) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard does not reach ${testId}`);
  };
  await focus("search");
  await page.keyboard.type(product.name);
  await expect(page.getByTestId("list")).toHaveAttribute("data-count", "1");
  await focus(`card-${product.id}`);
  await page.keyboard.press("Enter");
  await focus("add-to-cart");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("cart-count")).toHaveText("1");
  await focus("nav-cart");
  await page.keyboard.press("Enter");
  await focus("go-checkout");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("checkout-place")).toBeEnabled();
  await focus("checkout-place");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("checkout-done")).toBeVisible();
  expect(await sql`select from orders where user_id = ${user.id}`).toHaveLength(1);
});
