import { useState } from "react";
import { ChaosButton, ChaosDrawer } from "./chaos-drawer";
import { Comparison } from "./comparison";
import { type Journey, useJourney } from "./journey";
import { Stages } from "./stages";
import "./strip.css";

const WIDE = "(min-width: 60rem)";

/** What happens inside: the way of the last change, and what it costs compared with polling. */
export function Strip() {
  const { journey } = useJourney();
  const [open, setOpen] = useState(() => matchMedia(WIDE).matches);
  return (
    <aside className="strip" aria-label="What happens" data-testid="strip" data-open={open}>
      <header>
        <h2>
          <button type="button" aria-expanded={open} aria-controls="strip-body" data-testid="strip-toggle" onClick={() => setOpen(!open)}>
            What happens
          </button>
        </h2>
        <p data-testid="strip-text">{sentence(journey)}</p>
        <ChaosButton />
      </header>
      <div id="strip-body" hidden={!open}>
        <Stages journey={journey} />
        <Comparison />
      </div>
      <ChaosDrawer />
    </aside>
  );
}

function sentence(journey?: Journey) {
  if (!journey) return "Nothing has changed yet.";
  const { change, room, resync, refetch } = journey;
  if (!change) return `${room} is fetched again as a whole (${resync}).`;
  const folded = change.count > 1 ? `, ${change.count} row changes as one` : "";
  const seen = refetch ? `, on screen after ${refetch.screenMs} ms` : "";
  return `${change.entity} ${change.id}: ${change.events.map((event) => event.split(":")[1]?.replaceAll("_", " ")).join(", ")}${folded}${seen}.`;
}
