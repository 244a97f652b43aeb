import type { Product } from "../api/types";
import { Countdown } from "./countdown";

/** How long the running sale lasts, and when the next one starts. Both happen by themselves, on time. */
export function SaleTimes({ product: { sale, sales } }: { product: Product }) {
  const coming = sales.filter(({ starts_at }) => Date.parse(starts_at) > Date.now());
  return (
    <div className="sale-times">
      {sale?.ends_at && (
        <p>
          {Math.round(sale.discount_percent)}% off for another <Countdown to={sale.ends_at} testId="sale-countdown" />
        </p>
      )}
      {coming.map(({ id, discount_percent, starts_at }) => (
        <p key={id} data-testid="sales-coming">
          {Math.round(discount_percent)}% off in <Countdown to={starts_at} />
        </p>
      ))}
    </div>
  );
}
