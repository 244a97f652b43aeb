/** What `import … from "pgbell"` offers to TypeScript. By `export *`, so that an app can add to `Rooms` and `Events`. */
export * from "./types.js";
export * from "./protocol.js";
export * from "./catalogue.js";
export { createClient, UnauthorizedError } from "./index.js";
