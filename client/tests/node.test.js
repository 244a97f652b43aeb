import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { createClient } from "../src/index.js";

const source = fileURLToPath(new URL("../src/index.js", import.meta.url));

test("over a real socket: subprotocol, a change, a cut and what was missed", async (t) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => server.close());
  await once(server, "listening");
  const asked = [];
  server.on("connection", (socket) => {
    const say = (message) => socket.send(JSON.stringify(message));
    say({ type: "welcome", protocol: 1, cursor: "e.9:9:", heartbeat_ms: 25_000, limits: { rooms: 9, rooms_per_message: 9, message_bytes: 9999 } });
    socket.on("message", (text) => {
      const { type, id, rooms, since } = JSON.parse(text);
      if (type !== "subscribe") return;
      asked.push([socket.protocol, ...rooms, since]);
      say({ type: "subscribed", id, cursor: since ?? "e.1:1:", rooms: [{ room: rooms[0], status: since ? "replayed" : "live" }] });
      const change = { entity: "product", id: "1", op: "update", events: [], count: 1, at: "2026-01-01T00:00:00Z" };
      say({ type: "invalidate", room: rooms[0], cursor: since ? "e.3:3:" : "e.2:2:", changes: [change], replayed: Boolean(since) });
      if (!since) setImmediate(() => socket.terminate());
    });
  });
  const client = createClient({ url: `http://127.0.0.1:${server.address().port}/ws`, WebSocket, backoff: { min: 10 } });
  t.after(() => client.destroy());
  const notices = [];
  await new Promise((resolve) => {
    client.subscribe("product:1", (notice) => notices.push(notice) === 2 && resolve());
  });
  assert.deepEqual(notices.map(({ replayed }) => replayed), [false, true]);
  assert.deepEqual(asked, [["pgbell.v1", "product:1", undefined], ["pgbell.v1", "product:1", "e.2:2:"]]);
});

/** Runs a script of its own, which has to end by itself. */
const run = (script) => spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });

test("where there is no WebSocket everything is harmless, and nothing keeps the process", () => {
  const { status, stdout, stderr } = run(`
    delete globalThis.WebSocket;
    const before = Object.getOwnPropertyNames(globalThis).length;
    const { createClient } = await import(${JSON.stringify(source)});
    const client = createClient();
    client.subscribe(["product:1"], () => {}, { initial: true })();
    client.subscribe("product:1", () => {});
    client.on("notice", () => {})();
    client.onStatusChange(() => {})();
    await client.ready("product:1");
    await client.sync();
    client.connect(); client.disconnect(); client.setUser("ada");
    console.log(JSON.stringify([client.getStatus(), client.getRoom("product:1"), before === Object.getOwnPropertyNames(globalThis).length]));
    client.destroy();
  `);
  assert.deepEqual([status, stderr], [0, ""]);
  const [shown, room, isClean] = JSON.parse(stdout);
  assert.deepEqual([shown.state, shown.live, shown.user, room.state, isClean], ["idle", false, null, "idle", true]);
});

test("a client that waits for its daemon keeps no process alive", () => {
  const { status, stdout } = run(`
    const { createClient } = await import(${JSON.stringify(source)});
    class Closed extends EventTarget {
      constructor() { super(); queueMicrotask(() => this.onclose?.({ code: 1006, reason: "" })); }
      close() {}
    }
    const client = createClient({ url: "ws://127.0.0.1:1/ws", WebSocket: Closed });
    client.subscribe("product:1", () => {}, { throttle: 60_000 });
    await new Promise(setImmediate);
    console.log(client.getStatus().attempt);
  `);
  assert.deepEqual([status, stdout.trim()], [0, "1"]);
});

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
