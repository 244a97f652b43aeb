/**
 * One connection that is kept: opened when it is needed, found dead when it is, and opened again at the right moment.
 *
 * @import { ClientMessage, ServerMessage } from "../protocol.js"
 * @import { Options } from "./client.js"
 * @import { Status, TokenContext } from "../types.js"
 * @import { Link } from "./websocket.js"
 */
import { longestWait, MOST_FAULTS, verdict } from "./backoff.js";
import { isHidden, isOffline, watchPage } from "./page.js";
import { parse } from "./parse.js";
import { createTimers } from "./timers.js";
import { UnauthorizedError } from "./token.js";

/** How long an app may take for a token, and then the daemon for its welcome; found out by the next look. */
const PATIENCE_MS = 15_000;
/** Silence beyond the daemon's heartbeat that means that the connection is dead. */
const GRACE_MS = 10_000;
/** How often silence is looked for. */
const WATCH_MS = 5_000;
/** A connection that lasted this long has earned a fresh start of the backoff. */
const UPTIME_MS = 5_000;
/** Those who wake at the same moment do not come at the same moment. */
const JITTER_MS = 250;
/** A tab hidden for this long stops trying. */
const HIDDEN_MS = 60_000;
/** The longest a `goodbye` may send a client away. */
const LONGEST_MS = 600_000;

/**
 * @param {Options} options
 * @param {import("./transports.js").Transports} transports
 * @param {object} on
 * @param {(status: Partial<Status>) => void} on.status
 * @param {(send: (message: ClientMessage) => void) => void} on.open
 * @param {(message: ServerMessage) => void} on.message
 * @param {() => void} on.down
 * @param {(error: unknown) => void} on.error
 * @param {(what: string, detail?: unknown) => void} on.log
 */
export function createConnection(options, transports, on) {
  /** Whether somebody needs a connection. */
  let isNeeded = false;
  /** Why none is made: somebody wants none, or the daemon does. @type {"asked" | "stopped" | undefined} */
  let halted;
  let wasConnected = false;
  /** @type {Link | undefined} */
  let link;
  let isTrying = false;
  let isWelcomed = false;
  let hadUptime = false;
  let attempt = 0;
  let longest = 0;
  let faults = 0;
  let startedAt = 0;
  let heardAt = 0;
  let hiddenAt = 0;
  /** Until when a `goodbye` wants nobody back. */
  let awayUntil = 0;
  /** How long silence may last. */
  let patience = 0;
  /** @type {Extract<ServerMessage, {type: "goodbye"}> | undefined} */
  let goodbye;
  /** Of the last close that was not wanted. @type {number | undefined} */
  let code;
  /** @type {string | undefined} */
  let reason;
  /** @type {TokenContext["reason"]} */
  let tokenReason = "connect";
  let abort = new AbortController();
  /** Those of this connection, or of the wait for the next. */
  const timers = createTimers();
  const [retrying, watching, lasting, probing, idling, renewing] = Array.from({ length: 6 }, timers.create);
  /** @type {(() => void) | undefined} */
  let unwatch;

  /** @type {(state: Status["state"], nextRetryAt?: number) => void} */
  const show = (state, nextRetryAt) =>
    on.status({ state, nextRetryAt, attempt, code, reason, transport: isWelcomed ? transports.kind() : undefined });

  /** @param {number} [nextRetryAt] */
  const showTrying = (nextRetryAt) => show(wasConnected ? "reconnecting" : "connecting", nextRetryAt);

  // Opening.

  function open() {
    retrying.clear();
    if (isHidden() && hiddenAt && Date.now() - hiddenAt > HIDDEN_MS) return showTrying();
    isTrying = true;
    startedAt = heardAt = Date.now();
    patience = PATIENCE_MS;
    goodbye = undefined;
    showTrying();
    watch();
    withToken(tokenReason, () => down(1006, "failed"), (token) => {
      tokenReason = "connect";
      heardAt = Date.now();
      link = transports.open({
        open() {
          if (token) authenticate(token);
          on.open(send);
        },
        message: hear,
        close: down,
      });
    });
  }

  /**
   * Asks for a token, and hears the answer unless things have moved on.
   *
   * @param {TokenContext["reason"]} why
   * @param {() => void} retry
   * @param {(token: string | null | undefined) => void} use
   */
  async function withToken(why, retry, use) {
    abort.abort();
    abort = new AbortController();
    const { signal } = abort;
    try {
      const token = await options.getToken?.({ reason: why, signal });
      await transports.load();
      if (!signal.aborted) use(token);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof UnauthorizedError) return down(4000, error.message || "unauthorized");
      on.error(error);
      retry();
    }
  }

  function renew() {
    withToken("expiring", () => renewing.set(renew, UPTIME_MS), (token) => token && authenticate(token));
  }

  /** The ids of requests for rooms begin with 1. A token is in no log. @param {string} token */
  const authenticate = (token) => link?.send({ type: "auth", id: 0, token });

  /** @param {ClientMessage} message */
  function send(message) {
    on.log("send", message);
    link?.send(message);
  }

  // Hearing.

  /** @param {string} text */
  function hear(text) {
    heardAt = Date.now();
    probing.clear();
    const message = parse(text);
    on.log("receive", message ?? text);
    const { type, code, id } = message ?? {};
    if (typeof type !== "string") {
      // It may have told a change. Coming back with the position before it has it told again.
      on.error(new Error("the daemon sent what cannot be read"));
      return down(1002, "cannot be read");
    }
    if (type === "welcome") welcomed(message);
    if (type === "goodbye") goodbye = message;
    if (type === "token_expiring") renew();
    // What was asked behind a token that is refused was answered as to nobody: all of it is asked anew.
    const refused = id === 0 && /** @type {any} */ ({ unauthorized: 4000, not_ready: 4100, token_expired: 4200 })[code];
    if (refused) down(refused, code);
    else on.message(message);
  }

  /** @param {any} message */
  function welcomed({ heartbeat_ms }) {
    isWelcomed = wasConnected = true;
    patience = GRACE_MS + (heartbeat_ms || 25_000);
    code = reason = undefined;
    show("connected");
    idle();
  }

  /** Looks for silence; a look that comes late means that the machine has slept. */
  function watch() {
    const asked = Date.now();
    watching.set(() => {
      const now = Date.now();
      watch();
      if (now - asked > 2 * WATCH_MS) isHidden() || wake();
      else if (now > heardAt + patience) down(1006, link ? "silence" : "no token");
    }, WATCH_MS);
  }

  /** Asks a doubtful connection for a sign of life. */
  function probe() {
    if (probing.isSet()) return;
    probing.set(() => down(1006, "no answer", jitter()), options.probe);
    send({ type: "ping" });
  }

  // Losing.

  /** Ends the link, and whatever goes with it. */
  function detach() {
    link?.close();
    link = undefined;
    isTrying = isWelcomed = false;
    abort.abort();
    timers.clearAll();
    on.down();
  }

  /** @type {(why: number, text: string, soon?: number) => void} */
  function down(why, text, soon) {
    // A stream has no close codes, and some proxies pass none on.
    [code, reason] = goodbye && why < 4000 ? [goodbye.code, goodbye.reason] : [why, text];
    const hadWelcome = isWelcomed;
    transports.lost(hadWelcome);
    detach();
    if (!isNeeded) return rest();
    const what = verdict(code);
    faults = what === "fault" ? faults + 1 : 0;
    if (what === "stop" || faults >= MOST_FAULTS) {
      halted = "stopped";
      return show("closed");
    }
    if (code === 4200) tokenReason = "expired";
    if (goodbye) {
      soon = Math.min(Math.max(goodbye.retry_after_ms, 0) || 0, LONGEST_MS);
      awayUntil = Date.now() + soon;
    } else if (soon === undefined) {
      if (!hadUptime) attempt++;
      longest = longestWait(longest, hadWelcome && what !== "soon", options.backoff, options.spread);
      soon = Math.random() * longest;
    }
    hadUptime = false;
    retry(soon);
  }

  /** @param {number} ms */
  function retry(ms) {
    if (isOffline()) return show("offline");
    showTrying(Date.now() + Math.round(ms));
    retrying.set(open, ms);
  }

  const jitter = () => JITTER_MS * Math.random();

  /** Nothing to do. */
  function rest() {
    wasConnected = false;
    attempt = faults = longest = 0;
    code = reason = undefined;
    show(halted ? "closed" : "idle");
  }

  function idle() {
    if (!isNeeded) idling.set(shut, options.idle);
  }

  /** Closes politely, and does not come back by itself. */
  function shut() {
    detach();
    rest();
  }

  // What the page tells.

  function wake() {
    hiddenAt = 0;
    if (!isNeeded || halted) return;
    link?.wake?.();
    if (isWelcomed) return probe();
    const now = Date.now();
    if (isTrying && now - startedAt < options.probe) return;
    if (isTrying) detach();
    retry(Math.max(awayUntil - now, jitter()));
  }

  function start() {
    unwatch ??= watchPage({
      online: wake,
      offline: () => isNeeded && !halted && down(1006, "offline"),
      visibilitychange: () => (isHidden() ? (hiddenAt = Date.now()) : wake()),
      // Chrome does not always tell a frozen page that it is visible again, but that it is resumed.
      resume: wake,
      // A page that is loaded for the first time is shown as well, and one that is left for good hidden: only those are of
      // interest that go into the back/forward cache, and come out of it.
      pageshow: ({ persisted }) => persisted && wake(),
      pagehide: ({ persisted }) => persisted && isTrying && down(1000, "page hidden"),
    });
    if (halted || isTrying || retrying.isSet()) return;
    if (isHidden()) hiddenAt ||= Date.now();
    if (isOffline()) show("offline");
    else open();
  }

  return {
    /** There is a better way than that of this connection. */
    reopen: () => down(1000, "reopen", 0),

    /** The connection has proven to be good: after a while, counting starts afresh. */
    settled() {
      if (!isWelcomed || hadUptime) return;
      lasting.ensure(() => {
        hadUptime = true;
        attempt = faults = longest = 0;
        show("connected");
      }, UPTIME_MS);
    },

    /** @param {boolean} needed */
    need(needed) {
      if (needed === isNeeded) return;
      isNeeded = needed;
      idling.clear();
      if (needed) start();
      else if (isTrying) idle();
      else if (!halted) shut();
    },

    connect() {
      halted = undefined;
      if (!isTrying) start();
      if (!isTrying) open();
    },

    disconnect() {
      halted = "asked";
      shut();
    },

    /** As new; but whoever asked for no connection still wants none. */
    reset() {
      isNeeded = false;
      if (halted === "stopped") halted = undefined;
      shut();
    },

    destroy() {
      halted = "asked";
      shut();
      unwatch?.();
    },
  };
}
