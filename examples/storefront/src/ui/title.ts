import { useEffect } from "react";

const SHOP = "Fifteen Things";

/** Names the page in the browser's tab, and to a screen reader that arrives there. */
export function useTitle(page?: string) {
  useEffect(() => {
    document.title = page ? `${page}, ${SHOP}` : SHOP;
  }, [page]);
}
