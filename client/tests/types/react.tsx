/** Hooks of React, and how a TypeScript app writes them. */
import { PgbellProvider, useClient, useConnectionStatus, useRoom, useRoomState, useVisibleRoom } from "pgbell/react";
import { client } from "./core.js";

export function Product({ id }: { id: number | null }) {
  useRoom(id === null ? null : `product:${id}`, (notice) => notice.type satisfies string, { throttle: 500 });
  useRoom([`product:${id}`, "buyers"]);
  // @ts-expect-error no such kind of room
  useRoom("produkt:42");
  // @ts-expect-error a listener is a function
  useRoom("buyers", "refetch");
  const { live, nextRetryAt } = useConnectionStatus();
  const { state } = useRoomState(`product:${id}`);
  // @ts-expect-error no such state
  if (state === "connected") return null;
  useClient().disconnect();
  return (
    <li ref={useVisibleRoom(`product:${id}`)} hidden={!live}>
      {nextRetryAt}
    </li>
  );
}

export const Card = ({ id }: { id: string }) => <article ref={useVisibleRoom(`product:${id}`, null, { throttle: 1000 })} />;

export const App = () => (
  <PgbellProvider client={client}>
    <Product id={42} />
  </PgbellProvider>
);

// @ts-expect-error a provider needs a client
export const without = <PgbellProvider />;
