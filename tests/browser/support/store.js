// The storefront, as tests use it.

import { expect } from "./test.js";

/** Opens it at a route ("#/cart") as somebody ("customer:1"), by another way to the daemon if one is given. */
export async function visit(page, demo, route, { as = "customer:1", ws } = {}) {
  const told = new URLSearchParams({ as, ...(ws && { ws }) });
  await page.goto(`${demo.shop}/?${told}${route}`);
  await isLive(page);
}

export const isLive = (page) => expect(page.getByTestId("live-badge")).toHaveAttribute("data-live", "true");

/** The card of a product in the list, found by its name. */
export async function card(page, { id, name }) {
  await page.getByTestId("search").fill(name);
  const found = page.getByTestId(`card-${id}`);
  await expect(found).toHaveAttribute("data-room-state", "live");
  return found;
}

/** The line of a product, in the cart ("cart") or the checkout ("checkout"). */
export const line = (page, view, { id }) => page.locator(`[data-testid^="${view}-line-"][data-product="${id}"]`);

/** Puts a product into somebody's cart, as another device of theirs would. */
export async function put(demo, user, product, quantity = 1) {
  const body = JSON.stringify({ product_id: Number(product.id), quantity });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${demo.shop}/api/cart?user=${user.id}`, { method: "POST", headers, body });
  expect(answer.ok, await answer.text()).toBe(true);
}

/** Counts the page's requests of its API whose path and query match. */
export function requests(page, pattern) {
  const counter = { count: 0 };
  page.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (pattern.test(pathname + search)) counter.count += 1;
  });
  return counter;
}

/** An order as a shop's own software would write it: straight into the table. */
export async function order(sql, { user = 1, seller = 1, total = 30, status = "pending" } = {}) {
  const [row] = await sql`
    insert into orders (order_number, user_id, seller_id, store_id, status, total)
    select 'T-' || gen_random_uuid(), ${user}, id, store_id, ${status}, ${total} from sellers where id = ${seller}
    returning id, order_number`;
  return row;
}
