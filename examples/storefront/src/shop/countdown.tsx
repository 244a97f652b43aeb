import { useEffect, useState } from "react";

/** The time until `to`, second by second. What happens then is told by pgbell, not by this clock. */
export function Countdown({ to, testId }: { to: string; testId?: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={to} data-testid={testId} role="timer" aria-live="off">
      {words(Math.max(0, Date.parse(to) - now) / 1000)}
    </time>
  );
}

function words(seconds: number) {
  const days = Math.floor(seconds / 86_400);
  if (days > 1) return `${days} days`;
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor) as [number, number, number];
  const two = (part: number) => String(part).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
