/**
 * The wire, `pgbell.v1`: what `src/protocol.rs` describes, and what clients are made ready for.
 *
 * Not to be edited: `PGBELL_RENEW=1 cargo test --lib` writes it.
 */

/**
 * All changes of one entity in one room since the last flush, as one. This is what goes on the wire as an
 * element of `changes`.
 */
export interface Change {
  /** Kind of the entity. */
  entity: string;
  /** Which entity. */
  id: string;
  /** The operation that leads from the state before the first change to the one after the last. */
  op: Op;
  /** Union of the events, in order of first appearance. */
  events: string[];
  /** How many row changes were folded. */
  count: number;
  /** Time of the oldest change in here. */
  at: string;
  /** The latest known value of each column that changed. */
  new?: Record<string, unknown>;
  /** The earliest known value of each column that changed. */
  old?: Record<string, unknown>;
  /** Set while every folded change carries the same origin. */
  origin?: string;
}

/** Why a request failed. */
export type ErrorCode =
  /** Not a room name. */
  | "bad_room"
  /** Not a message of this protocol. */
  | "bad_request"
  /** More than the connection may have. */
  | "limit_exceeded"
  /** What was missed since this position cannot be told. */
  | "cursor_unrecoverable"
  /** No token, or one that is not accepted. */
  | "unauthorized"
  /** The token is too old: a newer one is needed. */
  | "token_expired"
  /** The client may not join this room, or there is no such room. */
  | "forbidden"
  /** Too much is asked at once. */
  | "rate_limited"
  /** What is needed to answer cannot be reached now. */
  | "not_ready"
  /** The daemon failed. */
  | "internal";

/** What one connection may send. */
export interface Limits {
  /** Most rooms it may be in. */
  rooms: number;
  /** Most rooms in one message. */
  rooms_per_message: number;
  /** Largest message, in bytes. */
  message_bytes: number;
}

/** What happened to the row. */
export type Op =
  /** The row is new. */
  | "insert"
  /** The row has other values than before. */
  | "update"
  /** The row is gone. */
  | "delete";

/** Why rooms are told to resync. */
export type ResyncReason =
  /** A stretch of changes was not seen. */
  | "gap"
  /** Too many entities changed to name them. */
  | "bulk"
  /** This client did not read fast enough. */
  | "slow_consumer"
  /** The database is another one, or has another history, than before. */
  | "epoch"
  /** The change log no longer reaches back far enough. */
  | "truncated";

/** How a room stands after a `subscribe` or `sync`. */
export interface RoomStatus {
  /** The room, as asked for. */
  room: string;
  /** How it stands. */
  status: Standing;
  /** Why it was denied, or why nothing can be proven. */
  code?: ErrorCode;
  /** What to do about it. */
  message?: string;
  /** When to ask again, where nobody could tell whether the client may join. */
  retry_after_ms?: number;
}

/** How a room stands. */
export type Standing =
  /** Nothing was missed. */
  | "live"
  /** What was missed follows in an `invalidate`. */
  | "replayed"
  /** What was missed cannot be proven: refetch all of the room. */
  | "resync"
  /** Not joined. */
  | "denied";

/** What a client says. */
export type ClientMessage =
  /** Says who the client is. */
  | {
      type: "auth";
      /** A JWT. */
      token: string;
      /** Carried back in the reply. */
      id?: number;
    }
  /** Joins rooms. */
  | {
      type: "subscribe";
      /** Which. */
      rooms: string[];
      /** Carried back in the reply. */
      id?: number;
      /** The newest position the client has seen. */
      since?: string;
    }
  /** Leaves rooms. */
  | {
      type: "unsubscribe";
      /** Which. */
      rooms: string[];
      /** Carried back in the reply. */
      id?: number;
    }
  /** Asks what was missed, after a sleep or in doubt. */
  | {
      type: "sync";
      /** The newest position the client has seen. */
      since: string;
      /** Carried back in the reply. */
      id?: number;
      /** Which rooms; all of the client's where absent. */
      rooms?: string[];
    }
  /** Asks for a sign of life. */
  | {
      type: "ping";
      /** Carried back in the reply. */
      id?: number;
    };

/** What the server says. */
export type ServerMessage =
  /** The first message. */
  | {
      type: "welcome";
      /** Version of the protocol. */
      protocol: number;
      /** Name of this connection, for logs. */
      connection: string;
      /** The position to resume from. */
      cursor: string;
      /** A silence of this and 10 s means that the connection is dead. */
      heartbeat_ms: number;
      /** The server's clock. */
      server_time: string;
      /** Who the client is; null while nobody asked. */
      user: string | null;
      /** What the client may send. */
      limits: Limits;
    }
  /** Reply to `subscribe`. */
  | {
      type: "subscribed";
      /** The request's. */
      id: number | null;
      /** The rooms are live from here on. */
      cursor: string;
      /** One per room asked for. */
      rooms: RoomStatus[];
    }
  /** Reply to `unsubscribe`. */
  | {
      type: "unsubscribed";
      /** The request's. */
      id: number | null;
      /** The rooms asked for. */
      rooms: string[];
    }
  /** Reply to `sync`. */
  | {
      type: "synced";
      /** The request's. */
      id: number | null;
      /** The rooms are live from here on. */
      cursor: string;
      /** One per room asked for. */
      rooms: RoomStatus[];
    }
  /** These entities of this room changed. */
  | {
      type: "invalidate";
      /** The room. */
      room: string;
      /** The position to resume from. */
      cursor: string;
      /** One per entity. */
      changes: Change[];
      /** Whether these are told again, to a client that came back. */
      replayed?: boolean;
    }
  /** Reply to `auth`. */
  | {
      type: "authenticated";
      /** The request's. */
      id: number | null;
      /** Who the client is. */
      user: string;
      /** How long the connection may stay with this token. */
      expires_in_ms: number;
    }
  /** The client is in this room no longer, and nothing more of it follows. */
  | {
      type: "revoked";
      /** The room. */
      room: string;
      /** `forbidden`: it may not be; `not_ready` or `rate_limited`: nobody could tell. */
      code: ErrorCode;
      /** When to ask to join again, where nobody could tell. */
      retry_after_ms?: number;
    }
  /** The connection is closed unless a newer token comes. */
  | {
      type: "token_expiring";
      /** When. */
      in_ms: number;
    }
  /** Refetch everything of these rooms. */
  | {
      type: "resync";
      /** Which. */
      rooms: "*" | string[];
      /** Why. */
      reason: ResyncReason;
      /** The position to resume from. */
      cursor: string;
      /** Wait a random part of this before refetching what is not on screen. */
      spread_ms: number;
    }
  /** A sign of life. */
  | {
      type: "heartbeat";
      /** The position to resume from. */
      cursor: string;
      /** The server's clock. */
      server_time: string;
    }
  /** The daemon has lost its database. */
  | {
      type: "stale";
      /** When. */
      since: string;
    }
  /** The daemon has its database back. */
  | {
      type: "fresh";
      /** The position to resume from. */
      cursor: string;
    }
  /** Reply to `ping`. */
  | {
      type: "pong";
      /** The server's clock. */
      server_time: string;
      /** The request's. */
      id?: number;
    }
  /** A planned close follows. */
  | {
      type: "goodbye";
      /** The close code that follows. */
      code: number;
      /** Its name. */
      reason: string;
      /** When to come back; differs per connection. */
      retry_after_ms: number;
    }
  /** A request failed; the connection goes on. */
  | {
      type: "error";
      /** Which error. */
      code: ErrorCode;
      /** What to do about it. */
      message: string;
      /** Whether the same request can succeed later. */
      retryable: boolean;
      /** The request's. */
      id?: number;
      /** When, if that is known. */
      retry_after_ms?: number;
      /** The room it is about. */
      room?: string;
    };

/**
 * Why the server ends a connection. The range of the code decides what a client does: 4000–4099 stop,
 * 4100–4199 back off and resume, 4200–4299 come back soon.
 */
export interface CloseCodes {
  /** The peer closed first, or the transport went away. */
  normal: 1000;
  /** The client broke RFC 6455. */
  protocol_error: 1002;
  /** A binary message came; this protocol is text. */
  unsupported_data: 1003;
  /** The client sent text that is no UTF-8. */
  invalid_text: 1007;
  /** The client's message is larger than allowed. */
  too_big: 1009;
  /** The client came with a token that is not accepted. */
  unauthorized: 4000;
  /** The page that connects may not, from a browser. */
  origin_forbidden: 4001;
  /** None of the subprotocols the client offers is spoken here. */
  unsupported_protocol: 4002;
  /** The client broke the protocol. */
  bad_request: 4003;
  /** The daemon has as many connections as it may have. */
  connection_limit: 4004;
  /** Somebody said that the client may not be here any more. */
  revoked: 4005;
  /** The daemon failed, or has no database to welcome the client with. */
  server_error: 4100;
  /** The daemon has more to do than it can. */
  overloaded: 4101;
  /** The client did not read what it was sent. */
  slow_consumer: 4102;
  /** The client says too much, or comes too often. */
  rate_limited: 4103;
  /** The client neither said who it is nor joined a room in time. */
  auth_timeout: 4104;
  /** The client did not answer a ping. */
  no_pong: 4105;
  /** The client's token is too old: it may come back with a newer one. */
  token_expired: 4200;
  /** The daemon is stopping. */
  draining: 4201;
}

export type CloseCode = CloseCodes[keyof CloseCodes];
