import type { ReactNode } from "react";
import { config } from "../config";
import { become, type Role, useWho } from "../state/who";

const WELCOME: Record<Role, { title: string; people: { id: number; name: string }[] }> = {
  customer: { title: "Customers have carts and orders. Be one:", people: config.users.slice(0, 8) },
  seller: { title: "Sellers have a dashboard. Be one:", people: config.sellers },
  admin: { title: "The back office sees all orders.", people: [{ id: 1, name: "Enter" }] },
};

/** Shows a page to those it is for; to others, who they might be. */
export function Gate({ role, children }: { role: Role; children: (id: number) => ReactNode }) {
  const who = useWho();
  if (who.role === role) return children(who.id);
  const { title, people } = WELCOME[role];
  return (
    <section className="notice gate">
      <h1 tabIndex={-1}>{title}</h1>
      <p>
        {people.map(({ id, name }) => (
          <button key={id} type="button" onClick={() => become({ role, id })}>
            {name}
          </button>
        ))}
      </p>
    </section>
  );
}
