import { useMutation } from "@tanstack/react-query";
import { useWrite } from "../ui/write";
import { announce, type Deed, DEEDS } from "./chaos";
import "./chaos.css";

const ID = "chaos";

export function ChaosButton() {
  return (
    <button type="button" popoverTarget={ID} data-testid="chaos-open">
      Break something
    </button>
  );
}

/** Breaks things, and shows what was expected beside what was seen. The shop stays in sight. */
export function ChaosDrawer() {
  return (
    <section id={ID} popover="manual" role="dialog" className="chaos" aria-labelledby="chaos-title" data-testid="chaos">
      <header>
        <h2 id="chaos-title">Break something</h2>
        <button type="button" className="quiet" popoverTarget={ID} popoverTargetAction="hide" aria-label="Close" data-testid="chaos-close">
          ×
        </button>
      </header>
      {DEEDS.map((deed) => (
        <Breaker key={deed.what} deed={deed} />
      ))}
      <Announce />
    </section>
  );
}

function Breaker({ deed: { what, name, expected, run } }: { deed: Deed }) {
  const deed = useMutation({ mutationFn: run });
  return (
    <section className="deed" aria-busy={deed.isPending}>
      <button type="button" data-testid={`chaos-${what}`} disabled={deed.isPending} onClick={() => deed.mutate()}>
        {name}
      </button>
      <dl>
        <dt>expected</dt>
        <dd data-testid={`chaos-expected-${what}`}>{expected}</dd>
        <dt>seen</dt>
        <dd>
          <output data-testid={`chaos-seen-${what}`}>{deed.isPending ? "Watching…" : (deed.data ?? deed.error?.message ?? "–")}</output>
        </dd>
      </dl>
    </section>
  );
}

function Announce() {
  const tell = useWrite(announce);
  return (
    <form
      className="deed"
      onSubmit={(event) => {
        event.preventDefault();
        tell.mutate(String(new FormData(event.currentTarget).get("text")));
      }}
    >
      <label htmlFor="announce">Tell all customers</label>
      <input id="announce" name="text" required maxLength={120} defaultValue="Free tea at the counter until six" data-testid="chaos-announce-text" />
      <button type="submit" data-testid="chaos-announce">
        Announce
      </button>
    </form>
  );
}
