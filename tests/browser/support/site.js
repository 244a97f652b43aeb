// A small web site: the pages of ../pages, and an API over the shop's tables that tests can slow down and count.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

import { bundle } from "./bundle.js";

const pages = resolve(import.meta.dirname, "../pages");

const shell = (name) => `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">
<title>${name}</title><div id="root"></div><script type="module" src="/${name}.js"></script>`;

const scripts = new Map();

function script(name) {
  if (!scripts.has(name)) {
    const define = { "process.env.NODE_ENV": '"development"' };
    scripts.set(name, bundle(name, { write: false, define }));
  }
  return scripts.get(name).then((built) => built.outputFiles[0].text);
}

export class Site {
  static async start(sql) {
    const site = new Site(sql);
    await new Promise((listening) => site.server.listen(0, "127.0.0.1", listening));
    site.origin = `http://127.0.0.1:${site.server.address().port}`;
    return site;
  }

  /** Paths of the API that were asked for, in order. */
  requests = [];
  gates = new Map();
  /** Pages that a test has made itself, by name. */
  made = new Map();

  constructor(sql) {
    this.sql = sql;
    this.server = createServer((request, response) => {
      this.#answer(new URL(request.url, this.origin), response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  /** The address of a page, with what it is told. */
  page(name, told = {}) {
    return `${this.origin}/${name}.html?${new URLSearchParams(told)}`;
  }

  /** How often the API was asked for `path`, or for anything. */
  count(path) {
    return this.requests.filter((asked) => !path || asked === path).length;
  }

  /**
   * From now on answers for `path` have read their data and wait. `reached` resolves when one does; `open()` lets all go.
   */
  gate(path) {
    const gate = {};
    gate.opened = new Promise((open) => {
      gate.open = () => {
        this.gates.delete(path);
        open();
      };
    });
    gate.reached = new Promise((reached) => (gate.reach = reached));
    this.gates.set(path, gate);
    return gate;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  async #answer(url, response) {
    const [, name, kind] = /^\/(\w+)\.(html|js)$/.exec(url.pathname) ?? [];
    if (url.pathname.startsWith("/data/")) {
      const { cursor, data } = await this.#data(url);
      response.writeHead(data ? 200 : 404, { "content-type": "application/json", "pgbell-cursor": cursor });
      response.end(JSON.stringify(data ?? null));
    } else if (kind === "js") {
      const code = await script(name);
      response.writeHead(200, { "content-type": "text/javascript" }).end(code);
    } else if (kind === "html") {
      const own = this.made.get(name) ?? (await readFile(resolve(pages, `${name}.html`), "utf8").catch(() => shell(name)));
      response.writeHead(200, { "content-type": "text/html" }).end(own);
    } else {
      response.writeHead(404).end();
    }
  }

  async #data({ pathname }) {
    this.requests.push(pathname);
    const [, , , id] = pathname.split("/");
    const [{ cursor }] = await this.sql`select pgbell.cursor()`;
    const [data] = await this.sql`select id, name, price::float, status from products where id = ${id}`;
    const gate = this.gates.get(pathname);
    gate?.reach();
    await gate?.opened;
    return { cursor, data };
  }
}
