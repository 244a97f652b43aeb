// @ts-check
// The strip of stations: the daemon's own counters once a second, and what of it reached this page.

import { byId, element, formatCount, formatDuration, formatRate } from "./dom.js";
import { ask } from "./operator.js";
import { Ribbon } from "./ribbon.js";

const POLL_MS = 1000;
const POLL_TIMEOUT_MS = 4000;
/** Rates are taken over this many polls, so that a 1 s counter does not flicker. */
const RATE_POLLS = 4;

/**
 * @typedef {{ state?: string, transport?: string, doorbell?: string, cursor?: string }} Database
 * @typedef {{ [counter: string]: any, database?: Database }} Health
 */

export class Pipeline {
  #ribbon = new Ribbon(byId("ribbon"));
  /** @type {{ at: number, health: Health }[]} */
  #polls = [];
  #framesHere = 0;

  start() {
    void this.#poll();
    document.addEventListener("visibilitychange", () => {
      this.#polls = [];
    });
  }

  /** A frame arrived. @param {import("./socket.js").Change[]} changes */
  arrived(changes) {
    this.#framesHere += 1;
    for (const change of changes.slice(0, 4)) {
      const module = (change.events?.[0] ?? change.entity).split(":", 1)[0];
      this.#ribbon.launch(module, change.count ?? 1);
    }
  }

  async #poll() {
    if (!document.hidden) {
      try {
        const signal = AbortSignal.timeout(POLL_TIMEOUT_MS);
        const response = await ask("health", { cache: "no-store", signal });
        if (response.ok) this.#show(await response.json());
        else this.#unreachable();
      } catch {
        this.#unreachable();
      }
    }
    setTimeout(() => this.#poll(), POLL_MS);
  }

  /** @param {Health} health */
  #show(health) {
    const restarted = Number(health.changes_total) < Number(this.#polls.at(-1)?.health.changes_total);
    if (restarted) this.#polls = [];
    this.#polls.push({ at: performance.now(), health: { ...health, frames_here: this.#framesHere } });
    if (this.#polls.length > RATE_POLLS) this.#polls.shift();

    const rates = {
      changes: this.#rate("changes_total"),
      invalidations: this.#rate("invalidations_total"),
      frames: this.#rate("frames_sent_total"),
      page: this.#rate("frames_here"),
    };
    this.#station("changes", rates.changes, `${total(health.changes_total)} rows committed`);
    this.#station("invalidations", rates.invalidations, `${total(health.invalidations_total)} invalidations`);
    this.#station("rooms", undefined, `${total(health.subscribers)} subscribers`, total(health.rooms));
    this.#station("frames", rates.frames, `${total(health.frames_sent_total)} sent`);
    this.#station("page", rates.page, `${total(this.#framesHere)} received`);
    const { changes = 0, invalidations = 0, frames = 0, page = 0 } = rates;
    this.#ribbon.show([changes, invalidations, invalidations, frames, page]);

    this.#facts(health);
    this.#database(health.database ?? {});
    byId("ribbon").closest(".strip")?.classList.remove("lost");
  }

  /** @param {string} counter @returns {number | undefined} per second */
  #rate(counter) {
    const first = this.#polls[0];
    const last = this.#polls.at(-1);
    if (!first || !last || first === last) return undefined;
    const grown = Number(last.health[counter]) - Number(first.health[counter]);
    return Number.isFinite(grown) ? Math.max(0, grown) / ((last.at - first.at) / 1000) : undefined;
  }

  /**
   * @param {string} name
   * @param {number | undefined} rate
   * @param {string} sum
   * @param {string} [figure] shown in place of the rate
   */
  #station(name, rate, sum, figure) {
    const station = document.querySelector(`[data-station="${name}"]`);
    const now = station?.querySelector(".now");
    const below = station?.querySelector(".sum");
    if (!now || !below) return;
    const number = element("b", {}, figure ?? (rate === undefined ? "–" : formatRate(rate)));
    now.replaceChildren(number, ...(figure === undefined ? [element("span", { class: "unit" }, "/s")] : []));
    below.textContent = sum;
  }

  /** @param {Health} health */
  #facts(health) {
    /** @type {[string, string | undefined][]} */
    const facts = [
      ["connections", known(health.connections)],
      ["deliveries", known(health.deliveries_total)],
      ["waiting batches", known(health.pending_batches)],
      ["transport", health.database?.transport],
      ["up", health.uptime_seconds === undefined ? undefined : formatDuration(Number(health.uptime_seconds))],
      ["cursor", health.database?.cursor],
    ];
    const shown = facts.filter(([, value]) => value !== undefined);
    byId("facts").replaceChildren(...shown.map(([name, value]) => {
      const text = String(value);
      return element("div", { "data-fact": name }, element("dt", {}, name), element("dd", { title: text }, text));
    }));
  }

  /** @param {Database} database */
  #database(database) {
    const state = database.state ?? "unknown";
    const bell = database.doorbell ? `, bell ${database.doorbell}` : "";
    setBadge(state, `Postgres ${state}${bell}`);
    byId("bell").classList.toggle("muted", database.doorbell === "muted");
  }

  #unreachable() {
    this.#polls = [];
    setBadge("unknown", "daemon not reachable");
    byId("ribbon").closest(".strip")?.classList.add("lost");
    this.#ribbon.show([0, 0, 0, 0, 0]);
  }
}

/** Written only when it differs: the text is announced. @param {string} state @param {string} text */
function setBadge(state, text) {
  byId("database").dataset.state = state;
  const label = byId("database-text");
  if (label.textContent !== text) label.textContent = text;
}

/** @param {unknown} value */
function known(value) {
  return Number.isFinite(Number(value ?? NaN)) ? formatCount(Number(value)) : undefined;
}

/** @param {unknown} value */
function total(value) {
  return known(value) ?? "–";
}
