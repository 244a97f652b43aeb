// @ts-check
// The "try it" box. `demo.json` exists only when `pgbell demo` serves this page.

import { byId } from "./dom.js";
import { ask } from "./operator.js";

const DEMO_TIMEOUT_MS = 1500;

/** @typedef {{ psql?: string, rooms?: string[] }} Demo */

/** @returns {Promise<Demo>} */
export async function loadDemo() {
  try {
    const response = await ask("demo.json", { signal: AbortSignal.timeout(DEMO_TIMEOUT_MS) });
    return response.status === 200 ? await response.json() : {};
  } catch {
    return {};
  }
}

/** @param {Demo} demo */
export function showTryIt(demo) {
  const psql = byId("try-psql");
  if (typeof demo.psql === "string") {
    psql.hidden = false;
    const code = psql.querySelector("code");
    if (code) code.textContent = demo.psql;
    byId("try-intro").textContent = "In a second terminal, open psql and change a row:";
  }
  for (const box of [psql, byId("try-sql")]) {
    box.querySelector("button")?.addEventListener("click", () => copy(box.querySelector("code")));
  }
}

/**
 * The clipboard needs a secure context; elsewhere the text is selected, ready for the copy key.
 * @param {Element | null} code
 */
async function copy(code) {
  if (!code) return;
  const status = byId("try-status");
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    status.textContent = "Copied.";
  } catch {
    getSelection()?.selectAllChildren(code);
    status.textContent = "Selected: copy it with your copy key.";
  }
}
