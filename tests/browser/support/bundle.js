// Bundles the pages. The client is a link to a directory with development dependencies of its own: React must come from
// here all the same, as it does for whoever installs the client from a registry.

import { resolve } from "node:path";

import { build } from "esbuild";

const here = resolve(import.meta.dirname, "..");
const single = ["react", "react-dom", "@tanstack/react-query", "@tanstack/query-core"];
const alias = Object.fromEntries(single.map((name) => [name, resolve(here, "node_modules", name)]));

/** @param {string} name a page @param {import("esbuild").BuildOptions} options */
export function bundle(name, options) {
  const entryPoints = [resolve(here, `pages/${name}.jsx`)];
  return build({ entryPoints, bundle: true, format: "esm", jsx: "automatic", alias, logLevel: "silent", ...options });
}
