// Debian's Firefox, driven by WebDriver BiDi: as much of it as a small smoke test needs.

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { WebSocket } from "ws";

import { Program } from "./program.js";

const found = [process.env.PGBELL_FIREFOX, "/usr/bin/firefox-esr", "/usr/bin/firefox"];

export const executablePath = found.find((path) => path && existsSync(path));

export class Firefox {
  static async open() {
    const profile = await mkdtemp(join(tmpdir(), "pgbell-firefox-"));
    const own = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
    const listening = /WebDriver BiDi listening on (\S+)/;
    const program = await Program.start([executablePath, ...own], [listening]);
    const socket = new WebSocket(`${listening.exec(program.output)[1]}/session`);
    await new Promise((open, failed) => socket.once("open", open).once("error", failed));
    const firefox = new Firefox({ profile, program, socket });
    await firefox.#begin();
    return firefox;
  }

  errors = [];
  #waiting = new Map();

  constructor(parts) {
    Object.assign(this, parts);
    this.socket.on("message", (data) => this.#hear(JSON.parse(data)));
  }

  async #begin() {
    await this.command("session.new", { capabilities: {} });
    await this.command("session.subscribe", { events: ["log.entryAdded"] });
    this.context = (await this.command("browsingContext.getTree", {})).contexts[0].context;
  }

  #hear({ id, type, method, params, result, error, message }) {
    if (method === "log.entryAdded" && params.level === "error") this.errors.push(params.text);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (type === "success") waiting?.resolve(result);
    if (type === "error") waiting?.reject(new Error(`${error}: ${message}`));
  }

  command(method, params) {
    const id = (this.last = (this.last ?? 0) + 1);
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async goto(url) {
    await this.command("browsingContext.navigate", { context: this.context, url, wait: "complete" });
  }

  async back() {
    await this.command("browsingContext.traverseHistory", { context: this.context, delta: -1 });
  }

  /** Whether the browser has a network. */
  async setOffline(offline) {
    const networkConditions = offline ? { type: "offline" } : null;
    await this.command("emulation.setNetworkConditions", { networkConditions, contexts: [this.context] });
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const target = { context: this.context };
    const text = `Promise.resolve(${expression}).then((value) => JSON.stringify(value ?? null))`;
    const answer = await this.command("script.evaluate", { expression: text, target, awaitPromise: true });
    if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value);
  }

  async close() {
    await this.command("browser.close", {}).catch(() => {});
    this.socket.terminate();
    await this.program.end();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
