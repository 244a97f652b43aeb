import type { Query } from "@tanstack/react-query";
import { queryClient } from "../live";
import { queriesOnScreen } from "./on-screen";

const SECOND_LOOK_MS = 2500;

/**
 * Fetches, past the cache, all that is on screen, and counts what differs. What differs at first may be a change that is
 * on its way: it counts only if the screen still shows something else after a while.
 */
export async function countStale() {
  const shown = queriesOnScreen();
  const suspects = (await Promise.all(shown.map(differs))).filter((query) => query !== undefined);
  if (suspects.length > 0) await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
  const stale = (await Promise.all(suspects.map(differs))).filter((query) => query !== undefined);
  return { stale: stale.length, checked: shown.length };
}

async function differs(query: Query) {
  const queryKey = ["check", ...query.queryKey];
  const truth = await queryClient.fetchQuery({ queryKey, queryFn: query.options.queryFn, staleTime: 0, gcTime: 0 });
  return comparable(truth) === comparable(query.state.data) ? undefined : query;
}

const comparable = (data: unknown) => JSON.stringify(data, (name, value) => (name === "cursor" ? undefined : value));
