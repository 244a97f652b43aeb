// A page of somebody who is signed in: the test issues the tokens, as `issue(reason)`.

import { UnauthorizedError, createClient } from "pgbell";

const told = Object.fromEntries(new URLSearchParams(location.search));
const seen = { reasons: [], notices: [], errors: [], closes: [] };
const client = createClient({
  url: told.ws,
  spread: 800,
  backoff: { min: 50 },
  linger: 0,
  ...JSON.parse(told.options ?? "{}"),
  async getToken({ reason }) {
    seen.reasons.push(reason);
    const token = await window.issue(reason);
    if (token === "refused") throw new UnauthorizedError("the session is over");
    return token;
  },
});
client.on("error", ({ message }) => seen.errors.push(message));
client.on("status", ({ code }) => code && seen.closes.at(-1) !== code && seen.closes.push(code));
Object.assign(window, {
  client,
  seen,
  join: (room) => void client.subscribe(room, (notice) => seen.notices.push(notice), { initial: true }),
});
