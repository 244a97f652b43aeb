import { switchMode } from "./mode";
import { type Mode, resetTraffic, type Traffic, useTraffic } from "./traffic";

const MODES: { mode: Mode; name: string }[] = [
  { mode: "pgbell", name: "pgbell" },
  { mode: "polling", name: "Polling" },
];

/** The same page with pgbell, and without: what it asks for, and how much of that was worth asking. */
export function Comparison() {
  const traffic = useTraffic();
  return (
    <table className="comparison">
      <caption className="visually-hidden">What the page asked for, by mode</caption>
      <thead>
        <tr>
          <th scope="col">
            <button type="button" className="quiet" data-testid="counters-reset" onClick={resetTraffic}>
              Start over
            </button>
          </th>
          <th scope="col">requests</th>
          <th scope="col">news</th>
          <th scope="col">kB</th>
          <th scope="col">events</th>
          <th scope="col">seconds</th>
        </tr>
      </thead>
      <tbody>
        {MODES.map(({ mode, name }) => (
          <Row key={mode} mode={mode} name={name} traffic={traffic[mode]} on={traffic.mode === mode} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ mode, name, traffic, on }: { mode: Mode; name: string; traffic: Traffic; on: boolean }) {
  const { requests, fresh, bytes, events, seconds } = traffic;
  return (
    <tr data-on={on}>
      <th scope="row">
        <button type="button" className="mode" aria-pressed={on} data-testid={`mode-${mode}`} onClick={() => switchMode(mode)}>
          {name}
        </button>
      </th>
      <td data-testid={`${mode}-requests`}>{on ? <span data-testid="requests-count">{requests}</span> : requests}</td>
      <td data-testid={`${mode}-new`}>
        {fresh} {requests > 0 && <small>{Math.round((100 * fresh) / requests)}%</small>}
      </td>
      <td data-testid={`${mode}-bytes`} data-value={bytes}>
        {(bytes / 1000).toFixed(1)}
      </td>
      <td data-testid={`${mode}-events`}>{events}</td>
      <td>{seconds}</td>
    </tr>
  );
}
