import { useQuery } from "@tanstack/react-query";
import { cartQuery } from "../api/queries";
import { clearCart } from "../api/writes";
import { RunningNumber } from "../ui/number";
import { money } from "../ui/money";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import "./cart.css";
import { Line } from "./line";
import { useWrite } from "../ui/write";

/** The server's cart. Every device of the same customer shows the same one. */
export function Cart({ user }: { user: number }) {
  useTitle("Your cart");
  const { data: cart, error } = useQuery(cartQuery(user));
  const clear = useWrite(() => clearCart(user));
  if (!cart) return <Waiting error={error} />;
  return (
    <section className="cart narrow" data-testid="cart" data-count={cart.items.length}>
      <h1 tabIndex={-1}>Your cart</h1>
      {cart.items.length === 0 ? (
        <p className="notice" data-testid="cart-empty">
          Nothing in it yet. <a href="#/">Have a look around</a>
        </p>
      ) : (
        <>
          <ul className="lines">
            {cart.items.map((line) => (
              <Line key={line.id} user={user} line={line} />
            ))}
          </ul>
          <footer className="sum">
            <p>
              Total <RunningNumber value={cart.total} format={money} testId="cart-total" />
            </p>
            <button type="button" data-testid="cart-clear" disabled={clear.isPending} onClick={() => clear.mutate()}>
              Empty the cart
            </button>
            <a className="button primary" href="#/checkout" data-testid="go-checkout">
              To the checkout
            </a>
          </footer>
        </>
      )}
    </section>
  );
}
