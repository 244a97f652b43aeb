import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { bindQueryClient } from "../src/query/index.js";
import { createFakeClient } from "./support/fake-client.js";
import { createPage, createServer, fakeDocument, mount } from "./support/page.js";

const RUNS = Number(process.env.RUNS ?? 300);
const STEPS = 60;
const NAMES = ["product:1", "product:2", "product:3"];

/** Small, fast and good enough: mulberry32. */
function createRandom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The page is idle: every promise that can be settled is. */
const idle = () => new Promise((resolve) => setImmediate(resolve));

/** One page, one server and one daemon, and whatever `random` makes of them. */
async function play(seed, isByKeys) {
  const random = createRandom(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  mock.method(Math, "random", random);
  const page = fakeDocument();
  const client = createFakeClient();
  const { control } = client;
  const server = createServer();
  const queryClient = createPage({ staleTime: pick([0, Infinity]) });
  const options = { throttle: () => pick([0, 0, 700]), hidden: pick(["mark", "refetch"]) };
  const keys = { product: ({ id }) => [["product", id]] };
  const unbind = bindQueryClient(client, queryClient, isByKeys ? { ...options, keys } : { ...options, rooms: (key) => key.join(":") });
  const mounted = [];
  const log = [];

  /** How many writes of a room were told; what was not when it went live is replayed, or it goes live as if for the first time. */
  const told = new Map();
  const deliver = (room) => {
    if (client.getRoom(room).state !== "live" || told.get(room) === server.get(room)) return;
    told.set(room, server.get(room));
    random() < 0.8 ? control.change(room) : control.resync(room, pick([0, 2000]));
  };
  const goLive = (room) => {
    if (client.getRoom(room).state !== "joining") return;
    const fresh = !told.has(room) || random() < 0.3;
    if (fresh) told.set(room, server.get(room));
    control.live(room, { fresh });
    deliver(room);
  };

  const steps = {
    mount() {
      const name = pick(NAMES);
      const leave = isByKeys ? client.subscribe(name, null) : () => {};
      mounted.push({ name, leave, ...mount(queryClient, server, name, { refetchOnMount: random() < 0.8 }) });
    },
    unmount() {
      const [one] = mounted.splice(Math.floor(random() * mounted.length), 1);
      one?.unmount();
      one?.leave();
    },
    write: () => server.set(pick(NAMES), `v${server.requests.length}.${random()}`),
    deliver: () => deliver(pick(NAMES)),
    goLive: () => goLive(pick(NAMES)),
    disconnect: () => control.rooms().forEach(control.joining),
    answer: () => pick(server.open())?.answer(),
    fail: () => pick(server.open())?.fail(),
    cancel: () => queryClient.cancelQueries({ queryKey: pick(NAMES).split(":") }),
    refetch: () => queryClient.refetchQueries({ queryKey: pick(NAMES).split(":") }),
    hydrate() {
      const query = queryClient.getQueryCache().find({ queryKey: pick(NAMES).split(":") });
      if (query?.state.data && client.getRoom(query.queryKey.join(":")).state === "live") query.setState({ data: { is: "long ago" }, dataUpdatedAt: Date.now() });
    },
    show: () => page.show(pick(["visible", "hidden"])),
    wait: () => mock.timers.tick(pick([1, 100, 1000])),
  };
  const names = [...Object.keys(steps), "mount", "write", "write", "deliver", "deliver", "goLive", "answer", "answer", "wait"];

  try {
    for (const name of NAMES) server.set(name, "v0");
    for (let step = 0; step < STEPS; step++) {
      const name = pick(names);
      log.push(name);
      steps[name]();
      if (random() < 0.6) await idle();
      // Only a cancelled request stays open beside another one.
      const isCancelled = log.includes("refetch") || log.includes("cancel");
      for (const room of NAMES) assert.ok(isCancelled || server.open().filter((request) => request.name === room).length <= 1, "two fetches at once");
    }
    page.show("visible");
    for (let turn = 0; turn < 20; turn++) {
      NAMES.forEach(goLive);
      NAMES.forEach(deliver);
      await idle();
      server.open().forEach((request) => request.answer());
      await idle();
      mock.timers.tick(2500);
    }
    for (const { name, data, observer } of mounted) {
      // A fetch that failed is on screen as such, and TanStack's to repeat.
      if (observer.getCurrentResult().status !== "error") assert.equal(data(), server.get(name), name);
    }
    assert.equal(server.open().length, 0, "something is fetched for ever");
  } catch (error) {
    throw new Error(`seed ${seed}: after ${log.join(" ")}`, { cause: error });
  } finally {
    unbind();
    queryClient.clear();
    page.restore();
    mock.restoreAll();
    mock.timers.reset();
  }
}

for (const how of ["rooms", "keys"]) {
  test(`whatever happens, what is on screen becomes what the server has, by ${how}`, async () => {
    const first = Number(process.env.SEED ?? 1);
    for (let seed = first; seed < first + RUNS; seed++) await play(seed, how === "keys");
  });
}
