import { useRoom } from "pgbell/react";
import { useState } from "react";

/** What the shop tells everybody. The text came in a log row of its own; nothing had to be fetched. */
export function Announcement() {
  const [text, setText] = useState<string>();
  useRoom("buyers", (notice) => {
    if (notice.type !== "invalidate") return;
    const told = notice.changes.map((change) => change.new?.text).findLast((text) => typeof text === "string");
    if (told) setText(String(told));
  });
  return (
    <div role="status" data-testid="announcement">
      {text && (
        <p className="announcement">
          {text}
          <button type="button" className="quiet" aria-label="Close" onClick={() => setText(undefined)}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}
