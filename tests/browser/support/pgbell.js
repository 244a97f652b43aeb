// The daemon and the demo, as programs on free ports.

import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";

import { Program } from "./program.js";

const root = resolve(import.meta.dirname, "../../..");

/** The program under test: $PGBELL_BIN, or what `cargo build` made. */
export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? resolve(root, "target");
  const path = process.env.PGBELL_BIN ?? resolve(target, "debug/pgbell");
  if (!existsSync(path)) throw new Error(`no ${path}: run cargo build, or set PGBELL_BIN`);
  return path;
}

// Our own variables would be settings to it, and those of whoever runs the tests would be settings, too.
function environment(own = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^PGBELL_(?!PG_BIN$)|^DATABASE_URL$/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: "1", ...own };
}

/** A port that was free a moment ago: for a daemon that must come back at the same address. */
export async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** `pgbell demo`: a Postgres, a quiet shop in it, its API and pages, and a daemon. */
export async function startDemo() {
  const storefront = resolve(root, "examples/storefront/dist");
  const command = [binary(), "demo", "--rate", "0", "--listen", "127.0.0.1:0", "--storefront", storefront];
  const program = await Program.start(command, [/stop +Ctrl-C/, /database is live/], environment());
  const [, database] = /psql '([^']+)'/.exec(program.output);
  const [, host] = /page +http:\/\/([^/]+)\//.exec(program.output);
  const shop = /shop +(http:\/\/[^/\s]+)/.exec(program.output)?.[1];
  return { program, database, host, http: `http://${host}`, ws: `ws://${host}/ws`, shop };
}

/** `pgbell serve` on a port of its own, which can be killed and started again. */
export class Daemon {
  static async start(database, env = {}, options = []) {
    const daemon = new Daemon(database, await freePort(), env, options);
    await daemon.start();
    return daemon;
  }

  constructor(database, port, env, options) {
    Object.assign(this, { database, port, env, options, host: `127.0.0.1:${port}`, http: `http://127.0.0.1:${port}` });
    this.ws = `ws://${this.host}/ws`;
  }

  async start() {
    const command = [binary(), "serve", "--listen", this.host, "--database-url", this.database, ...this.options];
    const env = environment({ PGBELL_ACCESS__OPEN: "true", ...this.env });
    this.program = await Program.start(command, [/listening on/, /database is live/], env);
  }

  /** As a crash would end it: no goodbye. */
  async kill() {
    await this.program.end("SIGKILL");
  }

  /** As an operator would: clients are sent away first. */
  async stop() {
    await this.program.end("SIGTERM");
  }
}

/** The value of one of the daemon's metrics, by its name with labels. */
export async function metric(http, name) {
  const text = await (await fetch(`${http}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}
