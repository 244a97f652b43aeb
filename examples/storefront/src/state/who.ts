import { flushSync } from "react-dom";
import { create } from "zustand";
import { client, queryClient } from "../live";

export type Role = "customer" | "seller" | "admin";

/** Who uses the page. There is no login in the demo: the header lets you be anybody. */
export interface Who {
  role: Role;
  id: number;
}

const PLACE = "storefront.who";
const DEFAULT: Who = { role: "customer", id: 1 };

export const nameOf = ({ role, id }: Who) => (role === "admin" ? role : `${role}:${id}`);

export function parseWho(text: string | null): Who | undefined {
  const [, role, id] = text?.match(/^(customer|seller|admin)(?::(\d+))?$/) ?? [];
  return role ? { role: role as Role, id: Number(id ?? 1) } : undefined;
}

const asked = new URLSearchParams(location.search).get("as");

export const useWho = create<Who & { leaving?: boolean }>(() => parseWho(asked) ?? parseWho(sessionStorage.getItem(PLACE)) ?? DEFAULT);

/** First the page of whoever leaves is gone, then all that they were shown or told; then the next may come. */
export function become(who: Who) {
  flushSync(() => useWho.setState({ leaving: true }));
  queryClient.clear();
  client.setUser(nameOf(who));
  sessionStorage.setItem(PLACE, nameOf(who));
  useWho.setState({ ...who, leaving: false });
}

client.setUser(nameOf(useWho.getState()));
