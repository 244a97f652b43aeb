/**
 * Rooms and events by name. An app adds its own, which `pgbell types` writes for a live database:
 * `declare module "pgbell" { interface Rooms { film: `film:${string}` } interface Events { "film:rented": true } }`.
 *
 * Not to be edited: `PGBELL_RENEW=1 cargo test --lib` writes it from `src/catalogue.rs`.
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
  buyers: "buyers";
  sellers: "sellers";
  admin: "admin:orders" | "admin:stock" | "admin:metrics";
}

/** What happens. */
export interface Events {
  "product:created": true;
  "product:updated": true;
  "product:deleted": true;
  "product:price_changed": true;
  "product:availability_changed": true;
  "product:attributes_changed": true;
  "product:stock_changed": true;
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
  "analytics:sale_completed": true;
  "analytics:revenue_updated": true;
  "analytics:product_viewed": true;
  "analytics:metrics_updated": true;
  "analytics:inventory_alert": true;
  "store:updated": true;
  "store:availability_changed": true;
  "cart:updated": true;
  "wholesale:invitation_sent": true;
  "wholesale:invitation_accepted": true;
  "wholesale:invitation_rejected": true;
  "wholesale:order_placed": true;
  "wholesale:order_updated": true;
  "wholesale:deposit_paid": true;
  "wholesale:balance_paid": true;
  "wholesale:order_shipped": true;
  "quotation:created": true;
  "quotation:updated": true;
  "quotation:sent": true;
  "quotation:viewed": true;
  "quotation:accepted": true;
  "quotation:rejected": true;
  "quotation:expired": true;
  "notification:order": true;
  "notification:payment": true;
  "notification:shipping": true;
  "notification:wholesale": true;
  "notification:quotation": true;
  "notification:system": true;
  "notification:read": true;
  "notification:deleted": true;
}

/** A room the catalogue knows. */
export type Room = Rooms[keyof Rooms];

/** An event the catalogue knows. */
export type EventName = keyof Events;
