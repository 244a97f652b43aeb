import type { Order } from "../api/types";
import { changeOrder } from "../api/writes";
import { OrderStatus } from "../orders/status";
import { money } from "../ui/money";
import { clock } from "../ui/time";
import { useWrite } from "../ui/write";

const NEXT: Record<string, string> = { pending: "processing", processing: "shipped", shipped: "completed" };
const VERB: Record<string, string> = { pending: "Start", processing: "Ship", shipped: "Complete" };

export function Incoming({ orders }: { orders: Order[] }) {
  return (
    <section className="panel">
      <h2>Newest orders</h2>
      <ul className="rows">
        {orders.map((order) => (
          <Row key={order.id} order={order} />
        ))}
      </ul>
    </section>
  );
}

function Row({ order }: { order: Order }) {
  const change = useWrite((status: string) => changeOrder(order.id, { status, ...(status === "shipped" && { tracking_number: `PKG-${order.id}` }) }));
  const next = NEXT[order.status];
  return (
    <li className="row" data-testid={`seller-order-${order.id}`}>
      <strong>{order.order_number}</strong>
      <span>{order.user_name ?? `Customer ${order.user_id}`}</span>
      <time dateTime={order.created_at}>{clock(order.created_at)}</time>
      <OrderStatus order={order} />
      <span>{money(order.total)}</span>
      <span className="actions">
        {next && (
          <button type="button" data-testid={`advance-${order.id}`} disabled={change.isPending} onClick={() => change.mutate(next)}>
            {VERB[order.status]} <span className="visually-hidden">order {order.order_number}</span>
          </button>
        )}
        {order.status === "pending" && (
          <button type="button" className="quiet" data-testid={`cancel-${order.id}`} disabled={change.isPending} onClick={() => change.mutate("cancelled")}>
            Cancel <span className="visually-hidden">order {order.order_number}</span>
          </button>
        )}
      </span>
    </li>
  );
}
