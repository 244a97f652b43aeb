import type { Placed } from "../api/writes";
import { money } from "../ui/money";

export function Done({ orders }: Placed) {
  return (
    <section className="cart narrow" data-testid="checkout-done">
      <h1 tabIndex={-1}>Thank you</h1>
      <p>{orders.length > 1 ? "Each maker sends their own parcel:" : "Your order is with its maker:"}</p>
      <ul className="plain">
        {orders.map(({ id, order_number, total }) => (
          <li key={id}>
            <a href={`#/order/${id}`} data-testid={`placed-order-${id}`}>
              Order {order_number}
            </a>
            , {money(total)}
          </li>
        ))}
      </ul>
    </section>
  );
}
