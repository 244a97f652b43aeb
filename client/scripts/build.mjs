/** Builds dist/ and what the daemon serves. With `--check`, only tells whether what the daemon serves is up to date. */
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { forPages, packages } from "./bundles.mjs";
import { bundle } from "./minify.mjs";

const isCheck = process.argv.includes("--check");
if (!isCheck) await Promise.all(packages.map(({ options }) => build(options)));
for (const { path, text } of (await Promise.all(forPages.map(bundle))).flat()) {
  if (!isCheck) await writeFile(path, text);
  else if (text !== (await readFile(path, "utf8").catch(() => ""))) {
    process.exitCode = 1;
    console.error(`${path} is not what its sources say: npm run build`);
  }
}
