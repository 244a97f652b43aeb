import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Room } from "pgbell";
import { type CardRead, fetchCard } from "./cards";
import { get } from "./http";
import type { Admin, Card, Cart, Dashboard, Order, OrderDetail, Page, Product } from "./types";

declare module "@tanstack/react-query" {
  interface Register {
    queryMeta: {
      /** The rooms that the query depends on; of its data, where they depend on that. */
      rooms?: Room | Room[] | ((data?: any) => Room[]);
      /** At most one refetch in so many milliseconds. */
      throttle?: number;
    };
  }
}

/*
 * Every query of the shop. `meta.rooms` names the rooms that it depends on: while it is on screen, the binding in live.ts
 * is in these rooms and fetches it again when one of them is told of a change. The components know nothing of it.
 */

type Id = number | string;

const SECOND = 1000;

export interface Filter {
  category?: number;
  q?: string;
  size: number;
}

/** One product of a list. Its room is joined by the card itself, and only while it can be seen. */
export const cardQuery = (id: Id) =>
  queryOptions<CardRead>({
    queryKey: ["card", String(id)],
    queryFn: () => fetchCard(String(id)),
    meta: { throttle: SECOND },
  });

export const listQuery = ({ category, q, size }: Filter) =>
  infiniteQueryOptions({
    queryKey: ["list", { category, q, size }],
    queryFn: ({ pageParam, signal }) => get<Page<Card>>(`/api/products?${search({ category, q, page: pageParam, size })}`, signal),
    initialPageParam: 1,
    getNextPageParam: ({ page, pages }) => (page < pages ? page + 1 : undefined),
  });

export const productQuery = (id: Id) =>
  queryOptions({
    queryKey: ["product", String(id)],
    queryFn: ({ signal }) => get<Product>(`/api/products/${id}`, signal),
    meta: { rooms: `product:${id}`, throttle: 0.5 * SECOND },
  });

/** The cart as it is now depends on who changes it, on any device, and on every product in it. */
export const cartQuery = (user: Id) =>
  queryOptions({
    queryKey: ["cart", String(user)],
    queryFn: ({ signal }) => get<Cart>(`/api/cart?user=${user}`, signal),
    meta: { rooms: (cart?: Cart) => cartRooms(user, cart), throttle: SECOND },
  });

/** How many pieces are in it: on every page, and nothing to do with what they cost. */
export const cartCountQuery = (user: Id) =>
  queryOptions({
    queryKey: ["cart-count", String(user)],
    queryFn: ({ signal }) => get<Cart>(`/api/cart?user=${user}`, signal),
    select: ({ items }) => items.reduce((sum, { quantity }) => sum + quantity, 0),
    meta: { rooms: `cart:${user}`, throttle: SECOND },
  });

/** The same cart at the moment of paying: told of every change at once. */
export const checkoutQuery = (user: Id) =>
  queryOptions({
    queryKey: ["checkout", String(user)],
    queryFn: ({ signal }) => get<Cart>(`/api/cart?user=${user}`, signal),
    meta: { rooms: (cart?: Cart) => cartRooms(user, cart), throttle: 0 },
  });

const cartRooms = (user: Id, cart?: Cart): Room[] => [
  `cart:${user}`,
  ...(cart?.items ?? []).map(({ product_id }) => `product:${product_id}` as const),
];

export const ordersQuery = (user: Id) =>
  queryOptions({
    queryKey: ["orders", String(user)],
    queryFn: ({ signal }) => get<{ items: Order[] }>(`/api/orders?user=${user}`, signal),
    meta: { rooms: `user:${user}` },
  });

export const orderQuery = (id: Id) =>
  queryOptions({
    queryKey: ["order", String(id)],
    queryFn: ({ signal }) => get<OrderDetail>(`/api/orders/${id}`, signal),
    meta: { rooms: `order:${id}` },
  });

export const dashboardQuery = (seller: Id, store: Id) =>
  queryOptions({
    queryKey: ["dashboard", String(seller)],
    queryFn: ({ signal }) => get<Dashboard>(`/api/sellers/${seller}/dashboard`, signal),
    meta: { rooms: [`seller:${seller}`, `shop_${store}`], throttle: 0.5 * SECOND },
  });

export const goodsQuery = (seller: Id, page: number) =>
  queryOptions({
    queryKey: ["goods", String(seller), page],
    queryFn: ({ signal }) => get<Page<Card>>(`/api/sellers/${seller}/products?${search({ page, size: 12 })}`, signal),
    meta: { rooms: `seller:${seller}`, throttle: SECOND },
  });

export const adminQuery = () =>
  queryOptions({
    queryKey: ["admin"],
    queryFn: ({ signal }) => get<Admin>("/api/admin", signal),
    meta: { rooms: ["admin:orders", "admin:stock", "admin:metrics"], throttle: SECOND },
  });

function search(parameters: Record<string, string | number | undefined>) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}
