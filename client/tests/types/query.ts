/** The binding takes its types from the QueryClient at hand. */
import { QueryClient } from "@tanstack/react-query";
import { bindQueryClient, type KeysOf } from "pgbell/query";
import { client } from "./core.js";

const queryClient = new QueryClient();

const unbind = bindQueryClient(client, queryClient, {
  rooms: ([kind, id], query) => {
    query.state.dataUpdatedAt satisfies number;
    return kind === "product" ? `product:${id}` : kind === "cart" ? ["cart:7", "buyers"] : null;
  },
  keys: {
    product: ({ id, change }) => [["product", Number(id)], ["products", change?.op]],
    "product:price_changed": () => [["prices"]],
    buyers: () => [],
  },
  cursor: (query) => (query.state.data as { cursor?: string } | undefined)?.cursor,
  throttle: (query) => (query.isActive() ? 500 : 0),
  hidden: "mark",
  own: "skip",
});
unbind();
bindQueryClient(client, queryClient);

export const product: KeysOf = ({ entity, id }) => [[entity, id]];

// @ts-expect-error no such kind of room
bindQueryClient(client, queryClient, { rooms: () => "produkt:42" });
// @ts-expect-error a list of keys is a list of lists
bindQueryClient(client, queryClient, { keys: { product: ({ id }) => ["product", id] } });
// @ts-expect-error no such way to be hidden
bindQueryClient(client, queryClient, { hidden: "ignore" });
// @ts-expect-error no QueryClient
bindQueryClient(client, {});
