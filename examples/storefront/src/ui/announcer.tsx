import { useEffect, useRef } from "react";
import { create } from "zustand";

const useAnnouncement = create(() => ({ text: "" }));

/** Reads out `text` when it is another than before: for what changes on screen without anybody having touched it. */
export function useAnnounced(text: string | undefined) {
  const before = useRef(text);
  useEffect(() => {
    if (before.current !== undefined && text !== undefined && before.current !== text) useAnnouncement.setState({ text });
    before.current = text;
  }, [text]);
}

/** The one place that a screen reader listens to for `useAnnounced`. */
export function Announcer() {
  return (
    <p className="visually-hidden" aria-live="polite" data-testid="announcer">
      {useAnnouncement((state) => state.text)}
    </p>
  );
}
