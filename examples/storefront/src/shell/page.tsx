import { useEffect, useRef } from "react";
import { Admin } from "../admin/admin";
import { Cart } from "../cart/cart";
import { Checkout } from "../cart/checkout";
import { Order } from "../orders/order";
import { Orders } from "../orders/orders";
import { useRoute } from "../router";
import { Dashboard } from "../seller/dashboard";
import { List } from "../shop/list";
import { Product } from "../shop/product";
import { Gate } from "./gate";

export function Page() {
  const route = useRoute();
  const main = useFocusOn(route.join("/"));
  return (
    <main id="main" ref={main} tabIndex={-1}>
      <Content route={route} />
    </main>
  );
}

function Content({ route: [page = "", id = ""] }: { route: string[] }) {
  if (page === "") return <List key="short" />;
  if (page === "long") return <List key="long" long />;
  if (page === "product") return <Product key={id} id={id} />;
  if (page === "order") return <Order key={id} id={id} />;
  if (page === "cart") return <Gate role="customer">{(user) => <Cart user={user} />}</Gate>;
  if (page === "checkout") return <Gate role="customer">{(user) => <Checkout user={user} />}</Gate>;
  if (page === "orders") return <Gate role="customer">{(user) => <Orders user={user} />}</Gate>;
  if (page === "seller") return <Gate role="seller">{(seller) => <Dashboard id={seller} />}</Gate>;
  if (page === "admin") return <Gate role="admin">{() => <Admin />}</Gate>;
  return (
    <p className="notice">
      There is no such page. <a href="#/">To the shop</a>
    </p>
  );
}

/** A new page starts at its top, for eyes and for screen readers; not the first one, which the browser has placed. */
function useFocusOn(path: string) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return main;
}
