import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { ApiError } from "../api/http";
import { checkoutQuery } from "../api/queries";
import type { CartLine } from "../api/types";
import { type Placed, placeOrder } from "../api/writes";
import { agreeToNew, forgetDraft, object, useDraft } from "../state/draft";
import { toast } from "../state/toasts";
import { money } from "../ui/money";
import { RunningNumber } from "../ui/number";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import "./cart.css";
import { CheckoutLine } from "./checkout-line";
import { Done } from "./done";

/** The last look before paying. Changes show at once, and must be agreed to; what counts is the server's check. */
export function Checkout({ user }: { user: number }) {
  useTitle("Checkout");
  const { data: cart, error } = useQuery(checkoutQuery(user));
  const agreed = useDraft((draft) => draft.agreed);
  const place = usePlaceOrder(user);
  useEffect(() => forgetDraft, []);
  useEffect(() => agreeToNew(cart?.items ?? []), [cart]);

  if (place.data) return <Done {...place.data} />;
  if (!cart) return <Waiting error={error} />;
  const open = cart.items.filter((line) => line.id in agreed && agreed[line.id] !== line.pays);
  return (
    <section className="cart narrow" data-testid="checkout">
      <h1 tabIndex={-1}>Checkout</h1>
      <ul className="lines">
        {cart.items.map((line) => (
          <CheckoutLine key={line.id} line={line} />
        ))}
      </ul>
      <footer className="sum">
        <p>
          To pay <RunningNumber value={cart.total} format={money} testId="checkout-total" />
        </p>
        <a className="button" href="#/cart">
          Back to the cart
        </a>
        <button
          type="button"
          className="primary"
          data-testid="checkout-place"
          disabled={open.length > 0 || cart.items.length === 0 || place.isPending}
          onClick={() => place.mutate(cart.items)}
        >
          Place order
        </button>
      </footer>
      <p className="hint" aria-live="polite">
        {open.length > 0 && "A price has changed since you came: accept it above, or go back to the cart."}
      </p>
    </section>
  );
}

function usePlaceOrder(user: number) {
  return useMutation<Placed, Error, CartLine[]>({
    mutationFn: (lines) => {
      const { agreed } = useDraft.getState();
      return placeOrder(
        user,
        lines.map(({ id, product_id, variant_id, quantity, pays }) => ({ product_id, variant_id, quantity, pays: agreed[id] ?? pays })),
      );
    },
    onError: (error) => {
      if (error instanceof ApiError && error.problems.length > 0) object(error.problems);
      else toast("error", error.message);
    },
  });
}
