// A client beside the mock server, which knows tokens: both in the page.

import { UnauthorizedError, createClient } from "pgbell";
import { createMockServer } from "pgbell/testing";

const server = createMockServer();
const tokens = [];
const client = createClient({
  url: server.url,
  WebSocket: server.WebSocket,
  EventSource: server.EventSource,
  getToken({ reason }) {
    tokens.push(reason);
    if (window.refused) throw new UnauthorizedError("the session is over");
    return "ada";
  },
});
Object.assign(window, { server, client, tokens, notices: [] });
client.subscribe("order:7", (notice) => notices.push(notice));
