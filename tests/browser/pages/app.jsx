// One product, for the server and the browser alike.

import { QueryClient, QueryClientProvider, hydrate, useQuery } from "@tanstack/react-query";
import { createClient } from "pgbell";
import { bindQueryClient } from "pgbell/query";
import { PgbellProvider, useConnectionStatus, useRoom, useRoomState, useVisibleRoom } from "pgbell/react";

export function setUp({ ws, state }) {
  const client = createClient({ url: ws });
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } });
  const rooms = ([kind, id]) => (kind === "product" ? `product:${id}` : undefined);
  const unbind = bindQueryClient(client, queryClient, { rooms, cursor: (query) => query.state.data?.cursor });
  if (state) hydrate(queryClient, state);
  return { client, queryClient, unbind };
}

async function load({ queryKey: [, id] }) {
  const answer = await fetch(`/data/product/${id}`);
  return { ...(await answer.json()), cursor: answer.headers.get("pgbell-cursor") };
}

function Product({ id }) {
  const { data } = useQuery({ queryKey: ["product", id], queryFn: load });
  const { state } = useConnectionStatus();
  const room = useRoomState(`product:${id}`);
  const ref = useVisibleRoom(`seller:${data?.seller_id ?? 1}`);
  useRoom("buyers");
  return (
    <article ref={ref}>
      <p data-testid="badge">{state}</p>
      <p data-testid="room">{room.state}</p>
      <output data-testid="price">{data?.price}</output>
    </article>
  );
}

export function App({ client, queryClient, id }) {
  return (
    <QueryClientProvider client={queryClient}>
      <PgbellProvider client={client}>
        <Product id={id} />
      </PgbellProvider>
    </QueryClientProvider>
  );
}
