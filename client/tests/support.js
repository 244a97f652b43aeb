/** What the tests share. */
import { createClient } from "../src/index.js";
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
  const { url, WebSocket, EventSource } = server;
  const client = createClient({ url, WebSocket, EventSource, transport: "websocket", ...options });
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
