// @ts-check
// The console: one ordinary pgbell.v1 client whose every message is shown.

import { Clock, localNow } from "./console/clock.js";
import { loadDemo, showTryIt } from "./console/demo.js";
import { byId } from "./console/dom.js";
import { Folding } from "./console/folding.js";
import { Latency } from "./console/latency.js";
import { Pipeline } from "./console/pipeline.js";
import { initialRooms, RoomsPanel } from "./console/rooms.js";
import { Connection } from "./console/socket.js";
import { Tape } from "./console/tape.js";

/** @typedef {import("./console/socket.js").Message} Message */
/** @typedef {import("./console/socket.js").State} State */

const RENDER_MS = 250;
const PINGS_AFTER_WELCOME_MS = [0, 400, 1200];
const PING_EVERY_MS = 15_000;
const PINGS_REMEMBERED = 16;

const clock = new Clock();
const tape = new Tape();
const latency = new Latency();
const folding = new Folding();
const pipeline = new Pipeline();
/** When each ping left, by its id. @type {Map<number, number>} */
const pings = new Map();
/** @type {State} */
let state = { name: "connecting" };

const address = new URL("ws", document.baseURI);
address.protocol = address.protocol.replace("http", "ws");
address.search = "";
const connection = new Connection(address, { onState, onMessage, onRoom: (status) => rooms.setStatus(status) });
const rooms = new RoomsPanel(connection);

byId("reconnect").addEventListener("click", () => connection.reconnect());
byId("bell").addEventListener("animationend", () => byId("bell").classList.remove("ringing"));
document.addEventListener("visibilitychange", () => document.hidden || ping());
setInterval(ping, PING_EVERY_MS);
setInterval(render, RENDER_MS);

const demo = await loadDemo();
showTryIt(demo);
pipeline.start();
rooms.add(initialRooms(demo.rooms));
connection.reconnect();

/** @param {State} next */
function onState(next) {
  const changed = next.name !== state.name;
  const wasDown = state.name === "reconnecting";
  state = next;
  byId("connection").dataset.state = next.name;
  if (changed) byId("connection-text").textContent = `socket ${next.name}`;
  byId("connection").title = next.detail ?? "";
  byId("reconnect").hidden = next.name !== "reconnecting" && next.name !== "closed";
  showProblem(next);
  if (next.name === "live" && wasDown) note("connected again, resuming where it stopped", "good");
  if (next.name === "reconnecting" && changed) {
    note(`connection lost${next.detail ? ` (${next.detail})` : ""}`, "bad");
    rooms.suspend();
  }
  render();
}

/** @param {State} next */
function showProblem(next) {
  const problem = byId("problem");
  problem.hidden = next.name !== "closed" && next.name !== "stale";
  problem.textContent = next.name === "stale"
    ? "The daemon has lost its database. Nothing is lost: changes follow once it is back."
    : `The daemon closed this connection for good: ${next.detail}. This page will not try again by itself.`;
}

/** @param {Message} message */
function onMessage(message) {
  switch (message.type) {
    case "welcome":
      clock.reset();
      pings.clear();
      clock.observe(message.server_time);
      for (const delay of PINGS_AFTER_WELCOME_MS) setTimeout(ping, delay);
      break;
    case "heartbeat":
      clock.observe(message.server_time);
      break;
    case "pong":
      if (pings.has(message.id)) clock.observe(message.server_time, pings.get(message.id));
      pings.delete(message.id);
      break;
    case "invalidate":
      onInvalidate(message);
      break;
    case "resync":
      note(`resync ${message.rooms === "*" ? "every room" : message.rooms?.join(", ")}: ${message.reason}`, "bad");
      break;
    case "stale":
      note("the daemon lost its database", "bad");
      break;
    case "fresh":
      note("the daemon has its database back", "good");
      break;
    case "revoked":
      note(`no longer allowed in ${message.room}: ${message.code}`, "bad");
      break;
    case "goodbye":
      note(`the daemon says goodbye: ${message.reason}`, "plain");
      break;
    case "error":
      note(`error ${message.code}: ${message.message}`, "bad");
      break;
  }
}

/** @param {Message} message */
function onInvalidate(message) {
  const { room, changes = [], replayed = false } = message;
  for (const change of changes) {
    // What was replayed waited for this page, not for pgbell.
    const age = replayed ? undefined : clock.age(change.at);
    if (age !== undefined) latency.add(age);
    tape.add({ receivedAt: Date.now(), room, change, latency: age, replayed });
  }
  rooms.received(room, changes.length, replayed);
  folding.add(room, changes);
  pipeline.arrived(changes);
  byId("bell").classList.add("ringing");
}

/** @param {string} text @param {"good" | "bad" | "plain"} tone */
function note(text, tone) {
  tape.add({ receivedAt: Date.now(), text, tone });
}

function ping() {
  const id = connection.ping();
  if (id === undefined) return;
  pings.set(id, localNow());
  if (pings.size > PINGS_REMEMBERED) pings.delete(pings.keys().next().value ?? id);
}

function render() {
  const seconds = state.retryAt === undefined ? 0 : Math.ceil((state.retryAt - Date.now()) / 1000);
  byId("connection-timer").textContent = seconds > 0 ? `in ${seconds} s` : "";
  rooms.render();
  folding.render();
  latency.render(clock);
}
