/** What is built, as a page meets it. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { packages, served } from "../scripts/bundles.mjs";
import { createMockServer } from "../src/testing/index.js";

/** A folder with some of what the daemon serves, as at an address of its own. */
async function place(t, ...names) {
  const folder = await mkdtemp(join(tmpdir(), "pgbell-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "package.json"), `{"type":"module"}`);
  for (const name of names) await copyFile(served + name, join(folder, name));
  return join(folder, "client.js");
}

/** A client in a room; WebSockets do not get through. */
function setUp(t, createClient, transport) {
  const server = createMockServer();
  server.refuse();
  const { url, WebSocket, EventSource } = server;
  const client = createClient({ url, WebSocket, EventSource, transport, batch: 0, backoff: { min: 1, max: 1 } });
  t.after(() => client.destroy());
  // What waits in a client keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  const errors = [];
  client.on("error", ({ message }) => errors.push(message));
  client.subscribe("product:1", () => {});
  return { server, client, errors };
}

const until = (client, isDone) =>
  new Promise((resolve) => client.onStatusChange(() => isDone(client.getStatus()) && resolve(client.getStatus())));

test("the module loads from beside it what it needs where WebSockets fail", async (t) => {
  const { createClient } = await import(await place(t, "client.js", "client.events.js"));
  const { client } = setUp(t, createClient, "auto");
  assert.equal((await until(client, ({ live }) => live)).transport, "sse");
});

test("where that cannot be loaded, it is a failed attempt, and WebSockets are tried again", async (t) => {
  const { createClient } = await import(await place(t, "client.js"));
  const { server, client, errors } = setUp(t, createClient, "auto");
  const { attempt } = await until(client, ({ attempt }) => attempt === 3);
  assert.deepEqual([attempt, errors.length, /client\.events\.js/.test(errors[0])], [3, 1, true]);
  server.refuse(0);
  assert.equal((await until(client, ({ live }) => live)).transport, "websocket");
});

test("the classic script has everything in it", async (t) => {
  const code = await readFile(`${served}client.global.js`, "utf8");
  const { createClient } = Function(`${code}; return pgbell`)();
  const { client } = setUp(t, createClient, "sse");
  assert.equal((await until(client, ({ live }) => live)).transport, "sse");
});

test("a bundler finds both files of the package", async (t) => {
  const folder = dirname(await place(t));
  for (const { name, options } of packages.slice(0, 2)) await build({ ...options, outfile: join(folder, `${name}.js`) });
  const { outputFiles } = await build({ entryPoints: [join(folder, "index.js")], bundle: true, splitting: true, format: "esm", outdir: folder, write: false });
  const [whole, chunk] = outputFiles.map(({ text }) => text.includes("addEventListener(type"));
  assert.deepEqual([outputFiles.length, whole, chunk], [2, false, true]);
});
