/** What is built, and how. */
import { existsSync } from "node:fs";
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

/** The package: one file per subpath, readable, for bundlers. `limit` is what each may weigh, minified and gzipped. */
export const packages = [
  { name: "index", limit: 8400 },
  { name: "react", limit: 1500, banner: '"use client";' },
  { name: "query", limit: 1500 },
  { name: "testing" },
]
  .map((each) => ({ ...each, entry: each.name === "index" ? "src/index.js" : `src/${each.name}/index.js` }))
  .filter(({ entry }) => existsSync(`${root}/${entry}`))
  .map((each) => ({
    ...each,
    options: {
      ...shared,
      format: "esm",
      entryPoints: [each.entry],
      outfile: `dist/${each.name}.js`,
      banner: each.banner ? { js: each.banner } : {},
    },
  }));

const whole = { ...shared, entryPoints: ["src/index.js"], minify: true, banner: { js: licence } };

/** What a page loads from the daemon. */
export const forPages = [
  { ...whole, format: "esm", outfile: `${served}client.js` },
  { ...whole, format: "iife", globalName: "pgbell", outfile: `${served}client.global.js` },
];
