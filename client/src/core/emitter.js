/**
 * Who listens to what besides the rooms.
 *
 * @import { ClientEvents } from "../types.js"
 */

/** @typedef {ReturnType<typeof createEmitter>} Emitter */

export function createEmitter() {
  /** @type {Map<string, Set<{call: Function}>>} */
  const listeners = new Map();

  /**
   * @template {keyof ClientEvents} Name
   * @param {Name} name
   * @param {Parameters<ClientEvents[Name]>} detail
   */
  function emit(name, ...detail) {
    const all = listeners.get(name) ?? new Set();
    for (const listener of [...all]) {
      if (!all.has(listener)) continue;
      try {
        listener.call(...detail);
      } catch (error) {
        // Nobody is left to tell of an error listener that throws.
        if (name === "error") console.error(error);
        else fail(error);
      }
    }
  }

  /** @param {unknown} error */
  function fail(error) {
    const shown = error instanceof Error ? error : new Error(String(error));
    if (listeners.get("error")?.size) emit("error", shown);
    else console.warn("pgbell:", shown);
  }

  return {
    emit,
    fail,

    /**
     * @template {keyof ClientEvents} Name
     * @param {Name} name
     * @param {ClientEvents[Name]} call
     */
    on(name, call) {
      const listener = { call };
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(listener));
      return () => void all.delete(listener);
    },

    /** @param {keyof ClientEvents} name */
    has: (name) => Boolean(listeners.get(name)?.size),
    clear: () => listeners.forEach((all) => all.clear()),
  };
}
