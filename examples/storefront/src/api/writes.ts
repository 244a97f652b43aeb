import { send } from "./http";
import type { Cart } from "./types";

/* Everything that the shop can be asked to do. None of it touches the query cache. */

interface Wanted {
  product_id: number;
  variant_id?: number | null;
  quantity: number;
}

export const addToCart = (user: number, item: Wanted) => send<Cart>("POST", `/api/cart?user=${user}`, item);
export const setQuantity = (user: number, line: number, quantity: number) => send<Cart>("PATCH", `/api/cart/${line}?user=${user}`, { quantity });
export const removeLine = (user: number, line: number) => send<Cart>("DELETE", `/api/cart/${line}?user=${user}`);
export const clearCart = (user: number) => send<Cart>("DELETE", `/api/cart?user=${user}`);

export interface Placed {
  orders: { id: number; order_number: string; total: number; seller_id: number }[];
}

/** `pays` is what the customer has agreed to pay; the server decides whether that is still so. */
export const placeOrder = (user: number, items: (Wanted & { pays: number })[]) => send<Placed>("POST", `/api/checkout?user=${user}`, { items });

export const changeOrder = (id: number, change: { status?: string; tracking_number?: string; payment_status?: string }) =>
  send("PATCH", `/api/orders/${id}`, change);

export const changeProduct = (id: number, change: { price?: number; status?: string }) => send("PATCH", `/api/products/${id}`, change);
export const setStock = (id: number, quantity: number) => send("POST", `/api/products/${id}/stock`, { quantity });
export const startSale = (id: number, sale: { discount_percent: number; starts_in_s?: number; lasts_s?: number }) =>
  send("POST", `/api/products/${id}/sale`, sale);
export const endSale = (id: number) => send("DELETE", `/api/products/${id}/sale`);
