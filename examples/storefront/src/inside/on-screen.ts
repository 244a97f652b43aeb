import type { Query } from "@tanstack/react-query";
import { client, queryClient } from "../live";

/** The queries behind what can be seen: a card counts only while its room is joined. */
export const queriesOnScreen = () => queryClient.getQueryCache().findAll({ type: "active", predicate: isOnScreen });

/** A product that can be seen; the first one where none is. */
export function productOnScreen() {
  const shown = queriesOnScreen().find(({ queryKey: [kind] }) => kind === "product" || kind === "card");
  return Number(shown?.queryKey[1] ?? 1);
}

function isOnScreen({ queryKey: [kind, id] }: Query) {
  return kind === "card" ? client.getRoom(`product:${id}`).state === "live" : kind !== "list";
}
