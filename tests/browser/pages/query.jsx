// An ordinary page of TanStack Query that gets live by its binding alone: `ids` of its address are the products shown.

import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { createClient } from "pgbell";
import { bindQueryClient } from "pgbell/query";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const told = Object.fromEntries(new URLSearchParams(location.search));
const client = createClient({ url: told.ws, ...JSON.parse(told.options ?? "{}") });
const queries = { staleTime: Infinity, retry: false, refetchOnWindowFocus: false, refetchOnReconnect: false };
const queryClient = new QueryClient({ defaultOptions: { queries } });

bindQueryClient(client, queryClient, {
  rooms: ([kind, id]) => (kind === "product" ? `product:${id}` : undefined),
  cursor: (query) => (told.cursor ? query.state.data?.cursor : undefined),
  ...JSON.parse(told.binding ?? "{}"),
});

async function load({ queryKey: [, id] }) {
  const answer = await fetch(`/data/product/${id}`);
  return { ...(await answer.json()), cursor: answer.headers.get("pgbell-cursor") };
}

function Product({ id }) {
  const { data, isPending } = useQuery({ queryKey: ["product", id], queryFn: load });
  return <output data-testid={`price-${id}`}>{isPending ? "…" : data.price}</output>;
}

function Page() {
  const [ids, setIds] = useState((told.ids ?? "").split(",").filter(Boolean));
  Object.assign(window, { client, queryClient, setIds });
  return ids.map((id) => <Product key={id} id={id} />);
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Page />
    </QueryClientProvider>
  </StrictMode>,
);
