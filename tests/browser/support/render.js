// Server rendering: bundles ../pages/render.jsx for Node and runs it.

import { spawn } from "node:child_process";
import { bundle } from "./bundle.js";

/** Renders the page for what it is told; returns its HTML and what was written to standard error. */
export async function render(told, file) {
  // React's own files for Node are CommonJS.
  const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  await bundle("render", { outfile: file, platform: "node", banner: { js } });
  const node = spawn(process.execPath, [file]);
  const read = async (stream) => {
    let text = "";
    for await (const part of stream.setEncoding("utf8")) text += part;
    return text;
  };
  node.stdin.end(JSON.stringify(told));
  const [html, complaints] = await Promise.all([read(node.stdout), read(node.stderr)]);
  return { html, complaints };
}
