// A relay that reads and rewrites messages on their way: a daemon or a client of another version.

import { WebSocket, WebSocketServer } from "ws";

export class Relay {
  /** `up` and `down` turn one message into those that go on. */
  static async to(target, { up, down }) {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "pgbell.v1" });
    server.on("connection", (client) => {
      const daemon = new WebSocket(target, "pgbell.v1");
      const ready = new Promise((open) => daemon.once("open", open));
      const pass = (change, to) => (data) => {
        for (const message of change(JSON.parse(data))) ready.then(() => to.send(JSON.stringify(message)));
      };
      client.on("message", pass(up, daemon)).on("close", () => daemon.terminate()).on("error", () => {});
      daemon.on("message", pass(down, client)).on("close", () => client.close()).on("error", () => {});
    });
    await new Promise((listening) => server.once("listening", listening));
    return new Relay(server);
  }

  constructor(server) {
    this.server = server;
    this.ws = `ws://127.0.0.1:${server.address().port}/ws`;
  }

  async close() {
    for (const client of this.server.clients) client.terminate();
    await new Promise((closed) => this.server.close(closed));
  }
}
