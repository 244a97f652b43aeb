/**
 * The client: rooms and a connection, put together.
 *
 * @import { Client, ClientOptions } from "../types.js"
 */
import { createConnection } from "./connection.js";
import { createEmitter } from "./emitter.js";
import { createLog } from "./log.js";
import { createMember } from "./member.js";
import { createRooms } from "./rooms.js";
import { createStatus } from "./status.js";
import { createTimers } from "./timers.js";
import { address, createTransports } from "./transports.js";

/** What the app leaves open. */
const defaults = () => ({
  url: "/ws",
  throttle: 0,
  batch: 50,
  linger: 2000,
  idle: 30_000,
  lostAfter: 5000,
  probe: 3000,
  spread: 8000,
  backoff: /** @type {{min?: number, max?: number}} */ ({}),
  transport: /** @type {ClientOptions["transport"]} */ ("auto"),
  origin: Math.random().toString(36).slice(2),
  WebSocket: globalThis.WebSocket,
  EventSource: globalThis.EventSource,
});

/** @typedef {ClientOptions & ReturnType<typeof defaults>} Options */

/** Addresses that this page has a client for, whatever copies of this module it has loaded. */
const PAGE = Symbol.for("pgbell");

/**
 * @param {ClientOptions} [given]
 * @returns {Client}
 */
export function createClient(given = {}) {
  const options = /** @type {Options} */ ({ ...given });
  for (const [name, value] of Object.entries(defaults())) /** @type {any} */ (options)[name] ??= value;
  /** Not where there is no browser, and not once destroyed. */
  let isAlive = !!options.WebSocket;
  let isStale = false;
  /** @type {(() => void) | undefined} */
  let unregister;
  const log = createLog(options.debug);
  const timers = createTimers();
  const emitter = createEmitter();
  const status = createStatus(options.lostAfter, emitter, timers);
  const rooms = createRooms(options, emitter, timers, onChange);
  const transports = createTransports(options, timers, () => connection.reopen());
  const connection = createConnection(options, transports, {
    log,
    error: emitter.fail,
    open: rooms.attach,
    down() {
      isStale = false;
      rooms.detach();
    },
    status(patch) {
      log("status", patch);
      show(patch);
    },
    message(message) {
      const { type } = message;
      if (type === "stale" || type === "fresh") isStale = type === "stale";
      rooms.receive(message);
    },
  });

  /** @param {Partial<import("../types.js").Status>} [patch] with the state, if there is one */
  function show(patch) {
    const { state } = patch ?? status.get();
    status.set({ ...patch, stale: isStale, live: state === "connected" && !isStale && rooms.isSettled() });
  }

  function onChange() {
    if (!isAlive) return;
    if (rooms.isSettled()) connection.settled();
    show();
    if (rooms.size()) register();
    connection.need(rooms.size() > 0);
  }

  /** Most pages that have two clients make one in each component that uses it. */
  function register() {
    if (unregister || !globalThis.document) return;
    /** @type {Set<string>} */
    const taken = (/** @type {any} */ (globalThis)[PAGE] ??= new Set());
    const { href } = address(options);
    if (taken.has(href)) emitter.fail(new Error(`a second client for ${href}: make one, outside of components`));
    taken.add(href);
    unregister = () => taken.delete(href);
  }

  /** @type {Client["subscribe"]} */
  function subscribe(names, listener, { throttle = options.throttle, since, initial, signal } = {}) {
    if (!isAlive || signal?.aborted) return () => {};
    const ends = [names].flat().map((name) => rooms.join(name, createMember(listener, throttle, initial, timers, emitter.fail), since));
    const end = () => {
      signal?.removeEventListener("abort", end);
      for (const end of ends.splice(0)) end();
    };
    signal?.addEventListener("abort", end);
    return end;
  }

  /** @type {Client["ready"]} */
  async function ready(room, { signal } = {}) {
    if (!isAlive) return;
    const end = subscribe(room, null, { signal });
    await rooms.live(room, signal).finally(end);
  }

  return {
    origin: options.origin,
    subscribe,
    ready,
    sync: rooms.sync,
    getRoom: rooms.state,
    getStatus: status.get,
    onStatusChange: (listener) => emitter.on("status", () => listener()),
    on: emitter.on,
    connect: () => isAlive && connection.connect(),
    disconnect: () => isAlive && connection.disconnect(),

    setUser(user) {
      if (!isAlive || user === status.get().user) return;
      connection.reset();
      rooms.clear();
      status.set({ user });
      emitter.emit("user", user);
    },

    destroy() {
      if (!isAlive) return;
      unregister?.();
      connection.destroy();
      rooms.clear();
      isAlive = false;
      timers.clearAll();
      emitter.clear();
    },
  };
}
