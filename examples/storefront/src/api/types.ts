/** What the shop's API answers. Ids are numbers, money is a number, times are ISO 8601. */

/** The position in the log of changes that an answer was read at: the header `pgbell-cursor`. */
export interface Read {
  cursor?: string;
}

export interface Config {
  ws: string;
  console: string;
  users: { id: number; name: string }[];
  sellers: { id: number; name: string; store_id: number; store: string }[];
  categories: { id: number; name: string }[];
}

export interface Sale {
  discount_percent: number;
  ends_at: string | null;
}

export interface Card {
  id: number;
  name: string;
  price: number;
  /** What it costs now: the price less the sale. */
  pays: number;
  status: "active" | "inactive";
  image_hue: number;
  category: string | null;
  category_id: number | null;
  seller_id: number;
  seller: string;
  store_id: number;
  available: number;
  low: boolean;
  sale: Sale | null;
}

export interface Variant {
  id: number;
  name: string;
  sku: string | null;
  price: number;
  pays: number;
  available: number;
}

export interface PlannedSale {
  id: number;
  discount_percent: number;
  starts_at: string;
  ends_at: string | null;
}

export interface Product extends Omit<Card, "variants">, Read {
  description: string;
  attributes: Record<string, string>;
  pack_sizes: number[];
  variants: Variant[];
  sales: PlannedSale[];
}

export interface Page<Item> extends Read {
  items: Item[];
  total: number;
  page: number;
  pages: number;
}

export interface CartLine {
  id: number;
  product_id: number;
  variant_id: number | null;
  variant: string | null;
  name: string;
  quantity: number;
  price: number;
  pays: number;
  available: number;
  status: Card["status"];
  sale: Sale | null;
  seller_id: number;
  image_hue: number;
}

export interface Cart extends Read {
  items: CartLine[];
  total: number;
}

export interface Problem {
  product_id: number;
  variant_id: number | null;
  kind: "price" | "stock" | "gone";
  was: number | null;
  is: number | null;
}

export interface Order {
  id: number;
  order_number: string;
  status: string;
  payment_status: string;
  total: number;
  tracking_number: string | null;
  created_at: string;
  updated_at: string;
  user_id: number;
  user_name?: string;
  seller_id: number;
  seller: string;
}

export interface OrderDetail extends Order, Read {
  items: { product_id: number | null; name: string | null; variant: string | null; quantity: number; price: number }[];
}

export interface LowStock {
  product_id: number;
  variant_id: number | null;
  name: string;
  available: number;
  threshold: number;
}

export interface Dashboard extends Read {
  seller: { id: number; name: string; store_id: number; store: string };
  totals: { orders: number; open: number; revenue: number; today: number };
  orders: Order[];
  low: LowStock[];
}

export interface Admin extends Read {
  orders: Order[];
  low: LowStock[];
  metrics: { orders: number; revenue: number; orders_today: number; customers: number; products: number };
}
