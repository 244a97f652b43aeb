import type { Order } from "../api/types";
import { useChanged } from "../ui/changed";

export function OrderStatus({ order: { status, tracking_number } }: { order: Pick<Order, "status" | "tracking_number"> }) {
  return (
    <span className="state">
      <span className="status" data-testid="order-status" data-status={status} data-changed={useChanged(status)}>
        {status}
      </span>
      {tracking_number && (
        <code className="tracking" data-testid="tracking">
          {tracking_number}
        </code>
      )}
    </span>
  );
}
