// A TCP proxy between browser and daemon that does to connections what networks do.

import net from "node:net";

export class Proxy {
  /** Listens on a free port and passes everything to `host` ("127.0.0.1:8787"). */
  static async to(host) {
    const proxy = new Proxy(host);
    await new Promise((listening) => proxy.server.listen(0, "127.0.0.1", listening));
    proxy.host = `127.0.0.1:${proxy.server.address().port}`;
    proxy.ws = `ws://${proxy.host}/ws`;
    proxy.http = `http://${proxy.host}`;
    return proxy;
  }

  /** When each connection was made. */
  opened = [];
  /** Open connections. */
  pairs = new Set();
  /** Bytes passed on, to the daemon and to the browser. */
  bytes = { up: 0, down: 0 };

  mode = { refuse: false, hold: false, delay: 0, upgrades: true };

  constructor(target) {
    this.target = target;
    this.server = net.createServer((client) => this.#accept(client));
  }

  #accept(client) {
    this.opened.push(Date.now());
    client.on("error", () => {});
    if (this.mode.refuse) return client.resetAndDestroy();
    const [host, port] = this.target.split(":");
    const upstream = net.connect({ host, port: Number(port) });
    const pair = { client, upstream, held: [] };
    this.pairs.add(pair);
    const end = () => {
      client.destroy();
      upstream.destroy();
      this.pairs.delete(pair);
    };
    for (const socket of [client, upstream]) socket.on("error", end).on("close", end).setNoDelay(true);
    client.on("data", (data) => {
      if (!this.mode.upgrades && /^upgrade: websocket/im.test(data.toString("latin1"))) {
        return client.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      }
      this.#pass(pair, data, "up");
    });
    upstream.on("data", (data) => this.#pass(pair, data, "down"));
  }

  // In order also when `delay` changes: each piece waits for the one before.
  #pass(pair, data, way) {
    if (this.mode.hold) return pair.held.push([data, way]);
    const write = () => {
      this.bytes[way] += data.length;
      const to = way === "up" ? pair.upstream : pair.client;
      if (!to.destroyed) to.write(data);
    };
    if (!this.mode.delay && !pair.last) return write();
    const due = new Promise((passed) => setTimeout(passed, this.mode.delay));
    pair.last = (pair.last ?? Promise.resolve()).then(() => due).then(write);
  }

  /** Ends every connection as a reset would. */
  cut() {
    for (const { client, upstream } of this.pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  /** From now on connections are made and stay open, and nothing gets through: a black hole. */
  hold() {
    this.mode.hold = true;
  }

  /** What is held gets through after all. */
  release() {
    this.mode.hold = false;
    for (const pair of this.pairs) for (const [data, way] of pair.held.splice(0)) this.#pass(pair, data, way);
  }

  /** Cuts, and refuses new connections until `accept()`: the network is gone. */
  refuse() {
    this.mode.refuse = true;
    this.cut();
  }

  accept() {
    this.mode.refuse = false;
  }

  /** Passes HTTP but no WebSocket, as some company networks do. */
  refuseUpgrades() {
    this.mode.upgrades = false;
  }

  async close() {
    this.cut();
    await new Promise((closed) => this.server.close(closed));
  }
}
