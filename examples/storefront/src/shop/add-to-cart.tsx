import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { addToCart } from "../api/writes";
import { toast } from "../state/toasts";
import { useWho } from "../state/who";

/** Sends the wish and no more: that the cart has changed is told by pgbell, on this device as on the others. */
export function AddToCart({ productId, variantId, available }: { productId: number; variantId?: number; available: number }) {
  const who = useWho();
  const [quantity, setQuantity] = useState(1);
  const add = useMutation({
    mutationFn: () => addToCart(who.id, { product_id: productId, variant_id: variantId, quantity }),
    onSuccess: () => toast("cart", "In your cart", "#/cart"),
    onError: (error) => toast("error", error.message),
  });
  const isCustomer = who.role === "customer";
  return (
    <form
      className="add"
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <label className="field">
        <span className="visually-hidden">Quantity</span>
        <input type="number" min={1} max={Math.max(1, available)} value={quantity} data-testid="quantity" onChange={(event) => setQuantity(event.target.valueAsNumber || 1)} />
      </label>
      <button type="submit" className="primary" data-testid="add-to-cart" disabled={available <= 0 || !isCustomer || add.isPending}>
        {available > 0 ? "Add to cart" : "Sold out"}
      </button>
      {!isCustomer && <small>Only customers buy: choose one at the top.</small>}
    </form>
  );
}
