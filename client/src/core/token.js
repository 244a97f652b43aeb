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
  /** @override */
  name = "UnauthorizedError";
}

/**
 * @param {ClientOptions["getToken"]} getToken
 * @param {TokenContext["reason"]} reason
 * @param {AbortController} abort
 * @param {Timers} timers
 * @returns {Promise<string | null | undefined>}
 */
export function askToken(getToken, reason, abort, timers) {
  const { signal } = abort;
  const patience = timers.create();
  patience.set(() => abort.abort(new Error("getToken did not answer in time")), PATIENCE_MS);
  return new Promise((resolve, reject) => {
    signal.onabort = () => reject(signal.reason);
    new Promise((answer) => answer(getToken?.({ reason, signal }))).then(/** @type {any} */ (resolve), reject).then(patience.clear);
  });
}
