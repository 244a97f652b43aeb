/**
 * A `WebSocket` and an `EventSource` that lead to a mock server. Everything arrives in order and in microtasks, so that a
 * test with a mocked clock still gets its messages.
 *
 * @import { Session } from "./session.js"
 */

/**
 * @typedef {object} Wire what a socket and the server know of each other
 * @property {"websocket" | "sse"} kind
 * @property {URL} url
 * @property {(event: {type: string} & Record<string, unknown>) => void} deliver to the client
 * @property {(code: number, reason: string) => void} cut ends it at once: what is under way is lost
 */

/**
 * @typedef {object} Server what sockets want of a server
 * @property {(wire: Wire) => Session | undefined} accept
 * @property {(wire: Wire) => void} leave
 */

/** What both have in common: listeners, and events in their turn. */
class Socket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  /** @type {number} */
  readyState = 0;
  /** @type {Session | undefined} */
  session;

  /** @param {number} state */
  become(state) {
    this.readyState = state;
  }

  /** @param {() => void} act */
  soon(act) {
    queueMicrotask(() => queueMicrotask(act));
  }

  /** @param {{type: string} & Record<string, unknown>} event */
  fire({ type, ...detail }) {
    const event = Object.assign(new Event(type), detail);
    /** @type {any} */ (this)[`on${type}`]?.(event);
    this.dispatchEvent(event);
  }
}

/** @param {Server} server */
export function createSockets(server) {
  class MockWebSocket extends Socket {
    static CLOSING = 2;
    static CLOSED = 3;

    /**
     * @param {string | URL} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols) {
      super();
      this.protocol = [protocols].flat()[0] ?? "";
      /** @type {Wire} */
      this.wire = {
        kind: "websocket",
        url: new URL(url),
        deliver: (event) => this.soon(() => this.readyState === 1 && this.fire(event)),
        cut: (code, reason) => this.finish(code, reason),
      };
      this.soon(() => this.start());
    }

    start() {
      if (this.readyState) return;
      this.session = server.accept(this.wire);
      if (!this.session) return this.finish(1006, "");
      this.become(1);
      this.fire({ type: "open" });
      this.session.welcome();
    }

    /** @param {string} text */
    send(text) {
      if (this.readyState === 0) throw new DOMException("still connecting", "InvalidStateError");
      this.soon(() => this.readyState === 1 && this.session?.receive(text));
    }

    close(code = 1005, reason = "") {
      if (code !== 1005 && code !== 1000 && !(code >= 3000 && code < 5000)) throw new DOMException("no such code", "InvalidAccessError");
      if (this.readyState < 2) this.become(2);
      this.soon(() => this.finish(code, reason));
    }

    /**
     * @param {number} code
     * @param {string} reason
     */
    finish(code, reason) {
      if (this.readyState === 3) return;
      this.become(3);
      server.leave(this.wire);
      this.fire({ type: "close", code, reason, wasClean: code !== 1006 });
    }
  }

  class MockEventSource extends Socket {
    static CLOSED = 2;

    /** @param {string | URL} url */
    constructor(url) {
      super();
      let hasSubscribed = false;
      let lastEventId = "";
      /** @type {Wire} */
      this.wire = {
        kind: "sse",
        url: new URL(url),
        deliver: ({ data }) => {
          const { type, cursor } = JSON.parse(String(data));
          // As the daemon does, which gives no id before that; and as browsers do, which remember the last one.
          hasSubscribed ||= type === "subscribed";
          if (hasSubscribed) lastEventId = cursor ?? lastEventId;
          const event = { type, data, lastEventId };
          this.soon(() => this.readyState === 1 && this.fire(event));
        },
        cut: () => this.fail(),
      };
      this.soon(() => this.start());
    }

    start() {
      if (this.readyState) return;
      const { searchParams } = this.wire.url;
      this.session = server.accept(this.wire);
      if (!this.session) return this.fail();
      this.become(1);
      this.fire({ type: "open" });
      this.session.welcome();
      const rooms = searchParams.get("rooms")?.split(",").filter(Boolean) ?? [];
      this.session.receive(JSON.stringify({ type: "subscribe", rooms, since: searchParams.get("since") ?? undefined }));
    }

    fail() {
      if (this.readyState === 2) return;
      this.close();
      this.fire({ type: "error" });
    }

    close() {
      this.become(2);
      server.leave(this.wire);
    }
  }

  return { WebSocket: MockWebSocket, EventSource: MockEventSource };
}
