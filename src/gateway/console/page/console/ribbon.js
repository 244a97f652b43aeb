// @ts-check
// The ribbon above the stations. Its widest point grows with the logarithm of the traffic; the others are drawn in
// proportion to it, so folding shows as narrowing. The dots are events that really arrived: all row changes of one
// entity start, one dot goes on past "folded".

import { reducedMotion, svgElement } from "./dom.js";

const STATIONS = 5;
const FOLD = 1;
const JOURNEY_MS = 1700;
const MAX_DOTS = 90;
const DOTS_PER_CHANGE = 6;
const THINNEST = 2;
const SAMPLES = 60;
/** The rate that fills the strip, and the share of it that any traffic at all gets. */
const FULL_RATE = 5000;
const FLOOR_SHARE = 0.35;

/** @typedef {{ node: Element, along: number, lane: number, folds: boolean }} Dot */

export class Ribbon {
  #svg;
  #band = svgElement("path", { class: "ribbon-band" });
  #line = svgElement("path", { class: "ribbon-line" });
  #ticks = svgElement("path", { class: "ribbon-ticks" });
  #gradient = svgElement("linearGradient", { id: "ribbon-fill" },
    svgElement("stop", { class: "ribbon-from", offset: "0", "stop-opacity": "0" }),
    svgElement("stop", { class: "ribbon-from", offset: "0.09" }),
    svgElement("stop", { class: "ribbon-to", offset: "1" }));
  #dotLayer = svgElement("g");
  /** @type {Dot[]} */
  #dots = [];
  #widths = new Array(STATIONS).fill(THINNEST);
  #targets = new Array(STATIONS).fill(THINNEST);
  #length = 1;
  #thickness = 1;
  #vertical = false;
  #running = false;
  #lastFrame = 0;

  /** @param {Element} svg */
  constructor(svg) {
    this.#svg = svg;
    svg.append(svgElement("defs", {}, this.#gradient), this.#band, this.#line, this.#ticks, this.#dotLayer);
    new ResizeObserver(() => this.#resize()).observe(svg);
  }

  /** @param {number[]} rates per second, one for each station */
  show(rates) {
    const room = this.#thickness / 2 - 2;
    const highest = Math.max(...rates);
    const fullness = Math.min(1, Math.log10(1 + highest) / Math.log10(1 + FULL_RATE));
    const widest = highest > 0 ? room * (FLOOR_SHARE + (1 - FLOOR_SHARE) * fullness) : 0;
    this.#targets = rates.map((rate) => Math.max(THINNEST, widest * Math.sqrt(rate / (highest || 1))));
    if (reducedMotion.matches) {
      this.#widths = [...this.#targets];
      this.#draw();
    } else {
      this.#run();
    }
  }

  /** @param {string} module @param {number} count row changes folded into it */
  launch(module, count) {
    if (reducedMotion.matches || document.hidden) return;
    const wanted = Math.min(DOTS_PER_CHANGE, Math.max(1, Math.ceil(Math.log2(count + 1))));
    for (let index = 0; index < wanted && this.#dots.length < MAX_DOTS; index++) {
      const node = svgElement("circle", { class: "dot", "data-module": module, r: index === 0 ? 3 : 2 });
      this.#dotLayer.append(node);
      const along = -Math.random() * 0.06;
      this.#dots.push({ node, along, lane: Math.random() * 1.6 - 0.8, folds: index > 0 });
    }
    this.#run();
  }

  #resize() {
    const { width, height } = this.#svg.getBoundingClientRect();
    this.#vertical = height > width;
    this.#length = Math.max(width, height, 1);
    this.#thickness = Math.max(1, Math.min(width, height));
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#gradient.setAttribute("x2", this.#vertical ? "0" : "1");
    this.#gradient.setAttribute("y2", this.#vertical ? "1" : "0");
    this.#draw();
  }

  #run() {
    if (this.#running) return;
    this.#running = true;
    this.#lastFrame = performance.now();
    requestAnimationFrame((now) => this.#frame(now));
  }

  /** @param {number} now */
  #frame(now) {
    const elapsed = Math.min(50, now - this.#lastFrame);
    this.#lastFrame = now;
    let moving = this.#dots.length > 0;
    this.#widths = this.#widths.map((width, station) => {
      const missing = this.#targets[station] - width;
      if (Math.abs(missing) < 0.1) return this.#targets[station];
      moving = true;
      return width + missing * Math.min(1, elapsed / 250);
    });
    this.#draw();
    this.#moveDots(elapsed);
    this.#running = moving;
    if (moving) requestAnimationFrame((next) => this.#frame(next));
  }

  /** @param {number} elapsed */
  #moveDots(elapsed) {
    const foldAt = (FOLD + 0.5) / STATIONS;
    this.#dots = this.#dots.filter((dot) => {
      dot.along += elapsed / JOURNEY_MS;
      const arrived = dot.along >= (dot.folds ? foldAt : 1);
      if (arrived) {
        dot.node.remove();
        return false;
      }
      const [x, y] = this.#point(Math.max(0, dot.along), dot.lane);
      dot.node.setAttribute("cx", x.toFixed(1));
      dot.node.setAttribute("cy", y.toFixed(1));
      return true;
    });
  }

  /** Half the ribbon's width. @param {number} along 0 to 1 */
  #halfWidth(along) {
    const position = Math.min(STATIONS - 1, Math.max(0, along * STATIONS - 0.5));
    const left = Math.floor(position);
    const right = Math.min(STATIONS - 1, left + 1);
    const part = position - left;
    const eased = part * part * (3 - 2 * part);
    return this.#widths[left] + (this.#widths[right] - this.#widths[left]) * eased;
  }

  /** @param {number} along 0 to 1 @param {number} lane -1 to 1 @returns {[number, number]} */
  #point(along, lane) {
    const forward = along * this.#length;
    const across = this.#thickness / 2 + lane * this.#halfWidth(along);
    return this.#vertical ? [across, forward] : [forward, across];
  }

  /** From the ribbon's edge to the name of each station. */
  #tickPaths() {
    return Array.from({ length: STATIONS }, (_, station) => {
      const [x, y] = this.#point((station + 0.5) / STATIONS, 1);
      return `M${x.toFixed(1)} ${y.toFixed(1)}${this.#vertical ? "H" : "V"}${this.#thickness}`;
    });
  }

  #draw() {
    const steps = Array.from({ length: SAMPLES + 1 }, (_, index) => index / SAMPLES);
    const edge = (/** @type {number} */ lane) => steps.map((along) => {
      const [x, y] = this.#point(along, lane);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    this.#band.setAttribute("d", `M${edge(-1).join("L")}L${edge(1).reverse().join("L")}Z`);
    this.#line.setAttribute("d", `M${this.#point(0, 0).join(" ")}L${this.#point(1, 0).join(" ")}`);
    this.#ticks.setAttribute("d", this.#tickPaths().join(""));
  }
}
