// @ts-check
// One connection that speaks pgbell.v1: it keeps its rooms subscribed across reconnects and resumes from the
// newest cursor. It touches no element of the page.

/**
 * @typedef {"connecting" | "live" | "stale" | "reconnecting" | "closed"} StateName
 * @typedef {{ name: StateName, detail?: string, retryAt?: number }} State
 * @typedef {{ entity: string, id: string, op: string, events?: string[], count?: number, at: string | number,
 *   old?: Record<string, unknown>, new?: Record<string, unknown>, origin?: string }} Change
 * @typedef {{ room: string, status: string, code?: string, message?: string }} RoomStatus
 * @typedef {{ type: string, [field: string]: any }} Message
 * @typedef {object} Handlers
 * @property {(state: State) => void} onState
 * @property {(status: RoomStatus) => void} onRoom
 * @property {(message: Message) => void} onMessage every message, after the connection has acted on it
 */

const SUBPROTOCOL = "pgbell.v1";
const BACKOFF_FIRST_MS = 500;
const BACKOFF_LAST_MS = 30_000;
const SOON_MS = 1000;
const WELCOME_WITHIN_MS = 15_000;
const HEARTBEAT_GRACE_MS = 10_000;
/** A connection this old was a good one: the next backoff starts from the beginning. */
const SETTLED_MS = 5000;
const PROTOCOL_ERRORS_BEFORE_GIVING_UP = 3;
const ORDINARY_CLOSES = new Set([1000, 1001, 1005, 1006, 1011, 1012, 1013]);

export class Connection {
  /** @type {Set<string>} */
  rooms = new Set();
  /** @type {string | undefined} */
  cursor;
  limits = { rooms: 1000, rooms_per_message: 100 };

  #url;
  #handlers;
  /** @type {WebSocket | undefined} */
  #socket;
  #welcomed = false;
  #heartbeatMs = 25_000;
  #lastHeard = 0;
  #nextId = 1;
  /** Subscriptions without an answer. @type {Map<number, { rooms: string[], since?: string }>} */
  #pending = new Map();
  /** @type {Message | undefined} */
  #goodbye;
  #attempt = 0;
  #protocolErrors = 0;
  /** @type {number | undefined} */
  #retryTimer;
  /** @type {number | undefined} */
  #settledTimer;

  /** @param {string | URL} url @param {Handlers} handlers */
  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
    setInterval(() => this.#checkPulse(), 1000);
    window.addEventListener("online", () => this.#retryTimer && this.reconnect());
  }

  /** Connects at once, whatever was planned. */
  reconnect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#discard();
    this.#protocolErrors = 0;
    this.#handlers.onState({ name: this.cursor ? "reconnecting" : "connecting" });
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    this.#lastHeard = Date.now();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
  }

  /** @param {string[]} rooms */
  subscribe(rooms) {
    const added = rooms.filter((room) => !this.rooms.has(room));
    for (const room of added) this.rooms.add(room);
    if (this.#welcomed) this.#sendSubscribe(added, undefined);
  }

  /** @param {string} room */
  unsubscribe(room) {
    this.rooms.delete(room);
    if (this.#welcomed) this.#send({ type: "unsubscribe", id: this.#nextId++, rooms: [room] });
  }

  /** @returns {number | undefined} the id the pong will carry */
  ping() {
    if (!this.#welcomed) return undefined;
    const id = this.#nextId++;
    this.#send({ type: "ping", id });
    return id;
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {string[]} rooms @param {string | undefined} since */
  #sendSubscribe(rooms, since) {
    const size = Math.max(1, this.limits.rooms_per_message);
    for (let start = 0; start < rooms.length; start += size) {
      const id = this.#nextId++;
      const part = rooms.slice(start, start + size);
      this.#pending.set(id, { rooms: part, since });
      this.#send({ type: "subscribe", id, rooms: part, since });
    }
  }

  /** @param {string} text */
  #receive(text) {
    this.#lastHeard = Date.now();
    /** @type {Message} */
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof message?.type !== "string") return;
    this.#act(message);
    // Until every room is subscribed again, the old cursor is the only one that covers them all.
    const covered = this.#pending.size === 0 && message.type !== "welcome";
    if (covered && typeof message.cursor === "string") this.cursor = message.cursor;
    this.#handlers.onMessage(message);
  }

  /** @param {Message} message */
  #act(message) {
    switch (message.type) {
      case "welcome":
        this.#welcome(message);
        break;
      case "subscribed":
        this.#pending.delete(message.id);
        for (const status of message.rooms ?? []) this.#handlers.onRoom(status);
        break;
      case "error":
        this.#refused(message);
        break;
      case "revoked":
        this.#handlers.onRoom({ room: message.room, status: "denied", code: message.code });
        break;
      case "resync":
        for (const room of message.rooms === "*" ? this.rooms : message.rooms ?? []) {
          this.#handlers.onRoom({ room, status: "resync", message: message.reason });
        }
        break;
      case "stale":
        this.#handlers.onState({ name: "stale", detail: "the daemon has lost its database" });
        break;
      case "fresh":
        this.#handlers.onState({ name: "live" });
        break;
      case "goodbye":
        this.#goodbye = message;
        break;
    }
  }

  /** @param {Message} message */
  #welcome(message) {
    this.#welcomed = true;
    this.#heartbeatMs = message.heartbeat_ms ?? this.#heartbeatMs;
    this.limits = { ...this.limits, ...message.limits };
    this.#settledTimer = setTimeout(() => {
      this.#attempt = 0;
    }, SETTLED_MS);
    this.#handlers.onState({ name: "live" });
    this.#sendSubscribe([...this.rooms], this.cursor);
  }

  /** An `error` that answers a subscription. @param {Message} message */
  #refused(message) {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.retryable) {
      const socket = this.#socket;
      setTimeout(() => {
        if (socket !== this.#socket) return;
        this.#pending.delete(message.id);
        this.#sendSubscribe(pending.rooms.filter((room) => this.rooms.has(room)), pending.since);
      }, message.retry_after_ms ?? SOON_MS);
      return;
    }
    this.#pending.delete(message.id);
    const { code, message: text } = message;
    const rooms = message.room ? [message.room] : pending.rooms;
    for (const room of rooms) this.#handlers.onRoom({ room, status: "denied", code, message: text });
  }

  #checkPulse() {
    if (!this.#socket) return;
    const allowed = this.#welcomed ? this.#heartbeatMs + HEARTBEAT_GRACE_MS : WELCOME_WITHIN_MS;
    if (Date.now() - this.#lastHeard > allowed) this.#lost(1006, "no heartbeat");
  }

  /** Forgets the socket without waiting for its close: a dead network never finishes one. */
  #discard() {
    const socket = this.#socket;
    if (socket) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
    clearTimeout(this.#settledTimer);
    this.#socket = undefined;
    this.#welcomed = false;
    this.#pending.clear();
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const goodbye = this.#goodbye;
    this.#goodbye = undefined;
    this.#discard();
    const detail = [code, reason || goodbye?.reason].filter(Boolean).join(" ");
    const unexpected = code < 4000 && !ORDINARY_CLOSES.has(code);
    this.#protocolErrors = unexpected ? this.#protocolErrors + 1 : 0;
    if ((code >= 4000 && code < 4100) || this.#protocolErrors >= PROTOCOL_ERRORS_BEFORE_GIVING_UP) {
      this.#handlers.onState({ name: "closed", detail });
      return;
    }
    const delay = this.#delay(code, goodbye?.retry_after_ms);
    this.#handlers.onState({ name: "reconnecting", detail, retryAt: Date.now() + delay });
    const errors = this.#protocolErrors;
    this.#retryTimer = setTimeout(() => {
      this.reconnect();
      this.#protocolErrors = errors;
    }, delay);
  }

  /** @param {number} code @param {number | undefined} retryAfterMs */
  #delay(code, retryAfterMs) {
    if (code >= 4200 && code < 4300) return retryAfterMs ?? Math.random() * SOON_MS;
    const ceiling = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt++);
    return Math.max(retryAfterMs ?? 0, Math.random() * ceiling);
  }
}
