/** What the tests share. */
import { createClient } from "../src/index.js";
// Loaded before it is needed, because a module takes time while the clock stands still.
import "../src/core/events.js";
import { createMockServer } from "../src/testing/index.js";

/** Lets everything happen that needs no time: frames on their way, and what they cause. */
export async function turn() {
  for (let each = 0; each < 5; each++) await new Promise(setImmediate);
}

/**
 * A server, and a client of it; time stands still until `pass`.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("../src/types.js").ClientOptions} [options]
 * @param {import("../src/testing/index.js").MockServerOptions} [serverOptions]
 */
export function setUp(t, options, serverOptions) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const server = createMockServer(serverOptions);
  const { url, WebSocket, EventSource, fetch } = server;
  const client = createClient({ url, WebSocket, EventSource, fetch, transport: "websocket", spread: 500, ...options });
  t.after(() => client.destroy());
  /** @type {Error[]} */
  const errors = [];
  client.on("error", (error) => errors.push(error));
  return { server, client, errors, pass: pass(t) };
}

/** Lets time pass, and what happens in it happen. @param {import("node:test").TestContext} t */
export const pass = (t) => async (ms = 0) => {
  await turn();
  for (let left = ms; left > 0; left -= 50) {
    t.mock.timers.tick(Math.min(left, 50));
    await turn();
  }
};

/** Frames of a type that clients sent. */
export const sent = (server, type) => server.frames.filter((frame) => frame.type === type);

/**
 * A page: what the browser tells of itself.
 *
 * @param {import("node:test").TestContext} t
 */
export function fakePage(t) {
  const window = new EventTarget();
  const listeners = new Map();
  const watched = (target) => ({
    addEventListener(name, listener) {
      listeners.set(listener, name);
      target.addEventListener(name, listener);
    },
    removeEventListener(name, listener) {
      listeners.delete(listener);
      target.removeEventListener(name, listener);
    },
  });
  const page = { visibilityState: "visible", onLine: true };
  const document = { get visibilityState() { return page.visibilityState; } };
  const fakes = { document, navigator: { get onLine() { return page.onLine; } }, ...watched(window) };
  for (const [name, value] of Object.entries(fakes)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => Object.keys(fakes).forEach((name) => delete globalThis[name]));
  return {
    listeners,
    show(visibilityState) {
      page.visibilityState = visibilityState;
      window.dispatchEvent(new Event("visibilitychange"));
    },
    online(onLine) {
      page.onLine = onLine;
      window.dispatchEvent(new Event(onLine ? "online" : "offline"));
    },
    // What a document is told passes its window first.
    tell: (name, persisted) => window.dispatchEvent(Object.assign(new Event(name), { persisted })),
  };
}
