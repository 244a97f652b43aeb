/**
 * Which elements are on the screen, or within a flick of it: one IntersectionObserver for each document.
 */

/** How far beyond the screen counts: what comes into view by scrolling has been joined before. */
const MARGIN = "200px";

/** @typedef {(isVisible: boolean) => void} OnChange */
/** @typedef {{observer: IntersectionObserver, listeners: Map<Element, Set<OnChange>>}} Watch */

/** @type {WeakMap<Document, Watch>} */
const watches = new WeakMap();

/** @param {Document} document @returns {Watch} */
function watch(document) {
  /** @type {Map<Element, Set<OnChange>>} */
  const listeners = new Map();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) listeners.get(target)?.forEach((onChange) => onChange(isIntersecting));
    },
    { rootMargin: MARGIN },
  );
  const made = { observer, listeners };
  watches.set(document, made);
  return made;
}

/**
 * Tells when an element comes into view and when it leaves. Where the browser cannot say, everything is in view.
 *
 * @param {Element} element
 * @param {OnChange} onChange
 * @returns {() => void} what ends it
 */
export function observe(element, onChange) {
  if (!globalThis.IntersectionObserver) {
    onChange(true);
    return () => onChange(false);
  }
  const { observer, listeners } = watches.get(element.ownerDocument) ?? watch(element.ownerDocument);
  const all = listeners.get(element) ?? new Set();
  listeners.set(element, all.add(onChange));
  // Observed anew, so that whoever comes second is told as well.
  observer.unobserve(element);
  observer.observe(element);
  return () => {
    all.delete(onChange);
    onChange(false);
    if (!all.size) {
      listeners.delete(element);
      observer.unobserve(element);
    }
  };
}
