/**
 * Rooms and events by name. An app adds its own:
 * `declare module "pgbell" { interface Rooms { film: `film:${string}` } interface Events { "review:created": true } }`.
 */

/** Kinds of rooms, and how their names look. */
export interface Rooms {
  product: `product:${string}`;
  variant: `variant:${string}`;
  sale: `sale:${string}`;
  order: `order:${string}`;
  user: `user:${string}`;
  seller: `seller:${string}`;
  storefront: `storefront:${string}`;
  store: `store:${string}`;
  shop: `shop_${string}`;
  cart: `cart:${string}`;
  analytics: `analytics:${string}`;
  admin: `admin:${string}`;
  buyers: "buyers";
  sellers: "sellers";
}

/** What happens. */
export interface Events {
  "product:created": true;
  "product:updated": true;
  "product:price_changed": true;
  "product:availability_changed": true;
  "product:attributes_changed": true;
  "product:stock_changed": true;
  "product:deleted": true;
  "stock:low": true;
  "stock:out": true;
  "stock:restocked": true;
  "sale:created": true;
  "sale:updated": true;
  "sale:deleted": true;
  "sale:discount_changed": true;
  "sale:started": true;
  "sale:ended": true;
  "sale:sold_out": true;
  "order:created": true;
  "order:updated": true;
  "order:status_changed": true;
  "order:payment_changed": true;
  "order:completed": true;
  "order:cancelled": true;
  "order:shipped": true;
  "order:refunded": true;
  "cart:updated": true;
}

/** A room the catalogue knows. */
export type Room = Rooms[keyof Rooms];

/** An event the catalogue knows. */
export type EventName = keyof Events;
