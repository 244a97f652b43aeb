import type { Query } from "@tanstack/react-query";
import type { Notice, NoticedChange } from "pgbell";
import { create } from "zustand";
import { client, queryClient, roomsOf } from "../live";
import { since } from "./clock";
import { answers } from "./traffic";

/** The way of one change, from the statement that made it to this screen. */
export interface Journey {
  id: number;
  room: string;
  /** Absent where the daemon only said to fetch all of the room again. */
  change?: NoticedChange;
  resync?: string;
  replayed: boolean;
  /** When the notice was here, on this machine's clock. */
  noticedAt: number;
  /** From the start of the statement until then. */
  travelMs?: number;
  refetch?: { path: string; tookMs: number; screenMs: number };
}

/** A change stays in the strip for this long, so that it can be read; the reader's own takes its place at once. */
const SHOWN_FOR = 1500;
const GIVEN_UP_AFTER = 4000;

export const useJourney = create<{ journey?: Journey }>(() => ({}));

let fetching: { journey: Journey; query: Query; startedAt: number } | undefined;

client.on("notice", (notice) => {
  const now = Date.now();
  const own = notice.type === "invalidate" && notice.changes.some((change) => change.own);
  if (notice.type === "live" || (!own && isBeingShown(now))) return;
  fetching = undefined;
  useJourney.setState({ journey: begin(notice, now) });
});

queryClient.getQueryCache().subscribe((event) => {
  const { journey } = useJourney.getState();
  if (event.type !== "updated" || !journey || journey.refetch) return;
  const { query, action } = event;
  if (action.type === "fetch" && !fetching && dependsOn(query, journey.room)) {
    fetching = { journey, query, startedAt: performance.now() };
  }
  if (action.type === "success" && fetching?.query === query) {
    const { startedAt } = fetching;
    requestAnimationFrame(() => requestAnimationFrame(() => arrive(journey, startedAt)));
  }
});

function begin(notice: Exclude<Notice, { type: "live" }>, noticedAt: number): Journey {
  const common = { id: noticedAt, room: notice.room, noticedAt };
  if (notice.type === "resync") return { ...common, resync: notice.reason, replayed: false };
  const change = notice.changes.find((one) => one.own) ?? notice.changes[0];
  return { ...common, change, replayed: notice.replayed, travelMs: change && since(change.at, noticedAt) };
}

/** Called when the screen has been painted with what was fetched. */
function arrive(journey: Journey, startedAt: number) {
  const answer = answers.findLast((answer) => answer.startedAt >= startedAt);
  if (useJourney.getState().journey !== journey || !answer) return;
  const screenMs = (journey.travelMs ?? 0) + Date.now() - journey.noticedAt;
  const tookMs = Math.round(answer.endedAt - answer.startedAt);
  useJourney.setState({ journey: { ...journey, refetch: { path: answer.path, tookMs, screenMs } } });
}

function dependsOn(query: Query, room: string) {
  const [kind, id] = query.queryKey;
  const rooms: string[] = [roomsOf(query) ?? []].flat();
  return rooms.includes(room) || (kind === "card" && room === `product:${id}`);
}

function isBeingShown(now: number) {
  const { journey } = useJourney.getState();
  if (!journey) return false;
  return now - journey.noticedAt < (journey.refetch ? SHOWN_FOR : GIVEN_UP_AFTER);
}
