import { QueryClient, QueryObserver } from "@tanstack/query-core";

/** Everything that waits for nothing but the end of a task has happened, timers of 0 ms among it. */
export const settled = async () => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setTimeout(resolve));
};

/** A server whose answers come when the test says so, with the value of the moment at which they were asked for. */
export function createServer() {
  const values = new Map();
  const requests = [];
  return {
    requests,
    set: (name, value) => values.set(name, value),
    get: (name) => values.get(name),
    /** How many requests there were. */
    count: (name) => requests.filter((request) => request.name === name).length,
    fetch: (name) =>
      new Promise((resolve, reject) => {
        const read = values.get(name);
        const settle = (act) => (value) => {
          request.open = false;
          act(value);
        };
        const request = { name, open: true, answer: () => settle(resolve)({ is: read ?? null }), fail: () => settle(reject)(new Error("no luck")) };
        requests.push(request);
      }),
    open: () => requests.filter((request) => request.open),
    /** Answers what is open, and what is asked thereupon, until nothing is asked any more. */
    async calm() {
      for (let turn = 0; turn < 100; turn++) {
        await settled();
        if (!requests.some((request) => request.open)) return;
        for (const request of requests) if (request.open) request.answer();
      }
      throw new Error("the page never stops fetching");
    },
  };
}

export const createPage = (queries = {}) => new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity, ...queries } } });

/** A component that uses a query named after what it fetches: `product:42` has the key `["product", "42"]`. */
export function mount(queryClient, server, name, options = {}) {
  const observer = new QueryObserver(queryClient, { queryKey: name.split(":"), queryFn: () => server.fetch(name), ...options });
  return { observer, unmount: observer.subscribe(() => {}), data: () => observer.getCurrentResult().data?.is };
}

/** Pretends that the tab is hidden or seen; `restore` takes the document away again. */
export function fakeDocument() {
  const document = new EventTarget();
  document.visibilityState = "visible";
  globalThis.document = document;
  return {
    show(visibilityState) {
      document.visibilityState = visibilityState;
      document.dispatchEvent(new Event("visibilitychange"));
    },
    restore: () => void delete globalThis.document,
  };
}
