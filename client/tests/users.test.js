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
  assert.deepEqual([reasons, errors.map(({ message }) => message)], [["failed", "no token"], ["the network"]]);
  assert.deepEqual([server.users, asked], [["ada"], 3]);
  assert.equal(signals[1].aborted, true);
});

/** Says in place of the daemon what becomes of a token. */
const answer = (server, code) => server.say(JSON.stringify({ type: "error", id: 0, code, message: "no", retryable: false }));

for (const transport of ["websocket", "sse"]) {
  test(`a token the daemon refuses closes for good (${transport})`, async (t) => {
    const { server, client, pass } = setUp(t, { transport, getToken: () => "forged" }, { authenticate: () => null });
    client.subscribe("cart:1", () => {});
    await pass(60_000);
    const { state, code, reason } = client.getStatus();
    assert.deepEqual([state, code, reason, server.connections], ["closed", 4000, "unauthorized", 0]);
  });

  test(`a token is in no log (${transport})`, async (t) => {
    const logged = [];
    const { client, pass } = setUp(t, { transport, getToken: () => "canary", debug: (what, detail) => logged.push([what, detail]) }, { authenticate: () => "ada" });
    client.subscribe("cart:1", () => {});
    await pass(500);
    assert.equal(client.getStatus().live, true);
    assert.match(JSON.stringify(logged), /subscribe.*authenticated.*subscribed/);
    assert.doesNotMatch(JSON.stringify(logged), /canary/);
  });

  test(`a token that expires is renewed without a gap, and one that has expired is asked for anew (${transport})`, async (t) => {
    const reasons = [];
    const getToken = ({ reason }) => (reasons.push(reason), reason === "expiring" && reasons.length > 2 ? null : reason);
    const { server, client, pass } = setUp(t, { transport, getToken });
    const notices = [];
    const states = new Set(["connected"]);
    client.subscribe("cart:1", (notice) => notices.push(notice));
    await pass(500);
    client.on("status", ({ state }) => states.add(state));
    server.expireToken(10_000);
    for (let each = 0; each < 20; each++) {
      await pass(100);
      server.emit("cart:1");
    }
    await pass(20_000);
    assert.deepEqual([reasons, [...states], server.users], [["connect", "expiring"], ["connected"], ["expiring"]]);
    assert.equal(notices.reduce((sum, { changes }) => sum + changes[0].count, 0), 20);
    server.expireToken(1000);
    await pass(3000);
    assert.deepEqual([reasons.slice(2), server.users, client.getStatus().live], [["expiring", "expired"], ["expired"], true]);
  });
}

test("a token that the daemon finds too old is asked for anew, and what was denied meanwhile is asked again", async (t) => {
  const reasons = [];
  const { server, client, pass } = setUp(t, { getToken: ({ reason }) => (reasons.push(reason), reason) });
  server.deny("cart:1");
  client.subscribe("cart:1", () => {});
  await pass(200);
  assert.equal(client.getRoom("cart:1").state, "denied");
  server.allow("cart:1");
  answer(server, "token_expired");
  await pass(20_000);
  assert.deepEqual([client.getRoom("cart:1").state, reasons], ["live", ["connect", "expired"]]);
});

test("a token that nobody can check now is shown again later", async (t) => {
  const { server, client, pass } = setUp(t, { getToken: () => "ada" });
  client.subscribe("cart:1", () => {});
  await pass(200);
  answer(server, "not_ready");
  await pass();
  assert.deepEqual([client.getStatus().state, client.getStatus().code], ["reconnecting", 4100]);
  await pass(20_000);
  assert.deepEqual([client.getStatus().live, sent(server, "auth").length], [true, 2]);
});

test("where the daemon looks at no tokens, the client goes on without, and says so", async (t) => {
  const { server, client, pass, errors } = setUp(t, { getToken: () => "ada" });
  client.subscribe("cart:1", () => {});
  await pass(200);
  answer(server, "bad_request");
  await pass(20_000);
  assert.deepEqual([client.getStatus().live, server.attempts, errors.map(({ message }) => message)], [true, 1, ["bad_request: no"]]);
});

for (const transport of ["websocket", "sse"]) {
  test(`somebody else gets nothing of the first: no room, no listener, no late frame, no late token (${transport})`, async (t) => {
    const answers = [];
    let user = "ada";
    const getToken = () => (user === "late" ? new Promise((resolve) => answers.push(resolve)) : user);
    const { server, client, pass } = setUp(t, { transport, getToken });
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
      [transport === "sse" ? "ticket" : "auth", "bob", undefined],
      ["subscribe", "user:3", undefined],
    ]);
    assert.deepEqual([[...server.rooms.keys()], server.users, users], [["user:3"], ["bob"], ["late", "bob"]]);
    assert.equal(client.getStatus().user, "bob");
    client.subscribe("user:1", () => {});
    await pass(200);
    assert.equal(sent(server, "subscribe").at(-1).since, undefined, "no position of the first");
  });
}

test("a room of the first that is left before the second is connected is never asked for, however long it is kept", async (t) => {
  const { server, client, pass } = setUp(t, { linger: 60_000 });
  // Components that are still mounted join again, and leave when the page shows somebody else.
  client.on("user", () => client.subscribe("user:1", () => {})());
  client.subscribe("user:1", () => {});
  await pass(200);
  client.setUser("bob");
  client.subscribe("user:2", () => {});
  await pass(5000);
  server.drop();
  await pass(5000);
  assert.deepEqual(sent(server, "subscribe").map(({ rooms }) => rooms.join()), ["user:1", "user:2", "user:2"]);
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
