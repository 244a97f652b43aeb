/**
 * Asking the app for a token.
 *
 * @import { ClientOptions, TokenContext } from "../types.js"
 * @import { Timers } from "./timers.js"
 */

/** How long an app may take. */
const PATIENCE_MS = 10_000;

/** Thrown by `getToken`, it says that there is none to be had: the client closes for good. */
export class UnauthorizedError extends Error {
  constructor(message = "unauthorized") {
    super(message);
    this.name = "UnauthorizedError";
  }
}

/**
 * @param {ClientOptions["getToken"]} getToken
 * @param {TokenContext["reason"]} reason
 * @param {AbortController} abort
 * @param {Timers} timers
 * @returns {Promise<string | null | undefined>}
 */
export async function askToken(getToken, reason, abort, timers) {
  const { signal } = abort;
  /** @type {Promise<never>} */
  const given = new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  const patience = timers.set(() => abort.abort(new Error("getToken did not answer in time")), PATIENCE_MS);
  try {
    const asked = async () => getToken?.({ reason, signal });
    return await Promise.race([asked(), given]);
  } finally {
    timers.clear(patience);
  }
}
