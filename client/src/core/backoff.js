/** When to come back, and whether at all. Without clock. */

/** Close codes that say that one of both sides has a bug: not worth more than a few attempts. */
const FAULTS = new Set([1002, 1003, 1007, 1009]);

/** Connections that end by a fault, in a row, before a client gives up. */
export const MOST_FAULTS = 3;

/**
 * The range of a close code decides: `stop`, come back `soon`, back off as `fault`, or `later`.
 *
 * @param {number} code
 */
export function verdict(code) {
  if (code >= 4000 && code < 4100) return "stop";
  if (code >= 4200 && code < 4300) return "soon";
  return FAULTS.has(code) ? "fault" : "later";
}

/**
 * Full jitter: a random time below a ceiling that doubles with each attempt.
 *
 * @param {number} attempt failed ones so far
 * @param {{min?: number, max?: number}} [bounds]
 * @param {number} [random] from 0 to 1
 */
export function wait(attempt, { min = 500, max = 20_000 } = {}, random = Math.random()) {
  return Math.round(random * Math.min(max, min * 2 ** Math.min(attempt, 30)));
}
