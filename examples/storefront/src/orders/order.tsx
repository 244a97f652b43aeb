import { useQuery } from "@tanstack/react-query";
import { orderQuery } from "../api/queries";
import { useAnnounced } from "../ui/announcer";
import { money } from "../ui/money";
import { day } from "../ui/time";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import "./orders.css";
import { OrderStatus } from "./status";
import { Steps } from "./steps";

/** One order, from the moment it is placed. Nobody needs to reload this page to know where the parcel is. */
export function Order({ id }: { id: string }) {
  useTitle("Order");
  const { data: order, error } = useQuery(orderQuery(id));
  useAnnounced(order && `Order ${order.order_number} is ${order.status}`);
  if (!order) return <Waiting error={error} />;
  return (
    <article className="order narrow" data-testid="order" data-id={order.id}>
      <p className="crumbs">
        <a href="#/orders">Your orders</a>
      </p>
      <h1 tabIndex={-1}>Order {order.order_number}</h1>
      <p className="made">
        {day(order.created_at)}, from {order.seller}
      </p>
      <Steps status={order.status} />
      <p className="where">
        <OrderStatus order={order} /> <span className="paid">payment {order.payment_status}</span>
      </p>
      <ul className="rows">
        {order.items.map((item, at) => (
          <li key={at} className="row">
            <span>
              {item.quantity} × {item.name ?? "something no longer sold"}
              {item.variant && `, ${item.variant}`}
            </span>
            <strong>{money(item.price * item.quantity)}</strong>
          </li>
        ))}
      </ul>
      <p className="sum">
        Total <strong>{money(order.total)}</strong>
      </p>
    </article>
  );
}
