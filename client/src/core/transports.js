/**
 * Which way messages come: by WebSocket, or where these do not get through, by server-sent events.
 *
 * @import { Options } from "./client.js"
 * @import { Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { openWebSocket } from "./websocket.js";

/** @typedef {ReturnType<typeof createTransports>} Transports */

/** WebSockets that fail, in a row and before any was welcomed, before another way is tried. */
const MOST_FAILURES = 2;
/** Where the daemon is, as far as this page knows. @param {Options} options */
export function address({ url }) {
  const found = new URL(url, globalThis.location?.href);
  found.protocol = found.protocol.replace("http", "ws");
  return found;
}

/**
 * @param {Options} options
 * @param {Timers} timers
 * @param {() => void} reopen WebSockets get through by now
 */
export function createTransports(options, timers, reopen) {
  const { transport } = options;
  let hasEvents = transport !== "websocket" && !!options.EventSource;
  let isEvents = hasEvents && transport === "sse";
  let failures = 0;
  /** Most pages never need it. @type {typeof import("./events.js") | undefined} */
  let events;

  /** @param {Ears} ears */
  const socket = (ears) => openWebSocket(address(options).href, options.WebSocket, ears);

  function leaveEvents() {
    isEvents = false;
    reopen();
  }

  return {
    /** @returns {"sse" | "websocket"} */
    kind: () => (isEvents ? "sse" : "websocket"),

    /** Before each `open`. A bundler makes a file of its own of this; the path has to be literal for that. */
    async load() {
      if (isEvents) events ??= await import("./events.js");
    },

    /** @param {Ears} ears @returns {Link} */
    open(ears) {
      if (!isEvents || !events) return socket(ears);
      return events.openEvents(address(options), options, timers, ears, socket, leaveEvents);
    },

    /** @param {boolean} hadWelcome */
    lost(hadWelcome) {
      // Where a WebSocket got through once, it does again.
      if (hadWelcome) hasEvents &&= isEvents;
      else if (hasEvents && transport === "auto") {
        failures = isEvents ? 0 : failures + 1;
        isEvents = failures >= MOST_FAILURES;
      }
    },
  };
}
