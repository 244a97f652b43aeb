/** What is built, and how. */
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
/** Where the daemon takes the files from that it serves. */
export const served = fileURLToPath(new URL("../../src/gateway/client/", import.meta.url));

const licence = "/*! pgbell client. MIT OR Apache-2.0 */";
const shared = {
  absWorkingDir: root,
  bundle: true,
  target: "es2022",
  platform: "neutral",
  external: ["pgbell", "react", "react/jsx-runtime", "@tanstack/query-core"],
  logLevel: "warning",
  sourcemap: true,
  legalComments: "inline",
};

/** What is loaded only where WebSockets fail stays a file of its own, called `path` beside the one that loads it. */
const apart = (path) => ({
  name: "apart",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/events\.js$/, namespace: "file" }, () => ({ path, external: true })),
});
const core = "src/index.js";
const events = "src/core/events.js";

/** The package: readable, for bundlers. `limit` is what each file may weigh, minified and gzipped. */
export const packages = [
  { name: "index", entry: core, limit: 6144, plugins: [apart("./events.js")] },
  { name: "events", entry: events, limit: 1400 },
  { name: "react", limit: 1500, banner: { js: '"use client";' } },
  { name: "query", limit: 1536 },
  { name: "testing" },
].map(({ name, limit, entry = `src/${name}/index.js`, ...more }) => ({
  name,
  limit,
  options: { ...shared, format: "esm", entryPoints: [entry], outfile: `dist/${name}.js`, ...more },
}));

const whole = { ...shared, banner: { js: licence }, write: false };

/** What a page loads from the daemon. */
export const forPages = [
  { ...whole, format: "esm", entryPoints: [core], outfile: `${served}client.js`, plugins: [apart("./client.events.js")] },
  { ...whole, format: "esm", entryPoints: [events], outfile: `${served}client.events.js` },
  { ...whole, format: "iife", entryPoints: [core], outfile: `${served}client.global.js`, globalName: "pgbell" },
];
