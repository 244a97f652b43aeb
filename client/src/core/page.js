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
  /** @param {any} event */
  const hear = ({ type, persisted = true }) => {
    if (type === "offline") on.offline();
    else if (type === "visibilitychange" && isHidden()) on.hide();
    // A page that is loaded for the first time is shown as well, and one that is left for good hidden.
    else if (persisted) type === "pagehide" ? on.leave() : on.wake();
  };
  // Chrome does not always tell a frozen page that it is visible again, but that it is resumed.
  /** @type {Map<any, string>} */
  const targets = new Map();
  targets.set(globalThis, "online offline pageshow pagehide");
  targets.set(globalThis.document, "visibilitychange resume");
  /** @param {"addEventListener" | "removeEventListener"} act */
  const forAll = (act) => targets.forEach((names, target) => names.split(" ").forEach((name) => target?.[act]?.(name, hear)));
  forAll("addEventListener");
  return () => forAll("removeEventListener");
}

export const isHidden = () => globalThis.document?.visibilityState === "hidden";

export const isOffline = () => globalThis.navigator?.onLine === false;
