import type { Sale } from "../api/types";
import { useChanged } from "../ui/changed";
import { money } from "../ui/money";
import "./price.css";

/** What it costs now; if that is less than usual, what it was. */
export function Price({ price, pays }: { price: number; pays: number }) {
  const change = useChanged(pays);
  return (
    <span className="price" data-changed={change}>
      <span className="pays" data-testid="price" data-value={pays}>
        {money(pays)}
      </span>
      {pays < price && (
        <s className="was" data-testid="was" data-value={price}>
          <span className="visually-hidden">instead of </span>
          {money(price)}
        </s>
      )}
    </span>
  );
}

export function SaleBadge({ sale }: { sale: Sale | null }) {
  if (!sale) return null;
  return (
    <strong className="sale" data-testid="sale">
      {Math.round(sale.discount_percent)}% off
    </strong>
  );
}
