import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { cartCountQuery } from "../api/queries";
import { useRoute } from "../router";
import { useWho } from "../state/who";
import { LiveBadge } from "./live-badge";
import { Persona } from "./persona";
import { ThemeToggle } from "./theme-toggle";

export function Header() {
  const { role, id } = useWho();
  return (
    <header className="header">
      <a className="brand" href="#/" data-testid="brand">
        <img src="./bell.svg" alt="" width="28" height="28" />
        Fifteen Things
      </a>
      <nav aria-label="Main">
        <Link to="" name="Shop" testId="nav-shop" />
        {role === "customer" ? <CartLink user={id} /> : <Link to="cart" name="Cart" testId="nav-cart" />}
        <Link to="orders" name="Orders" testId="nav-orders" />
        <Link to="seller" name="Selling" testId="nav-seller" />
        <Link to="admin" name="Office" testId="nav-admin" />
      </nav>
      <div className="tools">
        <LiveBadge />
        <Persona />
        <ThemeToggle />
      </div>
    </header>
  );
}

function CartLink({ user }: { user: number }) {
  const { data: count = 0 } = useQuery(cartCountQuery(user));
  return (
    <Link to="cart" name="Cart" testId="nav-cart">
      <span className="count" data-testid="cart-count" data-value={count}>
        {count}
      </span>
    </Link>
  );
}

function Link({ to, name, testId, children }: { to: string; name: string; testId: string; children?: ReactNode }) {
  const [page = ""] = useRoute();
  return (
    <a href={`#/${to}`} aria-current={page === to ? "page" : undefined} data-testid={testId}>
      {name} {children}
    </a>
  );
}
