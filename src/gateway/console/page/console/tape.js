// @ts-check
// The last events, newest first. Rows are written in batches, on an animation frame, and never while somebody reads
// them. The list is one tab stop; arrow keys walk its rows.

import { byId, element, formatClock, formatMillis, moduleOf } from "./dom.js";

const MAX_ROWS = 200;
/** Nobody reads faster than this, and a flood leaves the page time for everything else. */
const WRITE_EVERY_MS = 120;
const MAX_VALUE_LENGTH = 28;

/**
 * @typedef {import("./socket.js").Change} Change
 * @typedef {{ receivedAt: number, room: string, change: Change, latency?: number, replayed: boolean }} Entry
 * @typedef {{ receivedAt: number, text: string, tone: "good" | "bad" | "plain" }} Note
 */

export class Tape {
  #list = byId("tape");
  #button = byId("tape-pause");
  /** Oldest first. @type {(Entry | Note)[]} */
  #waiting = [];
  #scheduled = false;
  #lastWrite = 0;
  #paused = false;
  #hovered = false;
  #focused = false;

  constructor() {
    this.#button.addEventListener("click", () => this.#togglePause());
    this.#list.addEventListener("pointerenter", (event) => this.#setHovered(event.pointerType === "mouse"));
    this.#list.addEventListener("pointerleave", () => this.#setHovered(false));
    this.#list.addEventListener("focusin", () => this.#setFocused(true));
    this.#list.addEventListener("focusout", () => this.#setFocused(false));
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
    document.addEventListener("visibilitychange", () => this.#schedule());
  }

  /** @param {Entry | Note} entry */
  add(entry) {
    this.#waiting.push(entry);
    if (this.#waiting.length > MAX_ROWS) this.#waiting.shift();
    this.#schedule();
  }

  get #held() {
    return this.#paused || this.#hovered || this.#focused;
  }

  /** @param {boolean} hovered */
  #setHovered(hovered) {
    this.#hovered = hovered;
    this.#schedule();
  }

  /** @param {boolean} focused */
  #setFocused(focused) {
    this.#focused = focused;
    this.#schedule();
  }

  #togglePause() {
    this.#paused = !this.#paused;
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = Math.max(0, this.#lastWrite + WRITE_EVERY_MS - performance.now());
    setTimeout(() => requestAnimationFrame(() => {
      this.#scheduled = false;
      if (!this.#held) this.#write();
      this.#showHold();
    }), wait);
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    if (!(event.target instanceof HTMLElement) || event.target.tagName === "PRE") return;
    const rows = [...this.#list.querySelectorAll("summary")];
    const here = rows.indexOf(event.target);
    const next = rows[event.key === "ArrowDown" ? here + 1 : here - 1];
    event.preventDefault();
    (next ?? this.#list).focus();
  }

  #showHold() {
    const newer = this.#waiting.length;
    const label = this.#paused ? "Resume" : "Pause";
    const counted = newer >= MAX_ROWS ? `${MAX_ROWS}+` : String(newer);
    this.#button.textContent = newer > 0 ? `${label} · ${counted} newer` : label;
    this.#button.setAttribute("aria-pressed", String(this.#paused));
    this.#list.classList.toggle("held", this.#held);
  }

  #write() {
    if (this.#waiting.length === 0) return;
    this.#lastWrite = performance.now();
    const rows = this.#waiting.reverse().map((entry) => ("change" in entry ? eventRow(entry) : noteRow(entry)));
    this.#waiting = [];
    this.#list.prepend(...rows);
    while (this.#list.childElementCount > MAX_ROWS) this.#list.lastElementChild?.remove();
    byId("tape-empty").hidden = true;
  }
}

/** @param {Note} note */
function noteRow(note) {
  return element("li", { class: "row note", "data-tone": note.tone },
    element("time", { class: "time" }, formatClock(note.receivedAt)),
    element("span", {}, note.text));
}

/** @param {Entry} entry */
function eventRow(entry) {
  const { change } = entry;
  const count = change.count ?? 1;
  const latency = entry.replayed ? "replayed" : entry.latency === undefined ? "" : formatMillis(entry.latency);
  const summary = element("summary", { tabindex: "-1" },
    element("time", { class: "time" }, formatClock(entry.receivedAt)),
    element("span", { class: "room" }, entry.room),
    element("span", { class: "entity" }, `${change.entity} `, element("b", {}, change.id)),
    element("span", { class: "op" }, change.op, ...(count > 1 ? [times(count)] : [])),
    element("span", { class: "events" }, ...(change.events ?? []).map(eventChip), ...describeValues(change)),
    element("span", { class: entry.replayed ? "latency-cell quiet" : "latency-cell" }, latency));
  const details = element("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.querySelector("pre")) return;
    const raw = JSON.stringify({ room: entry.room, ...change }, null, 2);
    details.append(element("pre", { tabindex: "0", "aria-label": "The change as JSON" }, raw));
  });
  return element("li", { class: "row", "data-module": moduleOf(change.events?.[0] ?? change.entity) }, details);
}

/** Row changes folded into one. @param {number} count */
function times(count) {
  return element("b", { class: "times" }, ` ×${count}`);
}

/** @param {string} event */
function eventChip(event) {
  const module = moduleOf(event);
  return element("span", { class: "chip", "data-module": module },
    `${module}:`, element("span", { class: "chip-action" }, event.slice(module.length + 1)));
}

/** @param {Change} change */
function describeValues(change) {
  const before = change.old ?? {};
  const after = change.new ?? {};
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].map((name) => {
    const pair = element("span", { class: "pair" }, element("span", { class: "column" }, name), " ");
    if (name in before) pair.append(element("s", {}, short(before[name])));
    if (name in before && name in after) pair.append(" → ");
    if (name in after) pair.append(element("b", {}, short(after[name])));
    return pair;
  });
}

/** An instant without its seconds, anything else cut to a length. @param {unknown} value */
function short(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const instant = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d):/.exec(text);
  if (instant) return `${instant[1]} ${instant[2]}`;
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}
