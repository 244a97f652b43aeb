import type { CSSProperties } from "react";
import type { LowStock } from "../api/types";
import { useChanged } from "../ui/changed";

/** What is about to run out. `testId` says for whom: `low-7`, `admin-low-7`. */
export function LowList({ low, testId }: { low: LowStock[]; testId: string }) {
  return (
    <section className="panel">
      <h2>Running low</h2>
      <ul className="rows">
        {low.map((item) => (
          <Item key={`${item.product_id} ${item.variant_id}`} item={item} testId={testId} />
        ))}
      </ul>
      {low.length === 0 && <p className="notice">Nothing, for now.</p>}
    </section>
  );
}

function Item({ item: { product_id, name, available, threshold }, testId }: { item: LowStock; testId: string }) {
  return (
    <li className="row" data-testid={`${testId}-${product_id}`} data-value={available}>
      <a href={`#/product/${product_id}`}>{name}</a>
      <span className="gauge" data-changed={useChanged(available)}>
        <span className="bar" style={{ "--part": Math.min(1, available / threshold) } as CSSProperties} />
        {available} left
      </span>
    </li>
  );
}
