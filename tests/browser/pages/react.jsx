// Components that watch rooms: `window.mount({watchers, room})` and `window.mount({cards})` say which.

import { createClient } from "pgbell";
import { PgbellProvider, useConnectionStatus, useRoom, useRoomState, useVisibleRoom } from "pgbell/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const told = Object.fromEntries(new URLSearchParams(location.search));
const client = createClient({ url: told.ws, ...JSON.parse(told.options ?? "{}") });
Object.assign(window, { client, calls: 0, renders: 0 });

function Badge() {
  const { state, live } = useConnectionStatus();
  return <p data-testid="badge" data-live={live}>{state}</p>;
}

function Watcher({ room }) {
  useRoom(room, () => (window.calls += 1));
  return null;
}

function RoomState({ room }) {
  return <p data-testid="room">{useRoomState(room).state}</p>;
}

function Card({ id }) {
  window.renders += 1;
  const ref = useVisibleRoom(`product:${id}`, () => (window.calls += 1));
  return <li ref={ref} data-room={`product:${id}`} style={{ height: 80 }}>{id}</li>;
}

function Page() {
  const [{ watchers = 0, room = "product:1", cards = [] }, mount] = useState({});
  Object.assign(window, { mount });
  return (
    <>
      <Badge />
      <RoomState room={room} />
      {Array.from({ length: watchers }, (_, n) => <Watcher key={n} room={room} />)}
      <ul>{cards.map((id) => <Card key={id} id={id} />)}</ul>
    </>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <PgbellProvider client={client}>
      <Page />
    </PgbellProvider>
  </StrictMode>,
);
