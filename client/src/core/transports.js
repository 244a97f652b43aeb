/**
 * Which way messages come: by WebSocket, or where these do not get through, by server-sent events.
 *
 * @import { ClientOptions } from "../types.js"
 * @import { Timer, Timers } from "./timers.js"
 * @import { Ears, Link } from "./websocket.js"
 */
import { openEvents } from "./events.js";
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
  const { transport = "auto", getToken, EventSource = globalThis.EventSource } = options;
  // A stream has no way to send a token.
  const hasEvents = transport !== "websocket" && EventSource && !getToken;
  /** @type {"websocket" | "sse"} */
  let kind = hasEvents && transport === "sse" ? "sse" : "websocket";
  let failures = 0;
  /** @type {Link | undefined} */
  let trial;
  /** @type {Timer | undefined} */
  let timer;

  /** @param {Ears} ears */
  const socket = (ears) => openWebSocket(address(options).href, options.WebSocket ?? globalThis.WebSocket, ears);

  /** Finds out beside the stream whether WebSockets get through. */
  function tryWebSocket() {
    timers.clear(timer);
    if (kind !== "sse" || transport === "sse") return;
    timer = timers.set(tryWebSocket, TRIAL_MS);
    trial?.close(1000);
    trial = socket({
      open() {},
      message() {
        end();
        kind = "websocket";
        reopen();
      },
      close: () => (trial = undefined),
    });
  }

  function end() {
    timers.clear(timer);
    trial?.close(1000);
    trial = undefined;
  }

  return {
    end,
    kind: () => kind,
    wake: tryWebSocket,

    /** @param {Ears} ears @returns {Link} */
    open: (ears) => (kind === "sse" ? openEvents(address(options), EventSource, timers, ears) : socket(ears)),

    welcomed() {
      if (kind === "websocket") failures = -Infinity;
      else {
        timers.clear(timer);
        timer = timers.set(tryWebSocket, TRIAL_MS);
      }
    },

    /** @param {boolean} hadWelcome */
    lost(hadWelcome) {
      end();
      if (!hasEvents || transport !== "auto" || hadWelcome) return;
      if (kind === "sse") {
        kind = "websocket";
        failures = 0;
      } else if (++failures >= MOST_FAILURES) kind = "sse";
    },
  };
}
