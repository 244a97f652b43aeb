/** The browser client of pgbell. Importing it does nothing. */
export { createClient } from "./core/client.js";
export { UnauthorizedError } from "./core/token.js";
