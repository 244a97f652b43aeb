import { useQuery } from "@tanstack/react-query";
import { ordersQuery } from "../api/queries";
import { money } from "../ui/money";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import "./orders.css";
import { OrderStatus } from "./status";
import { day } from "../ui/time";

export function Orders({ user }: { user: number }) {
  useTitle("Your orders");
  const { data, error } = useQuery(ordersQuery(user));
  if (!data) return <Waiting error={error} />;
  return (
    <section className="narrow" data-testid="orders">
      <h1 tabIndex={-1}>Your orders</h1>
      <ul className="rows">
        {data.items.map((order) => (
          <li key={order.id} className="row" data-testid={`order-row-${order.id}`}>
            <a href={`#/order/${order.id}`}>{order.order_number}</a>
            <span>{day(order.created_at)}</span>
            <span>{order.seller}</span>
            <OrderStatus order={order} />
            <strong>{money(order.total)}</strong>
          </li>
        ))}
      </ul>
      {data.items.length === 0 && <p className="notice">None yet.</p>}
    </section>
  );
}
