/** The wire, `pgbell.v1`. */

export type Op = "insert" | "update" | "delete";

/** All changes of one entity since the room was told last, as one. */
export interface Change {
  entity: string;
  id: string;
  op: Op;
  events: string[];
  count: number;
  at: string;
  old?: Record<string, unknown>;
  new?: Record<string, unknown>;
  origin?: string;
}

export type ResyncReason = "bulk" | "gap" | "truncated" | "epoch" | "slow_consumer";

export type ErrorCode =
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "bad_room"
  | "bad_request"
  | "limit_exceeded"
  | "rate_limited"
  | "not_ready"
  | "cursor_unrecoverable"
  | "internal";

export type Standing = "live" | "replayed" | "resync" | "denied";

export interface RoomStatus {
  room: string;
  status: Standing;
  code?: ErrorCode;
  message?: string;
}

export interface Limits {
  rooms: number;
  rooms_per_message: number;
  message_bytes: number;
}

export type ClientMessage =
  | { type: "auth"; id: number; token: string }
  | { type: "subscribe"; id: number; rooms: string[]; since?: string }
  | { type: "unsubscribe"; id: number; rooms: string[] }
  | { type: "sync"; id: number; since: string; rooms?: string[] }
  | { type: "ping"; id?: number };

export type ServerMessage =
  | {
      type: "welcome";
      protocol: number;
      connection: string;
      cursor: string;
      heartbeat_ms: number;
      server_time: string;
      user: string | null;
      limits: Limits;
    }
  | { type: "authenticated"; id: number; user: string; expires_in_ms: number }
  | { type: "subscribed"; id: number; cursor: string; rooms: RoomStatus[] }
  | { type: "unsubscribed"; id: number; rooms: string[] }
  | { type: "synced"; id: number; cursor: string; rooms: RoomStatus[] }
  | { type: "invalidate"; room: string; cursor: string; changes: Change[]; replayed?: boolean }
  | { type: "resync"; rooms: string[] | "*"; reason: ResyncReason; cursor: string; spread_ms: number }
  | { type: "revoked"; room: string; code: ErrorCode }
  | { type: "token_expiring"; in_ms: number }
  | { type: "heartbeat"; cursor: string; server_time: string }
  | { type: "stale"; since: string }
  | { type: "fresh"; cursor: string }
  | { type: "pong"; id?: number; server_time: string }
  | { type: "goodbye"; code: number; reason: string; retry_after_ms: number }
  | {
      type: "error";
      id?: number;
      code: ErrorCode;
      message: string;
      room?: string;
      retryable: boolean;
      retry_after_ms?: number;
    };
