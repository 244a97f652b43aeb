import { useQuery } from "@tanstack/react-query";
import { adminQuery } from "../api/queries";
import type { Order } from "../api/types";
import { LowList } from "../orders/low-list";
import { OrderStatus } from "../orders/status";
import "../seller/seller.css";
import { LiveNote } from "../shell/live-badge";
import { money } from "../ui/money";
import { clock } from "../ui/time";
import { Total } from "../ui/total";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";

/** The whole shop at a glance, at most once a second. */
export function Admin() {
  useTitle("Back office");
  const { data, error } = useQuery(adminQuery());
  if (!data) return <Waiting error={error} />;
  const { metrics, orders, low } = data;
  return (
    <section className="dashboard" data-testid="admin">
      <header>
        <h1 tabIndex={-1}>Back office</h1>
        <LiveNote />
      </header>
      <dl className="totals">
        <Total name="Orders today" value={metrics.orders_today} testId="metric-orders_today" />
        <Total name="Orders in all" value={metrics.orders} testId="metric-orders" />
        <Total name="Revenue" value={metrics.revenue} format={money} testId="metric-revenue" />
        <Total name="Customers" value={metrics.customers} testId="metric-customers" />
        <Total name="Products" value={metrics.products} testId="metric-products" />
      </dl>
      <div className="columns">
        <NewOrders orders={orders} />
        <LowList low={low} testId="admin-low" />
      </div>
    </section>
  );
}

function NewOrders({ orders }: { orders: Order[] }) {
  return (
    <section className="panel">
      <h2>New orders</h2>
      <ul className="rows">
        {orders.map((order) => (
          <li key={order.id} className="row" data-testid={`admin-order-${order.id}`}>
            <strong>{order.order_number}</strong>
            <time dateTime={order.created_at}>{clock(order.created_at)}</time>
            <span>{order.seller}</span>
            <OrderStatus order={order} />
            <span>{money(order.total)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
