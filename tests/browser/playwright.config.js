import { defineConfig } from "@playwright/test";

import { chromium } from "./support/chromium.js";

export default defineConfig({
  testDir: "specs",
  testMatch: "**/*.spec.js",
  timeout: 60_000,
  expect: { timeout: 15_000 },
  // Each worker has a Postgres and a daemon of its own.
  workers: 2,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    launchOptions: chromium,
    viewport: { width: 1280, height: 800 },
    actionTimeout: 15_000,
    navigationTimeout: 15_000,
  },
});
