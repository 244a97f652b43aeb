/**
 * What the page tells of itself. Does nothing where there is no page.
 */

/**
 * Hears what window and document are told; the document's comes by the window first.
 *
 * @param {Record<string, (event: any) => void>} listeners
 * @returns {() => void} stops
 */
export function watchPage(listeners) {
  /** @param {"addEventListener" | "removeEventListener"} act */
  const forAll = (act) => Object.entries(listeners).forEach(([name, listener]) => globalThis[act]?.(name, listener, true));
  forAll("addEventListener");
  return () => forAll("removeEventListener");
}

export const isHidden = () => globalThis.document?.visibilityState === "hidden";

export const isOffline = () => globalThis.navigator?.onLine === false;
