import { client, queryClient } from "../live";
import { count, type Mode, useTraffic } from "./traffic";

const EVERY = 1000;

setInterval(() => {
  count({ seconds: 1 });
  if (useTraffic.getState().mode === "polling") void queryClient.refetchQueries({ type: "active" });
}, EVERY);

/** What the shop would do without pgbell, for comparison: ask for all that is on screen, every second. */
export function switchMode(mode: Mode) {
  useTraffic.setState({ mode });
  if (mode === "polling") client.disconnect();
  else client.connect();
}
