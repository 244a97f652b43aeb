// The browser under test: what the system has, never a download.

import { existsSync } from "node:fs";

const found = [process.env.PGBELL_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const executablePath = found.find((path) => path && existsSync(path));

if (!executablePath) throw new Error("no Chromium: apt-get install chromium, or name one with PGBELL_CHROMIUM");

export const args = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Its sandbox does not work for root, nor in many containers; the pages are our own.
  "--no-sandbox",
];

/** For Playwright. Pages may rest in the back/forward cache, as they do for users. */
export const chromium = { executablePath, args, ignoreDefaultArgs: ["--disable-back-forward-cache"] };
