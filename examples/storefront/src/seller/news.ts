import type { Notice } from "pgbell";
import { toast } from "../state/toasts";

/** What a seller wants to be told in words. The numbers follow by themselves. */
export function tellSeller(notice: Notice) {
  if (notice.type !== "invalidate" || notice.replayed) return;
  for (const { events, id, new: now } of notice.changes) {
    if (events.includes("order:created")) toast("order", `New order ${now?.order_number ?? id}`);
    if (events.includes("stock:out")) toast("stock", `Product ${id} is sold out`, `#/product/${id}`);
    else if (events.includes("stock:low")) toast("stock", `Only ${now?.available ?? "a few"} left of product ${id}`, `#/product/${id}`);
  }
}
