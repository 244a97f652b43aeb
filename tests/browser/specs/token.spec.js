// Who may hear what: a daemon that asks for tokens, and pages of people who are signed in.

import { becomes, status } from "../support/live.js";
import { Proxy } from "../support/proxy.js";
import { Site } from "../support/site.js";
import { order } from "../support/store.js";
import { expect, test } from "../support/test.js";
import { overhear } from "../support/wire.js";

/** Opens a page that shows tokens of `issue(reason)`, and joins these rooms. */
async function open(page, site, { daemon, ws = daemon.ws, issue, rooms, options = {} }) {
  await page.exposeFunction("issue", issue);
  await page.goto(site.page("private", { ws, options: JSON.stringify(options) }));
  await page.evaluate((rooms) => rooms.forEach(join), rooms);
}

const room = (page, name) => page.evaluate((name) => client.getRoom(name), name);
const roomBecomes = (page, name, wanted) => expect.poll(() => room(page, name)).toMatchObject(wanted);
const seen = (page) => page.evaluate(() => seen);

/** The orders that a page was told of, each as often as it was told. */
const orders = async (page) =>
  (await seen(page)).notices.flatMap(({ changes = [] }) => changes.flatMap(({ entity, id }) => (entity === "order" ? id : [])));

/** Waits until a page was told of exactly these orders. */
const hears = (page, placed) => expect.poll(async () => [...new Set(await orders(page))].sort()).toEqual(placed.map(({ id }) => id).sort());

/** Places orders of a user, one after the other, until something is so. */
async function orderUntil(sql, user, isSo) {
  const placed = [];
  await expect
    .poll(async () => {
      placed.push(await order(sql, { user }));
      return isSo();
    }, { intervals: [100], timeout: 30_000 })
    .toBe(true);
  return placed;
}

test("a page hears of its own room, and is told that another's is not for it", async ({ page, site, guarded, sql, make }) => {
  const [ada, ben] = [await make.user(), await make.user()];
  const [own, other] = [`user:${ada.id}`, `user:${ben.id}`];
  await open(page, site, { daemon: guarded.daemon, issue: () => guarded.token(ada.id), rooms: [own, other] });
  await roomBecomes(page, own, { state: "live" });
  await roomBecomes(page, other, { state: "denied", code: "forbidden" });
  expect((await seen(page)).errors).toEqual([expect.stringContaining(`${other} is denied`)]);
  await order(sql, { user: ben.id });
  await hears(page, [await order(sql, { user: ada.id })]);
  expect(await status(page)).toMatchObject({ state: "connected", live: true });
});

test("a token that is about to expire is renewed within the connection, and nothing is missed", async ({ page, site, guarded, sql, make }) => {
  const ada = await make.user();
  const wire = overhear(page);
  const issue = (reason) => guarded.token(ada.id, { expires: reason === "connect" ? "4s" : "1h" });
  await open(page, site, { daemon: guarded.daemon, issue, rooms: [`user:${ada.id}`] });
  await roomBecomes(page, `user:${ada.id}`, { state: "live" });
  const over = Date.now() + 4500;
  const placed = await orderUntil(sql, ada.id, () => Date.now() > over);
  await hears(page, placed);
  expect(await orders(page)).toHaveLength(placed.length);
  const { reasons, closes, errors } = await seen(page);
  expect({ reasons, closes, errors }).toEqual({ reasons: ["connect", "expiring"], closes: [], errors: [] });
  expect([wire.sockets, wire.open, wire.heard("authenticated").length, wire.heard("goodbye")]).toEqual([1, 1, 2, []]);
});

test("a token that is not renewed ends the connection with 4200, and the next one is asked for", async ({ page, site, guarded, sql, make }) => {
  const ada = await make.user();
  const issue = (reason) => (reason === "expiring" ? null : guarded.token(ada.id, { expires: reason === "connect" ? "3s" : "1h" }));
  await open(page, site, { daemon: guarded.daemon, issue, rooms: [`user:${ada.id}`] });
  await roomBecomes(page, `user:${ada.id}`, { state: "live" });
  const placed = await orderUntil(sql, ada.id, async () => (await seen(page)).reasons.includes("expired"));
  await hears(page, placed);
  await becomes(page, { state: "connected", live: true });
  expect(await seen(page)).toMatchObject({ reasons: ["connect", "expiring", "expired"], closes: [4200] });
});

test("a token that comes too late leads to a newer one, and to the rooms that were asked for with it", async ({ page, site, guarded, make }) => {
  const ada = await make.user();
  const issue = (reason) => guarded.token(ada.id, { claims: reason === "connect" ? { exp: 1000 } : {} });
  await open(page, site, { daemon: guarded.daemon, issue, rooms: [`user:${ada.id}`] });
  await roomBecomes(page, `user:${ada.id}`, { state: "live" });
  expect(await seen(page)).toMatchObject({ reasons: ["connect", "expired"], closes: [4200] });
});

for (const [who, issue, why] of [
  ["whoever shows a token that means nothing", () => "a.b.c", "unauthorized"],
  ["whoever is refused a token", () => "refused", "the session is over"],
]) {
  test(`${who} is closed for good and does not try again`, async ({ page, site, guarded }) => {
    const wire = overhear(page);
    await open(page, site, { daemon: guarded.daemon, issue, rooms: ["product:1"] });
    await becomes(page, { state: "closed", code: 4000, reason: why });
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await becomes(page, { state: "closed", code: 4000 });
    expect((await seen(page)).reasons).toEqual(["connect"]);
    await expect.poll(() => wire.open).toBe(0);
  });
}

for (const transport of ["websocket", "sse"]) {
  test(`a page whose room is revoked in SQL hears nothing more of it, and says so (${transport})`, async ({ page, site, guarded, sql, make }) => {
    const ada = await make.user();
    const issue = () => guarded.token(ada.id, { claims: { stores: [1] } });
    const rooms = [`user:${ada.id}`, "shop_1"];
    await open(page, site, { daemon: guarded.daemon, issue, rooms, options: { transport } });
    for (const name of rooms) await roomBecomes(page, name, { state: "live" });
    await sql`select pgbell.revoke(${ada.id}::text, ${rooms[0]})`;
    await order(sql, { user: ada.id });
    await roomBecomes(page, rooms[0], { state: "revoked", code: "forbidden" });
    // The order is the shop's as well: by the time that it is told there, it would have been told here.
    await expect.poll(async () => (await seen(page)).notices.filter(({ room, changes }) => room === "shop_1" && changes).length).toBe(1);
    const { notices, errors } = await seen(page);
    expect(notices.filter(({ room, changes }) => room === rooms[0] && changes)).toEqual([]);
    expect(errors).toEqual([expect.stringContaining(`${rooms[0]} is revoked`)]);
  });

  test(`a page whose user is revoked in SQL is closed for good with 4005 (${transport})`, async ({ page, site, guarded, sql, make }) => {
    const ada = await make.user();
    await open(page, site, { daemon: guarded.daemon, issue: () => guarded.token(ada.id), rooms: [`user:${ada.id}`], options: { transport } });
    await roomBecomes(page, `user:${ada.id}`, { state: "live" });
    await sql`select pgbell.revoke(${ada.id}::text)`;
    await order(sql, { user: ada.id });
    await becomes(page, { state: "closed", code: 4005, reason: "revoked", live: false });
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await becomes(page, { state: "closed", code: 4005 });
    expect([await orders(page), (await seen(page)).reasons]).toEqual([[], ["connect"]]);
  });

  test(`switching users drops everything of the first (${transport})`, async ({ page, site, guarded, sql, make }) => {
    const [ada, ben] = [await make.user(), await make.user()];
    let user = ada;
    const wire = overhear(page);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await open(page, site, { daemon: guarded.daemon, issue: () => guarded.token(user.id), rooms: [`user:${ada.id}`], options: { transport } });
    await roomBecomes(page, `user:${ada.id}`, { state: "live" });
    user = ben;
    const before = asked.length;
    await page.evaluate(([user, room]) => (client.setUser(user), join(room)), [ben.id, `user:${ben.id}`]);
    await roomBecomes(page, `user:${ben.id}`, { state: "live" });
    expect(await room(page, `user:${ada.id}`)).toEqual({ state: "idle" });
    await order(sql, { user: ada.id });
    await hears(page, [await order(sql, { user: ben.id })]);
    await becomes(page, { state: "connected", live: true, user: ben.id });
    const { rooms, since } = wire.said("subscribe").at(-1) ?? { rooms: [`user:${ben.id}`] };
    expect([rooms, since, wire.open]).toEqual([[`user:${ben.id}`], undefined, transport === "sse" ? 0 : 1]);
    expect(asked.slice(before).filter((url) => url.includes(`user:${ada.id}`) || url.includes("since="))).toEqual([]);
    expect((await seen(page)).errors).toEqual([]);
  });
}

test("without upgrades a page hears of its own room by tickets, and no token is in any address", async ({ page, site, guarded, sql, make }) => {
  const ada = await make.user();
  const network = await Proxy.to(guarded.daemon.host);
  network.refuseUpgrades();
  const asked = [];
  page.on("request", (request) => asked.push(`${request.method()} ${request.url()}`));
  page.on("websocket", (socket) => asked.push(socket.url()));
  let expires = "8s";
  const issue = (reason) => guarded.token(ada.id, { expires: reason === "expiring" ? "1h" : expires });
  const rooms = [`user:${ada.id}`, "user:somebody"];
  await open(page, site, { daemon: guarded.daemon, ws: network.ws, issue, rooms });
  await roomBecomes(page, rooms[0], { state: "live" });
  await roomBecomes(page, rooms[1], { state: "denied", code: "forbidden" });
  await becomes(page, { state: "connected", transport: "sse" });
  expires = "1h";
  const streams = () => asked.filter((each) => each.includes("/events?"));
  // The token of the stream runs out meanwhile.
  const placed = await orderUntil(sql, ada.id, () => streams().length === 2);
  await hears(page, placed);
  network.cut();
  placed.push(await order(sql, { user: ada.id }));
  await hears(page, placed);
  // The other room is asked for anew as well, and without a position, so by another stream.
  await expect.poll(() => streams().length).toBe(4);
  await roomBecomes(page, rooms[1], { state: "denied" });
  const { reasons, closes } = await seen(page);
  expect(reasons).toContain("expiring");
  expect(closes).not.toContain(4200);
  const tickets = streams().map((each) => new URL(each.slice(4)).searchParams.get("ticket"));
  expect(new Set(tickets).size).toBe(4);
  expect(asked.filter((each) => each.startsWith("POST ") && each.endsWith("/ticket"))).toHaveLength(4);
  expect(guarded.tokens.length).toBeGreaterThan(2);
  expect(asked.filter((each) => guarded.tokens.some((token) => each.includes(token)))).toEqual([]);
  await network.close();
});

test("a page of an origin that is not listed is refused with 4001, and gives up", async ({ page, guarded, sql }) => {
  const stranger = await Site.start(sql);
  const wire = overhear(page);
  await open(page, stranger, { daemon: guarded.daemon, issue: () => guarded.token("9"), rooms: ["product:1"] });
  await becomes(page, { state: "closed", code: 4001, reason: "origin_forbidden", live: false });
  await expect.poll(() => status(page)).toMatchObject({ lost: true });
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await becomes(page, { state: "closed", code: 4001 });
  expect(wire.sockets).toBe(1);
  await stranger.close();
});
