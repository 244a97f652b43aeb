import { Window } from "happy-dom";

const GLOBALS = ["window", "document", "navigator", "HTMLElement", "HTMLIFrameElement", "Node", "Element"];

/** A document for React to render into, with an IntersectionObserver that tests tell what is in view. */
export function createDom() {
  const window = new Window();
  for (const name of GLOBALS) {
    const value = name === "window" ? window : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  const observers = [];
  globalThis.IntersectionObserver = class {
    constructor(call, options) {
      Object.assign(this, { call, options, elements: new Set() });
      observers.push(this);
    }
    observe(element) {
      this.elements.add(element);
    }
    unobserve(element) {
      this.elements.delete(element);
    }
  };
  return {
    observers,
    root: () => window.document.body.appendChild(window.document.createElement("div")),
    /** Elements come into view, or leave it. */
    view(isIntersecting, ...ids) {
      for (const observer of observers) {
        const targets = [...observer.elements].filter((element) => ids.includes(element.id));
        if (targets.length) observer.call(targets.map((target) => ({ target, isIntersecting })));
      }
    },
  };
}
