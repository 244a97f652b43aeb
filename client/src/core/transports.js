/**
 * Which way messages come: by WebSocket, or where these do not get through, by server-sent events.
 *
 * @import { ClientOptions } from "../types.js"
 * @import { Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { openWebSocket } from "./websocket.js";

/** @typedef {ReturnType<typeof createTransports>} Transports */

/** Where the daemon is, as far as this page knows. @param {ClientOptions} options */
export function address({ url = "/ws" }) {
  const found = new URL(url, globalThis.location?.href);
  found.protocol = found.protocol.replace("http", "ws");
  return found;
}

/**
 * @param {ClientOptions} options
 * @param {Timers} timers
 */
export function createTransports(options, timers) {
  return {
    /** @param {Ears} ears @returns {Link} */
    open(ears) {
      const WebSocket = options.WebSocket ?? globalThis.WebSocket;
      return openWebSocket(address(options).href, WebSocket, ears);
    },
    /** @returns {"websocket" | "sse"} */
    kind: () => "websocket",
    welcomed() {},
    /** @param {boolean} hadWelcome */
    lost(hadWelcome) {},
    wake() {},
  };
}
