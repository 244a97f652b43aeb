import { useQuery } from "@tanstack/react-query";
import { useRoom } from "pgbell/react";
import { dashboardQuery } from "../api/queries";
import { config } from "../config";
import { LowList } from "../orders/low-list";
import { money } from "../ui/money";
import { Total } from "../ui/total";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import { LiveNote } from "../shell/live-badge";
import "./seller.css";
import { Goods } from "./goods";
import { Incoming } from "./incoming";
import { tellSeller } from "./news";

export function Dashboard({ id }: { id: number }) {
  useTitle("Selling");
  const seller = config.sellers.find((one) => one.id === id);
  const { data, error } = useQuery(dashboardQuery(id, seller?.store_id ?? 0));
  useRoom(`seller:${id}`, tellSeller);
  if (!data) return <Waiting error={error} />;
  const { totals, orders, low } = data;
  return (
    <section className="dashboard" data-testid="dashboard" data-seller={id}>
      <header>
        <h1 tabIndex={-1}>
          {data.seller.name} <small>at {data.seller.store}</small>
        </h1>
        <LiveNote />
      </header>
      <dl className="totals">
        <Total name="To do" value={totals.open} testId="total-open" />
        <Total name="Orders today" value={totals.today} testId="total-today" />
        <Total name="Orders in all" value={totals.orders} testId="total-orders" />
        <Total name="Revenue" value={totals.revenue} format={money} testId="total-revenue" />
      </dl>
      <div className="columns">
        <Incoming orders={orders} />
        <LowList low={low} testId="low" />
      </div>
      <Goods seller={id} />
    </section>
  );
}
