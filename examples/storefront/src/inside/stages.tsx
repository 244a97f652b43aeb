import type { ReactNode } from "react";
import { clock } from "../ui/time";
import type { Journey } from "./journey";

/** Trigger, log, coalesce, room, socket, refetch: what each of them made of the change. */
export function Stages({ journey }: { journey?: Journey }) {
  const { change, room, resync, replayed, travelMs, refetch } = journey ?? {};
  return (
    <ol className="stages" key={journey?.id}>
      <Stage name="trigger" main={change ? `${change.entity} ${change.id}` : resync && "many rows"}>
        {change?.events.map((event) => event.split(":")[1]).join(", ")}
      </Stage>
      <Stage name="log" main={change && clock(change.at)}>
        {change && (change.own ? "by this very page" : "in its transaction")}
      </Stage>
      <Stage name="coalesce" main={change ? `${change.count} → 1` : resync && `resync: ${resync}`}>
        {change && (change.count > 1 ? "row changes, folded" : "nothing to fold")}
      </Stage>
      <Stage name="room" main={room}>
        {room && (replayed ? "replayed to this page" : "this page is in it")}
      </Stage>
      <Stage name="socket" main={travelMs === undefined ? undefined : travelMs <= 1 ? "≤ 1 ms" : `${travelMs} ms`}>
        {travelMs !== undefined && "from the statement"}
      </Stage>
      <Stage name="refetch" main={refetch ? `${refetch.screenMs} ms` : room && "…"}>
        {refetch && (
          <>
            to the screen, {refetch.tookMs} of them for <code>{refetch.path}</code>
          </>
        )}
      </Stage>
    </ol>
  );
}

function Stage({ name, main, children }: { name: string; main?: ReactNode; children?: ReactNode }) {
  return (
    <li className="stage" data-testid={`stage-${name}`} data-reached={Boolean(main) || undefined}>
      <h3>{name}</h3>
      <strong>{main ?? "–"}</strong>
      <span>{children}</span>
    </li>
  );
}
