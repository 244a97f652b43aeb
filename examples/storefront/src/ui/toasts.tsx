import { dismiss, useToasts } from "../state/toasts";
import "./toasts.css";

export function Toasts() {
  const toasts = useToasts((state) => state.toasts);
  return (
    <section className="toasts" aria-label="News" aria-live="polite" data-testid="toasts">
      {toasts.map(({ id, kind, text, href }) => (
        <div key={id} className="toast" data-kind={kind} data-testid="toast">
          {href ? <a href={href}>{text}</a> : <span>{text}</span>}
          <button type="button" className="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ×
          </button>
        </div>
      ))}
    </section>
  );
}
