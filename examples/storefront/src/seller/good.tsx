import type { Card } from "../api/types";
import { changeProduct, endSale, setStock, startSale } from "../api/writes";
import { Picture } from "../picture/picture";
import { Price, SaleBadge } from "../shop/price";
import { Stock } from "../shop/stock";
import { useWrite } from "../ui/write";
import { NumberForm } from "./number-form";

const SALE = { discount_percent: 20, starts_in_s: 5, lasts_s: 60 };

/** One of the seller's products, and all that can be done to it. */
export function Good({ card }: { card: Card }) {
  const active = card.status === "active";
  const price = useWrite((price: number) => changeProduct(card.id, { price }));
  const stock = useWrite((quantity: number) => setStock(card.id, quantity));
  const sale = useWrite((on: boolean) => (on ? startSale(card.id, SALE) : endSale(card.id)));
  const shelf = useWrite((status: Card["status"]) => changeProduct(card.id, { status }));
  return (
    <li className="row good" data-testid={`manage-${card.id}`}>
      <Picture name={card.name} hue={card.image_hue} />
      <div className="what">
        <a href={`#/product/${card.id}`}>{card.name}</a>
        <p>
          <Price price={card.price} pays={card.pays} /> <SaleBadge sale={card.sale} />
        </p>
        <Stock available={card.available} active={active} />
      </div>
      <NumberForm name="Price" of={card.name} value={card.price} step={0.01} testId="price" onSave={price.mutate} />
      <NumberForm name="Stock" of={card.name} value={card.available} step={1} testId="stock" onSave={stock.mutate} />
      <div className="actions">
        <button type="button" data-testid={card.sale ? "sale-end" : "sale-start"} onClick={() => sale.mutate(!card.sale)}>
          {card.sale ? "End the sale" : "20% off in 5 s"}
        </button>
        <button type="button" className="quiet" data-testid="toggle-status" onClick={() => shelf.mutate(active ? "inactive" : "active")}>
          {active ? "Take off the shelf" : "Put on the shelf"}
        </button>
      </div>
    </li>
  );
}
