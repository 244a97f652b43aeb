// @ts-check
// The rooms this page listens to: one chip each, with its state, its count and a way out.

import { byId, element, formatCount } from "./dom.js";

const ROOM = /^[A-Za-z0-9_.:@/-]{1,128}$/;
const DEFAULT_ROOMS = [
  "admin:orders", "admin:stock", "admin:metrics", "shop_1", "storefront:1", "seller:1", "product:1",
];
const STATUS_TEXT = new Map([
  ["waiting", "asked for, no answer yet"],
  ["live", "live: nothing missed"],
  ["replayed", "replayed: what was missed has been sent"],
  ["resync", "resync: a client must refetch all of it"],
  ["denied", "denied"],
]);

/** @typedef {{ chip: HTMLElement, status: HTMLElement, count: HTMLElement, changes: number, shown: number }} Row */

export class RoomsPanel {
  #connection;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /** @param {import("./socket.js").Connection} connection */
  constructor(connection) {
    this.#connection = connection;
    byId("rooms-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {string[]} rooms */
  add(rooms) {
    for (const room of rooms) {
      if (!this.#rows.has(room)) this.#addRow(room);
    }
    this.#connection.subscribe(rooms);
    this.#showCount();
  }

  /** The connection is down: nothing can be said of any room. */
  suspend() {
    for (const room of this.#rows.keys()) this.setStatus({ room, status: "waiting" });
  }

  /** @param {import("./socket.js").RoomStatus} status */
  setStatus({ room, status, code, message }) {
    const row = this.#rows.get(room);
    if (!row) return;
    row.chip.dataset.status = status;
    row.chip.title = [STATUS_TEXT.get(status) ?? status, code, message].filter(Boolean).join(" · ");
    row.status.textContent = code ? `${status}: ${code}` : status;
  }

  /** @param {string} room @param {number} changes @param {boolean} replayed */
  received(room, changes, replayed) {
    const row = this.#rows.get(room);
    if (!row) return;
    row.changes += changes;
    if (!replayed && row.chip.dataset.status !== "live") this.setStatus({ room, status: "live" });
  }

  render() {
    for (const row of this.#rows.values()) {
      if (row.shown === row.changes) continue;
      row.shown = row.changes;
      row.count.textContent = formatCount(row.changes);
    }
  }

  #submit() {
    const input = /** @type {HTMLInputElement} */ (byId("rooms-input"));
    const rooms = splitRooms(input.value);
    const wrong = rooms.find((room) => !ROOM.test(room));
    const limit = this.#connection.limits.rooms;
    const tooMany = new Set([...this.#rows.keys(), ...rooms]).size > limit;
    const problem = wrong !== undefined
      ? `“${wrong.slice(0, 40)}” is not a room: letters, digits and _ . : @ / - up to 128.`
      : tooMany ? `One connection may hold ${formatCount(limit)} rooms.` : "";
    byId("rooms-error").textContent = problem;
    input.setAttribute("aria-invalid", String(problem !== ""));
    if (problem || rooms.length === 0) {
      input.focus();
      return;
    }
    input.value = "";
    this.add(rooms);
    this.#remember();
  }

  /** @param {string} room */
  #addRow(room) {
    const status = element("span", { class: "room-status" }, "waiting");
    const count = element("span", { class: "room-count" }, "0");
    const remove = element("button", { type: "button", class: "remove", "aria-label": `Leave ${room}` }, "×");
    const chip = element("li", { class: "room-chip", "data-status": "waiting" },
      element("span", { class: "lamp", "aria-hidden": "true" }), element("span", { class: "room-name" }, room),
      status, count, element("span", { class: "visually-hidden" }, "changes"), remove);
    remove.addEventListener("click", () => this.#remove(room));
    byId("rooms").append(chip);
    this.#rows.set(room, { chip, status, count, changes: 0, shown: 0 });
  }

  /** @param {string} room */
  #remove(room) {
    this.#connection.unsubscribe(room);
    this.#rows.get(room)?.chip.remove();
    this.#rows.delete(room);
    this.#showCount();
    this.#remember();
    byId("rooms-input").focus();
  }

  #showCount() {
    byId("rooms-count").textContent = `${this.#rows.size} joined`;
  }

  /** Keeps the address shareable. */
  #remember() {
    const url = new URL(location.href);
    const list = [...this.#rows.keys()].map(encodeURIComponent).join(",");
    url.search = `rooms=${list.replaceAll("%3A", ":").replaceAll("%40", "@").replaceAll("%2F", "/")}`;
    history.replaceState(null, "", url);
  }
}

/** @param {string} text */
function splitRooms(text) {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** From `?rooms=a,b`, else the demo's, else the defaults. @param {unknown} demoRooms */
export function initialRooms(demoRooms) {
  const asked = new URLSearchParams(location.search).get("rooms");
  if (asked !== null) return splitRooms(asked).filter((room) => ROOM.test(room));
  const fromDemo = Array.isArray(demoRooms) ? demoRooms.filter((room) => ROOM.test(room)) : [];
  return fromDemo.length > 0 ? fromDemo : DEFAULT_ROOMS;
}
