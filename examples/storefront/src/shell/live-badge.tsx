import type { Status } from "pgbell";
import { useConnectionStatus } from "pgbell/react";
import { useTraffic } from "../inside/traffic";

/** Whether what is shown can be trusted, in the header. */
export function LiveBadge() {
  const status = useConnectionStatus();
  const polling = useTraffic(({ mode }) => mode === "polling");
  return (
    <p className="live-badge" role="status" data-testid="live-badge" data-state={status.state} data-live={status.live} data-lost={status.lost}>
      <span className="dot" aria-hidden="true" />
      {polling ? "polling" : short(status)}
    </p>
  );
}

/** The same as a sentence, with the reason. */
export function LiveNote() {
  const status = useConnectionStatus();
  return (
    <p className="live-note" data-live={status.live}>
      {sentence(status)}
    </p>
  );
}

function short({ state, live, stale, lost }: Status) {
  if (live) return "live";
  if (stale) return "late";
  if (state === "reconnecting") return lost ? "offline" : "reconnecting";
  return { idle: "idle", connecting: "connecting", connected: "joining", offline: "no network", closed: "closed" }[state];
}

function sentence({ state, live, stale, reason, code, attempt }: Status) {
  if (live) return "Live: everything here is as it is in the database.";
  if (stale) return "The database is away for a moment: changes will come late.";
  if (state === "offline") return "Your device has no network. What you see is what it was.";
  if (state === "closed") return `Not connected${reason ? `: ${reason} (${code})` : ""}. What you see is what it was.`;
  if (state === "reconnecting") return `Offline${reason ? ` (${reason})` : ""}, attempt ${attempt + 1}. What you see is what it was.`;
  return "Connecting.";
}
