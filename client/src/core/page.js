/**
 * What the page tells of itself: that it sleeps, wakes, is hidden, or has no network. Does nothing where there is no page.
 */

/**
 * @param {object} on
 * @param {() => void} on.wake something that may have cut the connection is over
 * @param {() => void} on.hide
 * @param {() => void} on.offline
 * @param {() => void} on.leave the page goes into the back/forward cache
 * @returns {() => void} stops
 */
export function watchPage(on) {
  /** @type {(() => void)[]} */
  const stops = [];
  /** @type {(target: EventTarget | undefined, name: string, hear: (event: any) => void) => void} */
  const hear = (target, name, listener) => {
    if (!target?.addEventListener) return;
    target.addEventListener(name, listener);
    stops.push(() => target.removeEventListener(name, listener));
  };
  const { document } = globalThis;
  hear(globalThis, "online", on.wake);
  hear(globalThis, "pageshow", (event) => event.persisted && on.wake());
  // Chrome does not always tell a frozen page that it is visible again.
  hear(document, "resume", on.wake);
  hear(document, "visibilitychange", () => (isHidden() ? on.hide() : on.wake()));
  hear(globalThis, "offline", on.offline);
  hear(globalThis, "pagehide", (event) => event.persisted && on.leave());
  return () => stops.forEach((stop) => stop());
}

export const isHidden = () => globalThis.document?.visibilityState === "hidden";

export const isOffline = () => globalThis.navigator?.onLine === false;
