import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// The very same tests with the older React: bundled, because only that makes `react-dom` find it, too.
const tests = fileURLToPath(new URL(".", import.meta.url));
const react18 = join(tests, "react-18/node_modules");
const directory = mkdtempSync(join(tests, "../node_modules/.react-18-"));
after(() => rmSync(directory, { recursive: true }));
await build({
  entryPoints: [join(tests, "react.test.js")],
  outfile: join(directory, "react.test.mjs"),
  bundle: true,
  platform: "node",
  format: "esm",
  alias: { react: join(react18, "react"), "react-dom": join(react18, "react-dom") },
  external: ["happy-dom"],
  banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` },
  logLevel: "error",
});
// That of Node keeps the process alive for as long as somebody listens, and `act` never stops to.
globalThis.MessageChannel = class {
  port1 = {};
  port2 = { postMessage: () => setImmediate(() => this.port1.onmessage()) };
};
await import(join(directory, "react.test.mjs"));
