/** Prints what each part weighs, minified and gzipped, and fails where that is too much. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { packages } from "./bundles.mjs";

let isTooMuch = false;
for (const { name, limit, options } of packages) {
  const { outputFiles } = await build({ ...options, minify: true, sourcemap: false, write: false });
  const code = outputFiles.find(({ path }) => path.endsWith(".js")).contents;
  const bytes = gzipSync(code, { level: 9 }).length;
  isTooMuch ||= bytes > limit;
  const most = limit ? ` of ${limit}` : "";
  console.log(`${name.padEnd(8)} ${String(code.length).padStart(6)} bytes minified, ${String(bytes).padStart(5)}${most} gzipped`);
}
process.exit(isTooMuch ? 1 : 0);
