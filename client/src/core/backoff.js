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
 * The longest wait after an attempt that failed, twice that before; or after a connection that broke. Others may have lost
 * theirs at the same moment, so these begin with a spread. The wait itself is any time below it, at random.
 *
 * @param {number} before that of the failure before; 0 if there was none
 * @param {boolean} hadWelcome whether there was a connection
 * @param {{min?: number, max?: number}} bounds
 * @param {number} spread
 */
export const longestWait = (before, hadWelcome, { min = 500, max = 20_000 }, spread) =>
  Math.min(max, Math.max(2 * before, hadWelcome ? spread : 2 * min));
