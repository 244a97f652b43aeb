// @ts-check
// What only the operator may see. Where the daemon wants a token, the page asks for it and keeps it in memory: not
// in a cookie, not in the browser's storage, not in an address.

import { byId } from "./dom.js";

const UNAUTHORIZED = 401;
const TOO_MANY_REQUESTS = 429;

let token = "";

byId("operator").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (byId("operator-token"));
  token = input.value.trim();
  input.value = "";
  byId("operator").hidden = true;
});

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
export async function ask(path, options = {}) {
  const sent = token;
  const headers = sent ? { authorization: `Bearer ${sent}` } : undefined;
  const response = await fetch(path, { ...options, headers });
  const isRefused = [UNAUTHORIZED, TOO_MANY_REQUESTS].includes(response.status);
  if (isRefused && sent === token) {
    const wait = response.headers.get("retry-after");
    const refusal = wait ? `Too many wrong tokens: try again in ${wait} s.` : "That is not the token.";
    byId("operator").hidden = false;
    byId("operator-error").textContent = sent ? refusal : "";
    token = "";
  }
  return response;
}
