/** A real WebSocket in Node: package `ws`. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { createClient } from "../src/index.js";

test("in Node a refused connection is tried again and does not end the process", async (t) => {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));

  const url = `ws://127.0.0.1:${port}/ws`;
  const client = createClient({ url, WebSocket, transport: "websocket", backoff: { min: 1, max: 5 } });
  // A client that only waits keeps no process alive.
  const awake = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(awake);
    client.destroy();
  });
  const tried = new Promise((resolve) => client.on("status", ({ attempt }) => attempt === 3 && resolve()));
  client.subscribe("product:1");
  await tried;
  assert.equal(client.getStatus().live, false);
});
