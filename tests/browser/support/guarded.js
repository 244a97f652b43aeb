// A daemon that asks who comes, and the service that signs tokens for it.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { Daemon, binary } from "./pgbell.js";

const run = promisify(execFile);

const configuration = (origins) => `
[gateway]
origins = ${JSON.stringify(origins)}

[access]
open = false

[access.tokens]
leeway = "0s"
keys = [{ algorithm = "HS256", secret = "${randomBytes(32).toString("hex")}" }]

[[access.rooms]]
room = "product:*"
allow = "anyone"

[[access.rooms]]
room = "user:{sub}"

[[access.rooms]]
room = "shop_{stores}"
`;

export class Guarded {
  static async start(database, origins) {
    const directory = await mkdtemp(join(tmpdir(), "pgbell-guarded-"));
    const config = join(directory, "pgbell.toml");
    await writeFile(config, configuration(origins), { mode: 0o600 });
    const daemon = await Daemon.start(database, { PGBELL_ACCESS__OPEN: "false" }, ["--config", config]);
    return new Guarded({ directory, config, daemon });
  }

  /** Every token that was issued. */
  tokens = [];

  constructor(parts) {
    Object.assign(this, parts);
  }

  /** A token for a user, good for as long as `expires` says. */
  async token(sub, { expires = "1h", claims = {} } = {}) {
    const more = Object.entries(claims).flatMap(([name, value]) => ["--claim", `${name}=${JSON.stringify(value)}`]);
    const command = ["token", "new", "--config", this.config, "--sub", String(sub), "--expires", expires, ...more];
    const { stdout } = await run(binary(), command, { env: { PATH: process.env.PATH } });
    const token = stdout.trim();
    this.tokens.push(token);
    return token;
  }

  async close() {
    await this.daemon.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
