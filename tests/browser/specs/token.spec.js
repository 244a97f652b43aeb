// Tokens, beside the mock server in the page: this daemon does not know any.

import { becomes } from "../support/live.js";
import { expect, test } from "../support/test.js";

test("a token that is about to expire is renewed within the connection", async ({ page, site }) => {
  await page.goto(site.page("token"));
  await becomes(page, { state: "connected", live: true });
  expect(await page.evaluate(() => tokens)).toEqual(["connect"]);
  await page.evaluate(() => server.expireToken());
  await expect.poll(() => page.evaluate(() => tokens)).toEqual(["connect", "expiring"]);
  await expect.poll(() => page.evaluate(() => server.frames.filter(({ type }) => type === "auth").length)).toBe(2);
  await page.evaluate(() => server.emit("order:7"));
  await expect.poll(() => page.evaluate(() => notices.length)).toBe(1);
  expect(await page.evaluate(() => server.attempts)).toBe(1);
});

test("whoever is refused a token is closed for good and does not try again", async ({ page, site }) => {
  await page.goto(site.page("token"));
  await becomes(page, { state: "connected", live: true });
  await page.evaluate(() => {
    window.refused = true;
    server.expireToken();
  });
  await becomes(page, { state: "closed", code: 4000 });
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await becomes(page, { state: "closed" });
  expect(await page.evaluate(() => server.attempts)).toBe(1);
});
