/** Prints what each file weighs, minified and gzipped, and fails where that is too much. */
import { gzipSync } from "node:zlib";
import { packages } from "./bundles.mjs";
import { bundle } from "./minify.mjs";

for (const { name, limit, options } of packages) {
  const [{ text }] = await bundle({ ...options, sourcemap: false });
  const bytes = gzipSync(text, { level: 9 }).length;
  if (bytes > limit) process.exitCode = 1;
  const most = limit ? ` of ${limit}` : "";
  console.log(`${name.padEnd(8)} ${String(text.length).padStart(6)} bytes minified, ${String(bytes).padStart(5)}${most} gzipped`);
}
