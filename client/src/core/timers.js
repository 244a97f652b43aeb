/** Timers that keep no Node process alive and can all be cleared at once. */

/** @typedef {ReturnType<typeof createTimers>} Timers */
/** @typedef {ReturnType<Timers["create"]>} Timer */

export function createTimers() {
  /** Those that are set. @type {Set<() => void>} */
  const running = new Set();
  return {
    /** One that can be set again and again. */
    create() {
      /** @type {any} */
      let handle;
      const clear = () => {
        clearTimeout(handle);
        handle = undefined;
        running.delete(clear);
      };
      const timer = {
        clear,
        isSet: () => !!handle,

        /** Instead of what it was set to. @type {(act: () => void, ms: number) => void} */
        set(act, ms) {
          clear();
          running.add(clear);
          handle = setTimeout(() => {
            clear();
            act();
          }, ms);
          // In browsers it is a number.
          handle.unref?.();
        },

        /** Unless it is set. @type {(act: () => void, ms: number) => void} */
        ensure(act, ms) {
          if (!handle) timer.set(act, ms);
        },
      };
      return timer;
    },

    clearAll() {
      for (const clear of running) clear();
    },
  };
}
