// A browser window as users have one. Playwright's own pages count as visible and focused for ever; here a hidden
// window is hidden, and may be frozen.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "@playwright/test";

import { args, executablePath } from "./chromium.js";
import { Program } from "./program.js";

export class Window {
  static async open() {
    const profile = await mkdtemp(join(tmpdir(), "pgbell-chromium-"));
    const own = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"];
    const listening = /DevTools listening on (\S+)/;
    const program = await Program.start([executablePath, ...args, ...own], [listening]);
    const [, address] = listening.exec(program.output);
    // Without Playwright's defaults, which would make it visible for ever.
    const browser = await chromium.connectOverCDP(address, { noDefaults: true });
    const context = browser.contexts()[0];
    const page = context.pages()[0];
    return new Window({ profile, program, browser, context, page, protocol: await context.newCDPSession(page) });
  }

  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Minimized: `visibilityState` is `hidden`. */
  async hide() {
    await this.#state("minimized", "hidden");
  }

  async show() {
    await this.#state("normal", "visible");
  }

  /** Stopped by the browser to save energy: no task runs until `resume()`. Hide it first. */
  async freeze() {
    await this.protocol.send("Page.setWebLifecycleState", { state: "frozen" });
  }

  async resume() {
    await this.protocol.send("Page.setWebLifecycleState", { state: "active" });
  }

  async close() {
    await this.browser.close();
    await this.program.end();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #state(windowState, visibility) {
    const { windowId } = await this.protocol.send("Browser.getWindowForTarget");
    await this.protocol.send("Browser.setWindowBounds", { windowId, bounds: { windowState } });
    // Timers and frames of a hidden page are slow or stand still: asked from outside.
    const deadline = Date.now() + 10_000;
    while ((await this.page.evaluate(() => document.visibilityState)) !== visibility) {
      if (Date.now() > deadline) throw new Error(`the window did not become ${visibility}`);
      await new Promise((later) => setTimeout(later, 20));
    }
  }
}
