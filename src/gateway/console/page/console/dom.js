// @ts-check
// Building elements and writing numbers. Text goes in as text nodes only: nothing here parses HTML.

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 */
export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 1,240 up to a hundred thousand, then 1.2M. @param {number} value */
export function formatCount(value) {
  return Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value);
}

/** @param {number} perSecond */
export function formatRate(perSecond) {
  if (perSecond > 0 && perSecond < 10) return perSecond.toFixed(1);
  return formatCount(perSecond);
}

/** @param {number} ms */
export function formatMillis(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}

/** @param {number} seconds */
export function formatDuration(seconds) {
  const parts = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => seconds >= Number(size));
  if (first < 0) return "0 s";
  let rest = seconds;
  return parts.slice(first, first + 2)
    .map(([size, unit]) => {
      const amount = Math.floor(rest / Number(size));
      rest -= amount * Number(size);
      return `${amount} ${unit}`;
    })
    .join(" ");
}

/** @param {number} epochMs */
export function formatClock(epochMs) {
  const date = new Date(epochMs);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** What stands before the first colon. @param {string} event */
export function moduleOf(event) {
  return event.split(":", 1)[0];
}

export const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
