/**
 * What a developer may read along.
 *
 * @import { ClientOptions } from "../types.js"
 */

/**
 * @param {ClientOptions["debug"]} debug
 * @returns {(what: string, detail?: unknown) => void}
 */
export function createLog(debug) {
  if (typeof debug === "function") return debug;
  return debug ?? isAsked() ? (what, detail = "") => console.debug("pgbell", what, detail) : () => {};
}

function isAsked() {
  try {
    return globalThis.localStorage?.getItem("pgbell.debug") === "1";
  } catch {
    // A page may be forbidden to look.
    return false;
  }
}
