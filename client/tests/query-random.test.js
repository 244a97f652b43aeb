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
async function play(seed, how) {
  const isByKeys = how === "keys";
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
  const cursor = how === "rooms and cursors" ? (query) => query.state.data?.cursor : undefined;
  const unbind = bindQueryClient(client, queryClient, isByKeys ? { ...options, keys } : { ...options, cursor, rooms: (key) => key.join(":") });
  const mounted = [];
  const log = [];
  let position = 0;
  let users = 0;

  /** Every value that a room had for this user, with its position. */
  const history = new Map();
  const write = (room) => {
    const value = `v${++position}`;
    server.set(room, value);
    history.set(room, [...(history.get(room) ?? []), { is: value, cursor: position }]);
  };
  const read = async (name) => {
    const cursor = position;
    return { ...(await server.fetch(name)), cursor };
  };

  /** How many writes of a room were told; what was not when it went live is replayed, or it goes live as if for the first time. */
  const told = new Map();
  const deliver = (room) => {
    if (client.getRoom(room).state !== "live" || told.get(room) === server.get(room)) return;
    told.set(room, server.get(room));
    random() < 0.8 ? control.change(room) : control.resync(room, pick([0, 2000]));
  };
  const answered = new Set();
  /** Whoever joined with a position is told what came since, if need be alone. */
  const answer = (room) => {
    if (client.getRoom(room).state !== "live") return;
    for (const member of control.members(room)) {
      if (answered.has(member) || !member.options.since) continue;
      answered.add(member);
      if (member.options.since >= history.get(room).at(-1).cursor) continue;
      random() < 0.5 ? control.change(room) : member.listener({ type: "resync", room, reason: "unproven", spreadMs: pick([0, 2000]) });
    }
  };
  const goLive = (room) => {
    if (client.getRoom(room).state !== "joining") return;
    const fresh = !told.has(room) || random() < 0.3;
    if (fresh) {
      told.set(room, server.get(room));
      for (const member of control.members(room)) answered.delete(member);
    }
    control.live(room, { fresh });
    deliver(room);
  };

  const steps = {
    mount() {
      const name = pick(NAMES);
      const leave = isByKeys ? client.subscribe(name, null) : () => {};
      mounted.push({ name, leave, ...mount(queryClient, server, name, { refetchOnMount: random() < 0.8, queryFn: () => read(name) }) });
    },
    unmount() {
      const [one] = mounted.splice(Math.floor(random() * mounted.length), 1);
      one?.unmount();
      one?.leave();
    },
    write: () => write(pick(NAMES)),
    deliver: () => deliver(pick(NAMES)),
    goLive: () => goLive(pick(NAMES)),
    disconnect: () => control.rooms().forEach(control.joining),
    answer: () => pick(server.open())?.answer(),
    fail: () => pick(server.open())?.fail(),
    cancel: () => queryClient.cancelQueries({ queryKey: pick(NAMES).split(":") }),
    refetch: () => queryClient.refetchQueries({ queryKey: pick(NAMES).split(":") }),
    hydrate() {
      const name = pick(NAMES);
      const query = queryClient.getQueryCache().find({ queryKey: name.split(":") });
      if (query?.state.data) query.setState({ data: pick(history.get(name)), dataUpdatedAt: Date.now() });
    },
    reset: () => queryClient.resetQueries({ queryKey: pick(NAMES).split(":") }),
    remove() {
      const name = pick(NAMES);
      if (!mounted.some((one) => one.name === name)) queryClient.removeQueries({ queryKey: name.split(":") });
    },
    /** Everything looks different to somebody else. */
    user() {
      if (random() < 0.7) return;
      told.clear();
      history.clear();
      NAMES.forEach(write);
      control.user(`user ${++users}`);
      if (isByKeys) for (const one of mounted) one.leave = client.subscribe(one.name, null);
    },
    respond: () => answer(pick(NAMES)),
    show: () => page.show(pick(["visible", "hidden"])),
    wait: () => mock.timers.tick(pick([1, 100, 1000])),
  };
  const names = [...Object.keys(steps), "mount", "write", "write", "deliver", "deliver", "goLive", "answer", "answer", "wait"];

  try {
    NAMES.forEach(write);
    for (let step = 0; step < STEPS; step++) {
      const name = pick(names);
      log.push(name);
      steps[name]();
      if (random() < 0.6) await idle();
      // Only a cancelled request stays open beside another one.
      const isCancelled = ["refetch", "cancel", "reset"].some((name) => log.includes(name));
      for (const room of NAMES) assert.ok(isCancelled || server.open().filter((request) => request.name === room).length <= 1, "two fetches at once");
    }
    page.show("visible");
    for (let turn = 0; turn < 20; turn++) {
      NAMES.forEach(goLive);
      NAMES.forEach(deliver);
      NAMES.forEach(answer);
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

for (const how of ["rooms", "rooms and cursors", "keys"]) {
  test(`whatever happens, what is on screen becomes what the server has, by ${how}`, async () => {
    const first = Number(process.env.SEED ?? 1);
    for (let seed = first; seed < first + RUNS; seed++) await play(seed, how);
  });
}
