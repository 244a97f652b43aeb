import { useEffect, useRef, useState } from "react";
import { useChanged } from "./changed";

const TAKES = 600;
const whole = (value: number) => String(Math.round(value));

/** A number that runs to its new value. What it really is, is in `data-value`, and what a screen reader reads. */
export function RunningNumber({ value, format = whole, testId }: { value: number; format?: (value: number) => string; testId?: string }) {
  const shown = useRunning(value);
  return (
    <span className="number" data-testid={testId} data-value={value} data-changed={useChanged(value)}>
      <span aria-hidden="true">{format(shown)}</span>
      <span className="visually-hidden">{format(value)}</span>
    </span>
  );
}

function useRunning(target: number) {
  const [shown, setShown] = useState(target);
  const from = useRef(target);
  useEffect(() => {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return setShown((from.current = target));
    const start = performance.now();
    const origin = from.current;
    let frame = requestAnimationFrame(function step(now) {
      const part = Math.min(1, Math.max(0, (now - start) / TAKES));
      from.current = part === 1 ? target : origin + (target - origin) * (1 - (1 - part) ** 3);
      setShown(from.current);
      if (part < 1) frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [target]);
  return shown;
}
