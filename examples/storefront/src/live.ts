import { type Query, QueryClient } from "@tanstack/react-query";
import { createClient } from "pgbell";
import { bindQueryClient } from "pgbell/query";
import type { Read } from "./api/types";
import { config } from "./config";
import { WatchedSocket } from "./inside/watched-socket";

/** What was fetched stays good: nothing is fetched again unless pgbell says that it changed. */
export const queryClient = new QueryClient({
  defaultOptions: { queries: { staleTime: Infinity, refetchOnWindowFocus: false, retry: 2 } },
});

/* These lines make the shop live. */

export const client = createClient({ url: config.ws, WebSocket: WatchedSocket });

bindQueryClient(client, queryClient, {
  // Cards join the rooms of their products themselves, while they can be seen: shop/card.tsx. On `buyers` nothing depends.
  keys: { product: ({ id }) => [["card", id]], buyers: () => [] },
  // All other queries say which rooms they depend on, in `meta`: api/queries.ts.
  rooms: (_, query) => roomsOf(query),
  // An answer says where it was read at; what it contains already need not be fetched again.
  cursor: ({ state }) => (state.data as Read | undefined)?.cursor,
});

export function roomsOf({ meta, state }: Query) {
  return typeof meta?.rooms === "function" ? meta.rooms(state.data) : meta?.rooms;
}
