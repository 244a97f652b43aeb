/**
 * Who listens to what besides the rooms.
 *
 * @import { ClientEvents } from "../types.js"
 */

/** @typedef {ReturnType<typeof createEmitter>} Emitter */

export function createEmitter() {
  /** @type {{[name: string]: Set<[Function]> | undefined}} */
  const listeners = {};

  /** @type {<Name extends keyof ClientEvents>(name: Name, ...detail: Parameters<ClientEvents[Name]>) => void} */
  function emit(name, ...detail) {
    const all = listeners[name];
    for (const listener of [...(all ?? [])]) {
      try {
        if (all?.has(listener)) listener[0](...detail);
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
    if (has("error")) emit("error", shown);
    else console.warn("pgbell:", shown);
  }

  /** @param {keyof ClientEvents} name */
  const has = (name) => listeners[name]?.size;

  return {
    emit,
    fail,
    has,

    /** @type {import("../types.js").Client["on"]} */
    on(name, call) {
      const all = (listeners[name] ??= new Set());
      /** @type {[Function]} */
      const listener = [call];
      all.add(listener);
      return () => all.delete(listener);
    },

    clear() {
      for (const all of Object.values(listeners)) all?.clear();
    },
  };
}
