/**
 * One connection that is kept: opened when it is needed, found dead when it is, and opened again at the right moment.
 *
 * @import { ClientMessage, ServerMessage } from "../protocol.js"
 * @import { ClientOptions, Status, TokenContext } from "../types.js"
 * @import { Timer, Timers } from "./timers.js"
 * @import { Link } from "./websocket.js"
 */
import { MOST_FAULTS, verdict, wait } from "./backoff.js";
import { isHidden, isOffline, watchPage } from "./page.js";
import { askToken, UnauthorizedError } from "./token.js";

/** A connection that is not welcomed by then is given up. */
const WELCOME_MS = 15_000;
/** Silence beyond the daemon's heartbeat that means that the connection is dead. */
const GRACE_MS = 10_000;
const HEARTBEAT_MS = 25_000;
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
 * @param {object} context
 * @param {ClientOptions & {probe: number, idle: number, backoff: {min: number, max: number}}} context.options
 * @param {Timers} context.timers
 * @param {import("./transports.js").Transports} context.transports
 * @param {(patch: Partial<Status>) => void} context.setStatus
 * @param {(send: (message: ClientMessage) => void) => void} context.onOpen
 * @param {(message: ServerMessage) => void} context.onMessage
 * @param {() => void} context.onDown
 * @param {(error: unknown) => void} context.fail
 * @param {(what: string, detail?: unknown) => void} context.log
 */
export function createConnection({ options, timers, transports, setStatus, onOpen, onMessage, onDown, fail, log }) {
  /** Whether somebody needs a connection. */
  let isNeeded = false;
  /** Why no connection is made: somebody wants none, or the daemon does. @type {"asked" | "stopped" | undefined} */
  let halted;
  let wasConnected = false;
  /** Each attempt has its own: whatever belongs to an older one is not heard. */
  let generation = 0;
  /** @type {Link | undefined} */
  let link;
  let isTrying = false;
  let isWelcomed = false;
  let hadUptime = false;
  let attempt = 0;
  let faults = 0;
  let startedAt = 0;
  let heardAt = 0;
  let hiddenAt = 0;
  /** Until when a `goodbye` wants nobody back. */
  let awayUntil = 0;
  let heartbeat = HEARTBEAT_MS;
  /** What `goodbye` said. @type {{code: number, reason: string, wait: number} | undefined} */
  let goodbye;
  /** @type {TokenContext["reason"]} */
  let tokenReason = "connect";
  let abort = new AbortController();
  /** @type {Record<"retry" | "welcome" | "watch" | "uptime" | "probe" | "idle" | "token", Timer | undefined>} */
  const timer = { retry: undefined, welcome: undefined, watch: undefined, uptime: undefined, probe: undefined, idle: undefined, token: undefined };
  /** @type {(() => void) | undefined} */
  let unwatch;

  /** @type {(name: keyof typeof timer, act: () => void, ms: number) => void} */
  const set = (name, act, ms) => {
    timers.clear(timer[name]);
    timer[name] = timers.set(() => {
      timer[name] = undefined;
      act();
    }, ms);
  };
  /** @param {keyof typeof timer} name */
  const clear = (name) => {
    timers.clear(timer[name]);
    timer[name] = undefined;
  };

  // Opening.

  async function open() {
    clear("retry");
    if (isHidden() && hiddenAt && Date.now() - hiddenAt > HIDDEN_MS) return setStatus({ nextRetryAt: undefined });
    const mine = ++generation;
    const isCurrent = () => mine === generation;
    isTrying = true;
    startedAt = Date.now();
    goodbye = undefined;
    setStatus({ state: wasConnected ? "reconnecting" : "connecting", attempt, nextRetryAt: undefined });
    try {
      const token = await fetchToken(tokenReason);
      if (!isCurrent()) return;
      tokenReason = "connect";
      set("welcome", () => lost(1006, "no welcome"), WELCOME_MS);
      link = transports.open({
        open() {
          if (!isCurrent()) return;
          log("open");
          if (token) authenticate(token);
          onOpen(send);
        },
        message: (text) => isCurrent() && hear(text),
        close: (code, reason) => isCurrent() && down(code, reason),
      });
    } catch (error) {
      if (isCurrent()) failed(error);
    }
  }

  /** @param {TokenContext["reason"]} reason */
  async function fetchToken(reason) {
    if (!options.getToken) return;
    abort.abort(new Error("not wanted any more"));
    abort = new AbortController();
    return askToken(options.getToken, reason, abort, timers);
  }

  /** @param {unknown} error */
  function failed(error) {
    if (error instanceof UnauthorizedError) return lost(4000, error.message);
    fail(error);
    lost(1006, "failed");
  }

  /** The ids of requests for rooms begin with 1. @param {string} token */
  const authenticate = (token) => send({ type: "auth", id: 0, token });

  /** @param {TokenContext["reason"]} reason */
  async function refreshToken(reason) {
    const mine = generation;
    const isCurrent = () => mine === generation;
    try {
      const token = await fetchToken(reason);
      if (token && isCurrent()) authenticate(token);
    } catch (error) {
      if (!isCurrent()) return;
      if (error instanceof UnauthorizedError) return lost(4000, error.message);
      fail(error);
      set("token", () => refreshToken(reason), UPTIME_MS);
    }
  }

  /** @param {ClientMessage} message */
  function send(message) {
    log("send", message);
    link?.send(message);
  }

  // Hearing.

  /** @param {unknown} text */
  function hear(text) {
    heardAt = Date.now();
    clear("probe");
    const message = parse(text);
    log("receive", message ?? text);
    // It may have told a change. Coming back with the position before it has it told again.
    if (!message) {
      fail(new Error("the daemon sent what cannot be read"));
      return lost(1002, "unreadable");
    }
    if (message.type === "welcome") welcomed(message);
    if (message.type === "goodbye") {
      const { code, reason, retry_after_ms } = message;
      goodbye = { code, reason, wait: Math.min(Math.max(Number(retry_after_ms) || 0, 0), LONGEST_MS) };
    }
    if (message.type === "token_expiring") refreshToken("expiring");
    if (message.type === "error" && message.code === "token_expired") refreshToken("expired");
    onMessage(message);
  }

  /** @param {Extract<ServerMessage, {type: "welcome"}>} message */
  function welcomed(message) {
    clear("welcome");
    isWelcomed = wasConnected = true;
    heartbeat = message.heartbeat_ms > 0 ? message.heartbeat_ms : HEARTBEAT_MS;
    transports.welcomed();
    setStatus({ state: "connected", transport: transports.kind(), stale: false, code: undefined, reason: undefined, nextRetryAt: undefined });
    watch();
    idle();
  }

  /** Looks for silence; a look that comes late means that the machine has slept. */
  function watch() {
    const asked = Date.now();
    set(
      "watch",
      () => {
        const now = Date.now();
        const hasSlept = now - asked > 2 * WATCH_MS;
        watch();
        if (hasSlept) {
          if (!isHidden()) probe();
        } else if (now - heardAt > heartbeat + GRACE_MS) lost(1006, "silence");
      },
      WATCH_MS,
    );
  }

  /** Asks a doubtful connection for a sign of life. */
  function probe() {
    if (timer.probe) return;
    set("probe", () => lost(1006, "no answer", JITTER_MS * Math.random()), options.probe);
    send({ type: "ping" });
  }

  // Losing.

  /** Gives up the link. @type {(code: number, reason: string, wait?: number) => void} */
  function lost(code, reason, wait) {
    link?.close(1000);
    down(code, reason, wait);
  }

  function detach() {
    generation++;
    link = undefined;
    isTrying = false;
    abort.abort(new Error("not wanted any more"));
    for (const name of /** @type {const} */ (["retry", "welcome", "watch", "uptime", "probe", "idle", "token"])) clear(name);
    if (isWelcomed) setStatus({ transport: undefined, stale: false });
    isWelcomed = false;
    onDown();
  }

  /** @type {(code: number, reason: string, wait?: number) => void} */
  function down(code, reason, soon) {
    const away = goodbye?.wait;
    // A stream has no close codes, and some proxies pass none on.
    if (goodbye && code < 4000) ({ code, reason } = goodbye);
    log("close", { code, reason });
    transports.lost(isWelcomed);
    detach();
    if (!isNeeded) return rest();
    const what = verdict(code);
    faults = what === "fault" ? faults + 1 : 0;
    if (what === "stop" || faults >= MOST_FAULTS) return halt(code, reason);
    setStatus({ code, reason });
    if (code === 4200) tokenReason = "expired";
    if (soon === undefined && away === undefined && !hadUptime) attempt++;
    hadUptime = false;
    if (away !== undefined) awayUntil = Date.now() + away;
    retry(soon ?? away ?? wait(what === "soon" ? 0 : attempt, options.backoff));
  }

  /** The connection has proven to be good: counting starts afresh. */
  function settled() {
    if (!isWelcomed || hadUptime || timer.uptime) return;
    set(
      "uptime",
      () => {
        hadUptime = true;
        attempt = faults = 0;
        setStatus({ attempt });
      },
      UPTIME_MS,
    );
  }

  /** @param {number} ms */
  function retry(ms) {
    if (isOffline()) return setStatus({ state: "offline", attempt, nextRetryAt: undefined });
    setStatus({ state: wasConnected ? "reconnecting" : "connecting", attempt, nextRetryAt: Date.now() + Math.round(ms) });
    set("retry", open, ms);
  }

  /** @type {(code?: number, reason?: string) => void} */
  function halt(code, reason) {
    halted = "stopped";
    setStatus({ state: "closed", code, reason, nextRetryAt: undefined, attempt });
  }

  /** Nothing to do. */
  function rest() {
    wasConnected = false;
    attempt = faults = 0;
    setStatus({ state: "idle", attempt, code: undefined, reason: undefined, nextRetryAt: undefined });
  }

  function idle() {
    clear("idle");
    if (isNeeded || halted || !link) return;
    set("idle", () => shut(rest), options.idle);
  }

  /** Closes politely, and does not come back by itself. @param {() => void} then */
  function shut(then) {
    link?.close(1000);
    detach();
    then();
  }

  // What the page tells.

  function wake() {
    hiddenAt = 0;
    if (!isNeeded || halted) return;
    const now = Date.now();
    transports.wake();
    if (link && isWelcomed) return probe();
    if (isTrying && now - startedAt < options.probe) return;
    if (isTrying) {
      link?.close(1000);
      detach();
    }
    retry(Math.max(awayUntil - now, JITTER_MS * Math.random()));
  }

  function start() {
    if (halted || isTrying || timer.retry) return;
    if (isHidden()) hiddenAt ||= Date.now();
    unwatch ??= watchPage({
      wake,
      hide: () => (hiddenAt = Date.now()),
      offline: () => isNeeded && !halted && lost(1006, "offline"),
      leave: () => isTrying && lost(1000, "page hidden"),
    });
    if (isOffline()) setStatus({ state: "offline" });
    else open();
  }

  return {
    settled,

    /** @param {boolean} needed */
    need(needed) {
      isNeeded = needed;
      if (needed) {
        clear("idle");
        start();
      } else if (isTrying) idle();
      else if (!halted) shut(rest);
    },

    connect() {
      halted = undefined;
      if (isTrying) return;
      start();
      if (!isTrying) open();
    },

    disconnect() {
      halted = "asked";
      shut(() => setStatus({ state: "closed", code: undefined, reason: undefined, nextRetryAt: undefined, attempt: 0 }));
    },

    /** As new; but whoever asked for no connection still wants none. */
    reset() {
      shut(() => {});
      isNeeded = false;
      if (halted === "asked") return;
      halted = undefined;
      rest();
    },

    /** There is a better way than that of this connection. */
    reopen: () => lost(1000, "reopen", 0),

    destroy() {
      halted = "asked";
      shut(() => {});
      unwatch?.();
      unwatch = undefined;
    },
  };
}

/** @param {unknown} text @returns {ServerMessage | undefined} */
function parse(text) {
  try {
    const message = JSON.parse(/** @type {string} */ (text));
    if (typeof message?.type === "string") return message;
  } catch {
    // Not a message of this protocol, as whatever else has no type.
  }
}
