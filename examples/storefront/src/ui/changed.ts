import { useEffect, useRef, useState } from "react";

const SHOWN_FOR = 1600;

/** `"up"`, `"down"` or `"other"` for a moment after `value` has changed; never for the value that was there first. */
export function useChanged(value: unknown): "up" | "down" | "other" | undefined {
  const before = useRef(value);
  const [change, setChange] = useState<"up" | "down" | "other">();
  useEffect(() => {
    const last = before.current;
    before.current = value;
    if (last === value || last === undefined) return;
    const numbers = typeof value === "number" && typeof last === "number";
    setChange(numbers ? (value > last ? "up" : "down") : "other");
    const timer = setTimeout(() => setChange(undefined), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [value]);
  return change;
}
