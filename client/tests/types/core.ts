/** What an app that adds nothing may write, and what the compiler refuses. */
import { createClient, type Client, type EventName, type Notice, type Room, type RoomState } from "pgbell";
import { createMockServer } from "pgbell/testing";

const { url, WebSocket } = createMockServer();
export const client: Client = createClient({ url, WebSocket, getToken: async ({ reason }) => (reason === "connect" ? "token" : null) });
const { EventSource, fetch } = createMockServer({ authenticate: (token) => (token === "token" ? "ada" : null) });
createClient({ url, EventSource, fetch, transport: "sse", getToken: () => "token" });
createClient({ fetch: globalThis.fetch, EventSource: globalThis.EventSource });

const id: number | string = 42;
client.subscribe(`product:${id}`, (notice) => {
  if (notice.type === "invalidate") {
    const { entity, own, count } = notice.changes[0];
    ({ entity, own, count }) satisfies { entity: string; own: boolean; count: number };
  } else if (notice.type === "resync") notice.spreadMs satisfies number;
  // @ts-expect-error only a resync has a reason
  notice.reason;
});
client.subscribe(["shop_5", "buyers"], null, { throttle: 500 })();
client.getRoom("cart:7") satisfies RoomState;
client.on("room", (room, state) => [room, state.liveSince]);
client.on("notice", (notice: Notice) => notice.room);

// @ts-expect-error no such kind of room
client.subscribe("produkt:42");
// @ts-expect-error a shop's room is written `shop_5`
client.subscribe("shop:5");
// @ts-expect-error one of the rooms is wrong
client.subscribe(["buyers", "product"]);
// @ts-expect-error no such option
client.subscribe("buyers", null, { debounce: 500 });
// @ts-expect-error no such event of the client
client.on("message", () => {});
// @ts-expect-error a status is a snapshot
client.getStatus().live = true;

export const room: Room = "order:1";
export const event: EventName = "product:price_changed";
// @ts-expect-error no such event
export const wrong: EventName = "product:price_chnaged";
