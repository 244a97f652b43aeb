// @ts-check
// From commit to this page: newest, percentiles and a histogram with a logarithmic axis.

import { byId, formatMillis, svgElement } from "./dom.js";

const KEPT = 500;
const BUCKETS_PER_DECADE = 5;
const DECADES = 4;
const WIDTH = 340;
/** Room for a label beside a marker at either end of the axis. */
const MARGIN = 24;
const AXIS = WIDTH - 2 * MARGIN;
const TOP = 12;
const BASE = 78;

export class Latency {
  /** @type {number[]} */
  #samples = [];
  #changed = false;

  constructor() {
    drawHistogram([]);
  }

  /** @param {number} ms */
  add(ms) {
    this.#samples.push(ms);
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#changed = true;
  }

  /** @param {import("./clock.js").Clock} clock */
  render(clock) {
    if (!this.#changed) return;
    this.#changed = false;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const p50 = percentile(sorted, 0.5);
    const p99 = percentile(sorted, 0.99);
    byId("latency-newest").textContent = formatMillis(this.#samples[this.#samples.length - 1]);
    byId("latency-p50").textContent = formatMillis(p50);
    byId("latency-p99").textContent = formatMillis(p99);
    drawHistogram(sorted, marker(p50, "p50"), marker(p99, "p99"));
    const summary = `${sorted.length} changes, median ${formatMillis(p50)}, 99th percentile ${formatMillis(p99)}`;
    byId("histogram").setAttribute("aria-label", `Latency histogram: ${summary}`);
    byId("latency-note").textContent = describe(sorted.length, clock);
  }
}

/** @param {number} samples @param {import("./clock.js").Clock} clock */
function describe(samples, clock) {
  const size = samples === KEPT ? `Last ${KEPT}` : `First ${samples}`;
  const error = clock.best ? ` Clock corrected to ± ${formatMillis(clock.best.roundTrip / 2)}.` : "";
  return `${size} changes, batching window included.${error}`;
}

/** @param {number[]} sorted @param {number} share */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** 0 at 1 ms, 1 at 10 s. @param {number} ms */
function position(ms) {
  return Math.min(1, Math.max(0, Math.log10(Math.max(ms, 1)) / DECADES));
}

/** @param {number[]} sorted @param {...Node} markers */
function drawHistogram(sorted, ...markers) {
  const buckets = new Array(BUCKETS_PER_DECADE * DECADES).fill(0);
  for (const ms of sorted) buckets[Math.min(buckets.length - 1, Math.floor(position(ms) * buckets.length))] += 1;
  const highest = Math.max(...buckets);
  const step = AXIS / buckets.length;
  const bars = buckets.map((size, index) => {
    const height = size === 0 ? 0 : Math.max(2, (size / highest) * (BASE - TOP));
    const x = (MARGIN + index * step + 1).toFixed(1);
    const width = (step - 2).toFixed(1);
    return svgElement("rect", { class: "hist-bar", x, y: BASE - height, width, height, rx: 1.5 });
  });
  const base = svgElement("path", { class: "hist-base", d: `M0 ${BASE + 0.5}H${WIDTH}` });
  byId("histogram").replaceChildren(...bars, base, ...axisLabels(), ...markers);
}

function axisLabels() {
  return ["1 ms", "10 ms", "100 ms", "1 s", "10 s"].map((text, decade) => {
    const x = MARGIN + (decade / DECADES) * AXIS;
    return svgElement("text", { class: "hist-label", x, y: BASE + 14, "text-anchor": "middle" }, text);
  });
}

/**
 * The median's name stands left of its line, the other's right: they never meet.
 * @param {number} ms
 * @param {"p50" | "p99"} name
 */
function marker(ms, name) {
  const x = MARGIN + position(ms) * AXIS;
  return svgElement("g", { class: `hist-mark ${name}` },
    svgElement("path", { d: `M${x} 2V${BASE}` }),
    svgElement("text", { x: name === "p50" ? x - 3 : x + 3, y: 9 }, name));
}
