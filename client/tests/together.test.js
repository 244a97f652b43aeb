import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createDom } from "./support/dom.js";
import { createClient } from "../src/index.js";
import { bindQueryClient } from "../src/query/index.js";
import { PgbellProvider, useConnectionStatus, useRoom, useVisibleRoom } from "../src/react/index.js";
import { createMockServer } from "../src/testing/index.js";

// React looks for a document when it is loaded.
const dom = createDom();
const { StrictMode, act, createElement: h, useState } = await import("react");
const { createRoot } = await import("react-dom/client");
const { QueryClient, QueryClientProvider, useQuery } = await import("@tanstack/react-query");

let server, client, queryClient, container, root, prices, requests;

/** Waits for what a component shows, or a server has seen, to become true. */
async function until(what, isTrue) {
  for (let turn = 0; turn < 400; turn++) {
    if (isTrue()) return;
    await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
  }
  assert.fail(`${what}: ${container.textContent}, ${JSON.stringify(server.frames)}`);
}

const fetchProduct = async ({ queryKey: [, id] }) => {
  requests.push(id);
  const price = prices[id];
  await new Promise((resolve) => setTimeout(resolve));
  return { price };
};

beforeEach(() => {
  server = createMockServer();
  client = createClient({ url: server.url, WebSocket: server.WebSocket, transport: "websocket", batch: 0, linger: 50, backoff: { min: 1, max: 5 } });
  queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
  prices = { 42: 10, 43: 20 };
  requests = [];
  container = dom.root();
  root = createRoot(container);
});

afterEach(async () => {
  await act(async () => root.unmount());
  client.destroy();
  queryClient.clear();
});

const show = (...children) =>
  act(async () => {
    root.render(h(StrictMode, null, h(PgbellProvider, { client }, h(QueryClientProvider, { client: queryClient }, ...children))));
  });

function Product({ id = 42 }) {
  const { data } = useQuery({ queryKey: ["product", id], queryFn: fetchProduct });
  return `${data?.price} `;
}

const byRoom = { rooms: ([kind, id]) => `${kind}:${id}` };

test("a page of 30 components in StrictMode opens one socket and joins a room once, in one frame", async () => {
  const Part = () => void useRoom("product:42") ?? null;
  const Page = ({ parts }) => Array.from({ length: parts }, (_, index) => h(Part, { key: index }));
  await show(h(Page, { parts: 30 }));
  await until("joined", () => server.rooms.has("product:42"));
  await show(h(Page, { parts: 1 }));
  await until("still there", () => server.rooms.has("product:42"));
  assert.equal(server.attempts, 1);
  assert.deepEqual(server.frames.map(({ type, rooms }) => [type, rooms]), [["subscribe", ["product:42"]]]);
});

test("a change is on the page after one more fetch", async () => {
  bindQueryClient(client, queryClient, byRoom);
  await show(h(Product));
  await until("live and fetched", () => client.getRoom("product:42").state === "live" && container.textContent === "10 " && !queryClient.isFetching());
  const before = requests.length;
  prices[42] = 11;
  server.emit("product:42");
  await until("the new price", () => container.textContent === "11 ");
  assert.equal(requests.length, before + 1);
});

test("a change made while the connection was away is on the page when it is back, and the rest is not fetched again", async () => {
  bindQueryClient(client, queryClient, byRoom);
  await show(h(Product), h(Product, { id: 43 }));
  await until("live and fetched", () => server.rooms.size === 2 && container.textContent === "10 20 " && !queryClient.isFetching() && requests.length >= 4);
  requests.length = 0;
  server.drop();
  prices[42] = 11;
  server.emit("product:42");
  await until("the new price", () => container.textContent === "11 20 ");
  assert.deepEqual(requests, [42]);
});

test("by keys, a component joins and the binding fetches", async () => {
  bindQueryClient(client, queryClient, { keys: { product: ({ id }) => [["product", Number(id)]] } });
  const Page = () => {
    useRoom("seller:3");
    return h(Product);
  };
  await show(h(Page));
  await until("live", () => client.getRoom("seller:3").state === "live" && !queryClient.isFetching());
  prices[42] = 11;
  server.emit("seller:3", { entity: "product", id: "42" });
  await until("the new price", () => container.textContent === "11 ");
});

test("a page that was rendered by the server fetches nothing, unless something changed since", async () => {
  bindQueryClient(client, queryClient, { ...byRoom, cursor: (query) => query.state.data?.cursor });
  for (const id of [42, 43]) queryClient.setQueryData(["product", id], { price: prices[id], cursor: server.cursor });
  prices[43] = 21;
  server.emit("product:43");
  await show(h(Product), h(Product, { id: 43 }));
  await until("the new price", () => container.textContent === "10 21 ");
  await until("live", () => client.getRoom("product:42").state === "live");
  assert.deepEqual(requests, [43]);
});

test("own writes are recognized by the origin that came along", async () => {
  bindQueryClient(client, queryClient, { ...byRoom, own: "skip" });
  await show(h(Product));
  await until("live and fetched", () => client.getRoom("product:42").state === "live" && requests.length >= 2 && !queryClient.isFetching());
  requests.length = 0;
  server.emit("product:42", { origin: client.origin });
  server.emit("product:42", { origin: "somebody else" });
  await until("one fetch", () => requests.length === 1 && !queryClient.isFetching());
});

test("another user is in the rooms of the page, and sees what is fetched for him", async () => {
  bindQueryClient(client, queryClient, byRoom);
  await show(h(Product));
  await until("live", () => server.rooms.has("product:42") && !queryClient.isFetching());
  prices[42] = 99;
  await act(async () => client.setUser("berta"));
  await until("his price", () => container.textContent === "99 " && server.rooms.get("product:42") === 1);
});

test("rooms that only the first user's page names are not joined by the second", async () => {
  bindQueryClient(client, queryClient, { rooms: ([kind, id]) => `${kind}:${id}` });
  let signIn;
  const Page = ({ user }) => {
    useRoom(`cart:${user}`);
    const { data } = useQuery({ queryKey: ["user", user], queryFn: () => `of ${user}` });
    return data;
  };
  const App = () => {
    const [user, setUser] = useState("ada");
    signIn = setUser;
    return h(Page, { user });
  };
  await show(h(App));
  await until("live", () => server.rooms.has("user:ada") && server.rooms.has("cart:ada"));
  const before = server.frames.length;
  await act(async () => {
    client.setUser("berta");
    queryClient.clear();
    // As an app does that asks its server first.
    await null;
    signIn("berta");
  });
  await until("hers", () => server.rooms.has("user:berta") && server.rooms.has("cart:berta"));
  await until("left", () => client.getRoom("cart:ada").state === "idle");
  const asked = server.frames.slice(before).flatMap(({ rooms }) => rooms);
  assert.deepEqual([...new Set(asked)].sort(), ["cart:berta", "user:berta"]);
});

test("a badge follows the connection", async () => {
  let count = 0;
  const Badge = () => (count++, useRoom("product:42"), useConnectionStatus().live ? "live" : "not live");
  await show(h(Badge));
  await until("live", () => container.textContent === "live");
  server.refuse();
  server.drop();
  await until("not live", () => container.textContent === "not live");
  const renders = count;
  server.refuse(0);
  await until("live again", () => container.textContent === "live");
  assert.ok(renders < count);
});

test("scrolling joins what is seen and leaves what is not", async () => {
  const Card = ({ id }) => h("div", { id: `c${id}`, ref: useVisibleRoom(`product:${id}`) });
  const List = () => {
    const [ids] = useState(() => Array.from({ length: 50 }, (_, index) => index));
    return ids.map((id) => h(Card, { key: id, id }));
  };
  await show(h(List));
  const ids = (from) => Array.from({ length: 10 }, (_, index) => `c${from + index}`);
  await act(async () => dom.view(true, ...ids(0)));
  await until("the first ten", () => server.rooms.size === 10);
  await act(async () => {
    dom.view(false, ...ids(0));
    dom.view(true, ...ids(30));
  });
  await until("the other ten", () => server.rooms.size === 10 && server.rooms.has("product:39"));
});
