import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { goodsQuery } from "../api/queries";
import { Waiting } from "../ui/waiting";
import { Good } from "./good";

export function Goods({ seller }: { seller: number }) {
  const [page, setPage] = useState(1);
  const { data, error } = useQuery({ ...goodsQuery(seller, page), placeholderData: keepPreviousData });
  if (!data) return <Waiting error={error} />;
  return (
    <section className="panel goods">
      <h2>Your goods</h2>
      <ul className="rows">
        {data.items.map((card) => (
          <Good key={card.id} card={card} />
        ))}
      </ul>
      <nav className="pager" aria-label="Pages of your goods">
        <button type="button" disabled={page <= 1} onClick={() => setPage(page - 1)}>
          Earlier
        </button>
        <span>
          {data.page} of {data.pages}
        </span>
        <button type="button" disabled={page >= data.pages} onClick={() => setPage(page + 1)}>
          Later
        </button>
      </nav>
    </section>
  );
}
