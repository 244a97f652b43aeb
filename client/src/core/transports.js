/**
 * Which way messages come: by WebSocket, or where these do not get through, by server-sent events.
 *
 * @import { ClientOptions } from "../types.js"
 * @import { Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { openWebSocket } from "./websocket.js";

/** @typedef {ReturnType<typeof createTransports>} Transports */

/** WebSockets that fail, in a row and before any was welcomed, before another way is tried. */
const MOST_FAILURES = 2;
/** How often WebSockets are tried again. */
const TRIAL_MS = 300_000;

/** Where the daemon is, as far as this page knows. @param {ClientOptions} options */
export function address({ url = "/ws" }) {
  const found = new URL(url, globalThis.location?.href);
  found.protocol = found.protocol.replace("http", "ws");
  return found;
}

/**
 * @param {ClientOptions} options
 * @param {Timers} timers
 * @param {() => void} reopen WebSockets get through by now
 */
export function createTransports(options, timers, reopen) {
  const { transport = "auto", EventSource = globalThis.EventSource } = options;
  // A stream has no way to send a token.
  const hasEvents = transport !== "websocket" && EventSource && !options.getToken;
  let isEvents = hasEvents && transport === "sse";
  let failures = 0;
  /** Most pages never need it. @type {typeof import("./events.js") | undefined} */
  let events;
  /** @type {Link | undefined} */
  let trial;
  const timer = timers.create();

  /** @param {Ears} ears */
  const socket = (ears) => openWebSocket(address(options).href, options.WebSocket ?? globalThis.WebSocket, ears);

  function end() {
    timer.clear();
    trial?.close();
    trial = undefined;
  }

  /** Finds out beside the stream whether WebSockets get through. */
  function tryWebSocket() {
    end();
    if (!isEvents || transport === "sse") return;
    timer.set(tryWebSocket, TRIAL_MS);
    trial = socket({
      open() {},
      message() {
        isEvents = false;
        reopen();
      },
      close: () => (trial = undefined),
    });
  }

  return {
    end,
    wake: tryWebSocket,
    /** @returns {"sse" | "websocket"} */
    kind: () => (isEvents ? "sse" : "websocket"),

    /** Before each `open`. A bundler makes a file of its own of this; the path has to be literal for that. */
    async load() {
      if (isEvents) events ??= await import("./events.js");
    },

    /** @param {Ears} ears @returns {Link} */
    open: (ears) => (isEvents && events ? events.openEvents(address(options), EventSource, timers, ears) : socket(ears)),

    welcomed() {
      if (isEvents) timer.set(tryWebSocket, TRIAL_MS);
      else failures = -Infinity;
    },

    /** @param {boolean} hadWelcome */
    lost(hadWelcome) {
      end();
      if (!hasEvents || transport === "sse" || hadWelcome) return;
      failures = isEvents ? 0 : failures + 1;
      isEvents = failures >= MOST_FAILURES;
    },
  };
}
