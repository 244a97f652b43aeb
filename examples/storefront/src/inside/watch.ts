import type { Notice } from "pgbell";
import { client, queryClient } from "../live";
import { useTraffic } from "./traffic";

const LONGEST_S = 30;

/** Counts what this page is told from now on; of one room, if named. */
export function watch(room?: string) {
  const seen = { notices: 0, rows: 0, replayed: 0 };
  const resynced = new Set<string>();
  const before = useTraffic.getState().pgbell.requests;
  const away = stopwatch();
  const late = stopwatch();

  const offs = [
    client.on("notice", (notice) => note(notice)),
    client.on("status", ({ live, state, stale }) => {
      away(state !== "connected" || (!live && !stale));
      late(stale);
    }),
  ];

  function note(notice: Notice) {
    if (room && notice.room !== room) return;
    if (notice.type === "resync") resynced.add(notice.room);
    if (notice.type !== "invalidate") return;
    seen.notices += 1;
    for (const { count } of notice.changes) seen.rows += count;
    if (notice.replayed) seen.replayed += notice.changes.length;
  }

  /** Resolves when `seconds` have passed, the connection is live and nothing is being fetched. */
  async function settled(seconds: number) {
    await pause(seconds);
    for (let waited = 0; waited < LONGEST_S && !isQuiet(); waited += 0.2) await pause(0.2);
    for (const off of offs) off();
    return { ...seen, awayMs: away(false), lateMs: late(false), resynced: resynced.size, requests: useTraffic.getState().pgbell.requests - before };
  }

  return { settled };
}

/** Adds up how long something was so. */
function stopwatch() {
  let since: number | undefined;
  let sum = 0;
  return (running: boolean) => {
    if (since !== undefined) sum += Date.now() - since;
    since = running ? Date.now() : undefined;
    return sum;
  };
}

const isQuiet = () => client.getStatus().live && queryClient.isFetching() === 0;
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
