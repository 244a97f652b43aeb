/**
 * The client: rooms and a connection, put together.
 *
 * @import { Client, ClientOptions, Status } from "../types.js"
 */
import { createConnection } from "./connection.js";
import { createEmitter } from "./emitter.js";
import { createLog } from "./log.js";
import { createMember } from "./member.js";
import { createRooms } from "./rooms.js";
import { createStatus } from "./status.js";
import { createTimers } from "./timers.js";
import { address, createTransports } from "./transports.js";

const DEFAULTS = { throttle: 0, batch: 50, linger: 2000, idle: 30_000, lostAfter: 5000, probe: 3000 };
/** Addresses that this page has a connection to, whatever copies of this module it has loaded. */
const PAGE = Symbol.for("pgbell");
const BACKOFF = { min: 500, max: 20_000 };

/**
 * @param {ClientOptions} [given]
 * @returns {Client}
 */
export function createClient(given = {}) {
  /** @type {ClientOptions} */
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = {
    origin: Math.random().toString(36).slice(2),
    ...DEFAULTS,
    ...set,
    backoff: { ...BACKOFF, ...given.backoff },
  };
  const canConnect = Boolean(options.WebSocket ?? globalThis.WebSocket);
  const log = createLog(options.debug);
  const timers = createTimers();
  const emitter = createEmitter();
  const status = createStatus(options.lostAfter, emitter, timers);
  const rooms = createRooms(options, emitter, timers, onChange);
  const transports = createTransports(options, timers, () => connection.reopen());
  let isDestroyed = false;
  let isNeeded = false;
  let isRegistered = false;
  let unregister = () => false;

  const connection = createConnection({
    options,
    timers,
    transports,
    log,
    fail: emitter.fail,
    onOpen: rooms.attach,
    onDown: rooms.detach,
    setStatus(patch) {
      log("status", patch);
      status.set({ ...patch, live: isLive({ ...status.get(), ...patch }) });
    },
    onMessage(message) {
      if (message.type === "welcome") rooms.limit(message.limits);
      if (message.type === "stale") status.set({ stale: true, live: false });
      rooms.receive(message);
      if (message.type === "fresh") status.set({ stale: false });
      onChange();
    },
  });

  /** @param {Status} known */
  const isLive = ({ state, stale }) => state === "connected" && !stale && rooms.isSettled();

  function onChange() {
    if (isDestroyed) return;
    if (rooms.isSettled()) connection.settled();
    status.set({ live: isLive(status.get()) });
    if (isNeeded === rooms.size() > 0) return;
    isNeeded = !isNeeded;
    if (isNeeded) register();
    connection.need(isNeeded);
  }

  /** Most pages that have two clients make one in each component that uses it. */
  function register() {
    if (isRegistered || !globalThis.document) return;
    isRegistered = true;
    /** @type {Set<string>} */
    const addresses = (/** @type {any} */ (globalThis)[PAGE] ??= new Set());
    const { href } = address(options);
    if (addresses.has(href)) emitter.fail(new Error(`a second client for ${href}: make one, outside of components`));
    addresses.add(href);
    unregister = () => addresses.delete(href);
  }

  /** @type {Client["subscribe"]} */
  function subscribe(names, listener, { throttle = options.throttle, since, initial, signal } = {}) {
    if (!canConnect || isDestroyed || signal?.aborted) return () => {};
    const ends = [names].flat().map((name) => {
      const member = createMember(listener, throttle, Boolean(initial), timers, emitter.fail);
      return rooms.join(name, member, since);
    });
    const end = () => {
      signal?.removeEventListener("abort", end);
      ends.splice(0).forEach((end) => end());
    };
    signal?.addEventListener("abort", end);
    return end;
  }

  /** @type {Client["ready"]} */
  async function ready(room, { signal } = {}) {
    if (!canConnect) return;
    signal?.throwIfAborted();
    const end = subscribe(room);
    /** @type {Promise<never>} */
    const aborted = new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    try {
      await Promise.race([rooms.live(room), aborted]);
    } finally {
      end();
    }
  }

  return {
    origin: options.origin,
    subscribe,
    ready,
    sync: async (names) => rooms.sync(names),
    getRoom: rooms.state,
    getStatus: status.get,
    onStatusChange: (listener) => emitter.on("status", () => listener()),
    on: emitter.on,

    connect() {
      if (canConnect && !isDestroyed) connection.connect();
    },

    disconnect() {
      if (canConnect && !isDestroyed) connection.disconnect();
    },

    setUser(user) {
      if (user === status.get().user || isDestroyed) return;
      isNeeded = false;
      connection.reset();
      rooms.clear();
      status.set({ user });
      emitter.emit("user", user);
    },

    destroy() {
      if (isDestroyed) return;
      unregister();
      connection.destroy();
      transports.end();
      rooms.clear();
      isDestroyed = true;
      timers.clearAll();
      emitter.clear();
    },
  };
}
