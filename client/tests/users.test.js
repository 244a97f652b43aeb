import assert from "node:assert/strict";
import { test } from "node:test";
import { UnauthorizedError } from "../src/index.js";
import { sent, setUp } from "./support.js";

test("the token goes first, and rooms are asked for without waiting for an answer", async (t) => {
  const { server, client, pass } = setUp(t, { getToken: async ({ reason }) => `ada ${reason}` });
  client.subscribe("cart:1", () => {});
  await pass(200);
  assert.deepEqual(server.frames.map(({ type, token }) => [type, token].filter(Boolean)), [["auth", "ada connect"], ["subscribe"]]);
  assert.deepEqual(server.users, ["ada connect"]);
  server.drop();
  await pass(5000);
  assert.equal(sent(server, "auth").length, 2);
});

test("a token that expires is renewed in place", async (t) => {
  const { server, client, pass } = setUp(t, { getToken: ({ reason }) => reason });
  client.subscribe("cart:1", () => {});
  await pass(200);
  server.expireToken(10_000);
  await pass(20_000);
  assert.deepEqual(sent(server, "auth").map(({ token }) => token), ["connect", "expiring"]);
  assert.equal(server.attempts, 1);
});

test("a token that has expired is asked for anew", async (t) => {
  const { server, client, pass } = setUp(t, { getToken: ({ reason }) => (reason === "expiring" ? null : reason) });
  client.subscribe("cart:1", () => {});
  await pass(200);
  server.expireToken(1000);
  await pass(3000);
  assert.deepEqual(sent(server, "auth").map(({ token }) => token), ["connect", "expired"]);
  assert.equal(client.getStatus().live, true);
  server.drop();
  await pass(5000);
  assert.equal(sent(server, "auth").at(-1).token, "connect");
});

for (const when of ["connect", "expiring"]) {
  test(`without a right to a token a client closes for good (${when})`, async (t) => {
    const getToken = ({ reason }) => {
      if (reason === when) throw new UnauthorizedError();
      return "ada";
    };
    const { server, client, pass } = setUp(t, { getToken });
    client.subscribe("cart:1", () => {});
    await pass(200);
    server.expireToken(50_000);
    await pass(120_000);
    const { state, code } = client.getStatus();
    assert.deepEqual([state, code, server.connections], ["closed", 4000, 0]);
  });
}

test("a token that cannot be had now is asked for later, with patience", async (t) => {
  let asked = 0;
  const signals = [];
  const getToken = ({ signal }) => {
    signals.push(signal);
    if (++asked === 1) throw new Error("the network");
    return asked === 2 ? new Promise(() => {}) : "ada";
  };
  const { server, client, pass, errors } = setUp(t, { getToken });
  const reasons = [];
  client.on("status", ({ reason }) => reason && reasons.at(-1) !== reason && reasons.push(reason));
  client.subscribe("cart:1", () => {});
  await pass(12_000);
  assert.equal(signals[1].aborted, false);
  await pass(15_000);
  assert.deepEqual([reasons, errors.map(({ message }) => message)], [["failed", "no token in time"], ["the network"]]);
  assert.deepEqual([server.users, asked], [["ada"], 3]);
  assert.equal(signals[1].aborted, true);
});

test("a token the daemon refuses closes for good", async (t) => {
  const { client, pass } = setUp(t, { getToken: () => "forged" }, { authenticate: () => null });
  client.subscribe("cart:1", () => {});
  await pass(60_000);
  assert.deepEqual([client.getStatus().state, client.getStatus().code], ["closed", 4000]);
});

test("somebody else gets nothing of the first: no room, no listener, no late frame, no late token", async (t) => {
  const answers = [];
  let user = "ada";
  const getToken = () => (user === "late" ? new Promise((resolve) => answers.push(resolve)) : user);
  const { server, client, pass } = setUp(t, { getToken });
  const notices = [];
  const users = [];
  client.on("user", (name) => users.push(name));
  client.subscribe(["user:1", "cart:1"], (notice) => notices.push(notice), { throttle: 500 });
  await pass(200);
  server.emit("user:1");
  server.emit("user:1");
  await pass(10);
  assert.equal(notices.length, 1);
  server.emit("cart:1");
  user = "late";
  client.setUser("late");
  client.subscribe("user:2", (notice) => notices.push(notice));
  await pass(100);
  user = "bob";
  client.setUser("bob");
  answers.forEach((answer) => answer("late"));
  client.subscribe("user:3", (notice) => notices.push(notice));
  const before = server.frames.length;
  await pass(60_000);
  assert.equal(notices.length, 1);
  assert.deepEqual(server.frames.slice(before).map(({ type, token, rooms, since }) => [type, token ?? rooms.join(), since]), [
    ["auth", "bob", undefined],
    ["subscribe", "user:3", undefined],
  ]);
  assert.deepEqual([[...server.rooms.keys()], server.users, users], [["user:3"], ["bob"], ["late", "bob"]]);
  assert.equal(client.getStatus().user, "bob");
  client.subscribe("user:1", () => {});
  await pass(200);
  assert.equal(sent(server, "subscribe").at(-1).since, undefined, "no position of the first");
});

test("after the daemon has refused the first, the next may come", async (t) => {
  let user = "ada";
  const { server, client, pass } = setUp(t, { getToken: () => user }, { authenticate: (token) => (token === "bob" ? token : null) });
  client.subscribe("user:1", () => {});
  await pass(1000);
  assert.equal(client.getStatus().state, "closed");
  user = "bob";
  client.setUser("bob");
  client.subscribe("user:2", () => {});
  await pass(1000);
  assert.deepEqual([client.getStatus().live, [...server.rooms.keys()]], [true, ["user:2"]]);
});
