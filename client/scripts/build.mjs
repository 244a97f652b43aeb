/** Builds dist/ and what the daemon serves. With `--check`, only tells whether what the daemon serves is up to date. */
import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import { forPages, packages } from "./bundles.mjs";

if (process.argv.includes("--check")) {
  let isStale = false;
  for (const options of forPages) {
    const { outputFiles } = await build({ ...options, write: false });
    for (const { path, text } of outputFiles) {
      if (text === (await readFile(path, "utf8").catch(() => ""))) continue;
      isStale = true;
      console.error(`${path} is not what its sources say: npm run build`);
    }
  }
  process.exit(isStale ? 1 : 0);
}
await Promise.all([...packages.map(({ options }) => build(options)), ...forPages.map((options) => build(options))]);
