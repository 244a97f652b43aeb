import { useChanged } from "../ui/changed";

const FEW = 10;

/** How many there are, in words where few or none. */
export function Stock({ available, active = true }: { available: number; active?: boolean }) {
  const level = !active || available <= 0 ? "out" : available <= FEW ? "low" : "ok";
  return (
    <span className="stock" data-level={level} data-testid="stock" data-value={available} data-changed={useChanged(available)}>
      {active ? words(available) : "Not for sale"}
    </span>
  );
}

function words(available: number) {
  if (available <= 0) return "Sold out";
  return available <= FEW ? `Only ${available} left` : `${available} in stock`;
}
