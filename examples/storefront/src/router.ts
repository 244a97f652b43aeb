import { useSyncExternalStore } from "react";

/** `#/product/42` is `["product", "42"]`. */
export function useRoute(): string[] {
  return useSyncExternalStore(listen, () => location.hash).slice(2).split("/");
}

export const go = (path: string) => void (location.hash = path);

function listen(changed: () => void) {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}
