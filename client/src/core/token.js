/** Thrown by `getToken`, it says that there is none to be had: the client closes for good. */
export class UnauthorizedError extends Error {
  /** @override */
  name = "UnauthorizedError";
}
