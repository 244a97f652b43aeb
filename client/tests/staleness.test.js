/** The promise, against a small model of an app: whatever happens, what it shows is current, or a notice says otherwise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setUp } from "./support.js";

const ROOMS = ["a:1", "a:2", "a:3", "a:4", "a:5"];
const RUNS = Number(process.env.RUNS ?? 40);
const STEPS = 120;

function randomFrom(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 4294967296;
  };
}

/** A database, and an app that keeps what it fetched, also of what it does not show at the moment. */
function createApp(client, pick) {
  const rows = new Map(ROOMS.map((room) => [room, 0]));
  const cache = new Map();
  const shown = new Map();
  const fetch = (room) => cache.set(room, rows.get(room));
  return {
    rows,
    cache,
    shown,
    mount(room, options) {
      const isCached = cache.has(room);
      const listener = () => fetch(room);
      // What is not cached is fetched when the room is live; what is, is trusted.
      const end = client.subscribe(room, listener, { ...options, initial: !isCached });
      shown.set(room, [...(shown.get(room) ?? []), end]);
    },
    /** Data of a page that was made elsewhere, with the cursor it was read at. */
    mountWith(room, cursor, value, options) {
      if (shown.get(room)?.length) return;
      cache.set(room, value);
      const end = client.subscribe(room, () => fetch(room), { ...options, since: cursor });
      shown.set(room, [...(shown.get(room) ?? []), end]);
    },
    unmount(room) {
      const ends = shown.get(room) ?? [];
      if (!ends.length) return;
      ends.splice(Math.floor(pick() * ends.length), 1)[0]();
    },
    unmountAll: (room) => (shown.get(room) ?? []).splice(0).forEach((end) => end()),
  };
}

for (const [how, transport, hasToken] of [["websocket", "websocket"], ["websocket with tokens", "websocket", true], ["sse", "sse"], ["sse with tickets", "sse", true]]) {
  test(`nothing shown is stale in the end, by ${how}`, async (t) => {
    const first = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
    t.diagnostic(`SEED=${first}`);
    for (let run = 0; run < RUNS; run++) {
      const seed = first + run;
      await t.test(`seed ${seed}`, async (t) => {
        const random = randomFrom(seed);
        t.mock.method(Math, "random", randomFrom(seed + 1e9));
        const { server, client, pass, errors } = setUp(t, { transport, getToken: hasToken && (({ reason }) => (reason === "expiring" && random() < 0.3 ? null : `ada ${reason}`)), linger: random() < 0.5 ? 300 : 2000, idle: 3000 }, { limits: { rooms_per_message: transport === "websocket" && random() < 0.5 ? 1 : 1000 } });
        const app = createApp(client, random);
        const room = () => ROOMS[Math.floor(random() * ROOMS.length)];
        const pace = () => ({ throttle: [0, 0, 200, 1000][Math.floor(random() * 4)] });
        /** Pages made elsewhere, some time ago. */
        const pages = [];
        const steps = [
          [30, () => { const name = room(); app.rows.set(name, app.rows.get(name) + 1); server.emit(name); }],
          [10, () => app.mount(room(), pace())],
          [6, () => app.unmount(room())],
          [6, () => app.unmountAll(room())],
          [2, () => { const name = room(); pages.push([name, server.cursor, app.rows.get(name)]); }],
          [2, () => pages.length && app.mountWith(...pages.shift(), pace())],
          [6, () => server.drop()],
          [2, () => server.silence()],
          [2, () => server.refuse(1 + Math.floor(random() * 3), transport)],
          [1, () => server.goodbye(4201, random() * 1000)],
          [hasToken ? 3 : 0, () => server.expireToken(random() * 5000)],
          [hasToken ? 2 : 0, () => server.refuse(1 + Math.floor(random() * 2), "ticket")],
          [1, () => server.resync("*", "bulk", 100)],
          [1, () => server.forget()],
          [1, () => server.restart()],
          [1, () => { client.disconnect(); client.connect(); }],
          [1, () => void client.sync()],
          [30, () => pass(random() * 200)],
          [10, () => pass(random() * 3000)],
        ];
        const total = steps.reduce((sum, [weight]) => sum + weight, 0);
        for (let step = 0; step < STEPS; step++) {
          let at = random() * total;
          await steps.find(([weight]) => (at -= weight) < 0)[1]();
        }
        server.refuse(0, transport);
        server.refuse(0, "ticket");
        // Whatever was left is shown again; some of it while the connection may still be away.
        for (const name of ROOMS) app.mount(name, { throttle: 0 });
        await pass(60_000);
        assert.equal(client.getStatus().live, true, JSON.stringify(client.getStatus()));
        assert.deepEqual(Object.fromEntries(app.cache), Object.fromEntries(app.rows));
        assert.deepEqual([...server.rooms.keys()].sort(), ROOMS);
        assert.deepEqual(errors, []);
      });
    }
  });
}
