/**
 * What users of the client meet. Everything here is a type: the code beside it is plain JavaScript.
 */
import type { Change, ErrorCode, ResyncReason } from "./protocol.js";
import type { Room } from "./catalogue.js";

export type { Change, ErrorCode, ResyncReason };

/** How a client is made. Every time is in milliseconds. */
export interface ClientOptions {
  /** Where the daemon is: `wss://bell.example.com/ws`. Default: `/ws` of the page's own host. */
  url?: string | URL;
  /**
   * Asked on each connect, when a token is about to expire, and when one was too old. `null` means anonymous. A thrown
   * `UnauthorizedError` closes the client for good; any other error is tried again later.
   */
  getToken?: (context: TokenContext) => string | null | undefined | Promise<string | null | undefined>;
  /** Pace of listeners that name none. Default 0: every message as it comes. */
  throttle?: number;
  /** Wishes to join and leave are gathered for this long into one frame. Default 50. */
  batch?: number;
  /** How long a room is kept after its last listener has gone, for one that comes back. Default 2000. */
  linger?: number;
  /** The socket is closed this long after the last room was left. Default 30000. */
  idle?: number;
  /** A connection away for this long counts as lost: `status.lost`, events `lost` and `restored`. Default 5000. */
  lostAfter?: number;
  /** Full jitter: the n-th wait is random up to `min * 2^n`, and never above `max`. Default 500 and 20000. */
  backoff?: { min?: number; max?: number };
  /**
   * A connection that breaks is made again at a random moment within this time, and if that fails, within ever twice as
   * much: all other pages may have lost theirs at the same moment. A planned end says when to come back, and a page that
   * gets its network back or is seen again does so at once. Default 8000.
   */
  spread?: number;
  /** How long a probe of a doubtful socket may stay unanswered. Default 3000. */
  probe?: number;
  /** `auto` takes server-sent events where WebSockets do not get through. Default `auto`. */
  transport?: "auto" | "websocket" | "sse";
  /** Marks this client's own writes: see `Client.origin`. Default: random. */
  origin?: string;
  /** For Node before 22, and for tests. Default: the global one. */
  WebSocket?: new (url: string, protocols?: string | string[]) => WebSocket;
  /** Default: the global one, if there is one. */
  EventSource?: new (url: string) => EventSource;
  /** Asks the daemon for tickets, with which server-sent events are opened. Default: the global one. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Logs every frame and change of state. Also switched on by `localStorage["pgbell.debug"] = "1"`. */
  debug?: boolean | ((what: string, detail?: unknown) => void);
}

/** Why a token is wanted, and when it is not wanted any more. */
export interface TokenContext {
  reason: "connect" | "expiring" | "expired";
  signal: AbortSignal;
}

/** How one subscription wants to be told. */
export interface SubscribeOptions {
  /**
   * At most one call in this time, the first at once and always a last one: 0 for a checkout, 500 for a detail page, 1000
   * for a list. What comes in between is folded by entity.
   */
  throttle?: number;
  /** Where the data at hand was read (`pgbell.cursor()`): what changed since is told. */
  since?: string;
  /** Calls the listener with `{type: "live"}` once the room is live: the moment to fetch for the first time. */
  initial?: boolean;
  /** Ends the subscription when it aborts. */
  signal?: AbortSignal;
}

/** What a listener is told. Whoever fetches again on each of them is never stale. */
export type Notice =
  /** These entities changed. */
  | { type: "invalidate"; room: string; changes: NoticedChange[]; replayed: boolean }
  /** What changed cannot be listed: fetch again all of the room, what is not on screen within `spreadMs`. */
  | { type: "resync"; room: string; reason: ResyncReason | "unproven" | "polled"; spreadMs: number }
  /** Only for `initial`: from here on nothing is missed. */
  | { type: "live"; room: string };

/** A change, and whether this very client caused it. */
export interface NoticedChange extends Change {
  /** Whether `origin` is that of this client. */
  own: boolean;
}

export type Listener = (notice: Notice) => void;

/** How the connection stands. A snapshot: it never changes, another one takes its place. */
export interface Status {
  readonly state:
    /** Nothing to do: no rooms. */
    | "idle"
    | "connecting"
    | "connected"
    /** Was connected; waits for its turn or is trying. */
    | "reconnecting"
    /** The browser says that there is no network. */
    | "offline"
    /** Given up, or asked to stay away: see `code` and `reason`. Only `connect()` ends it. */
    | "closed";
  /** Whether what is shown can be trusted to be current: connected, rooms joined, and the daemon has its database. */
  readonly live: boolean;
  /** Whether the connection has been away for longer than `lostAfter`: the time for a badge. */
  readonly lost: boolean;
  /** Whether the daemon has told that it lost its database. */
  readonly stale: boolean;
  /** When `state` began, in milliseconds of the wall clock. */
  readonly since: number;
  /** Failed attempts in a row. */
  readonly attempt: number;
  /** When the next attempt is due, while `reconnecting`. */
  readonly nextRetryAt?: number;
  /** Code and reason of the last close that was not wanted. */
  readonly code?: number;
  readonly reason?: string;
  /** Which way messages come. */
  readonly transport?: "websocket" | "sse";
  /** Who `setUser` named last. */
  readonly user: string | null;
}

/** How one room stands. A snapshot, as `Status`. */
export interface RoomState {
  readonly state: "idle" | "joining" | "live" | "denied" | "revoked";
  /** Since when nothing was missed, in milliseconds of the wall clock; of the first join, however often reconnected. */
  readonly liveSince?: number;
  /** Why, where `denied` or `revoked`. */
  readonly code?: ErrorCode | string;
  readonly message?: string;
}

/** What `on` offers besides the rooms. */
export interface ClientEvents {
  status: (status: Status) => void;
  /** The connection has been away for `lostAfter`. */
  lost: (status: Status) => void;
  /** It is back after `lost`. */
  restored: (status: Status) => void;
  /** What any room is told, at the pace of its fastest listener. */
  notice: (notice: Notice) => void;
  /** A room's state changed. */
  room: (room: string, state: RoomState) => void;
  /** `setUser` named somebody else: what was subscribed is gone. */
  user: (user: string | null) => void;
  /** Something a developer should see: a refused request, a listener that threw, a second client for the same address. */
  error: (error: Error) => void;
}

/** One connection, however many users of it. */
export interface Client {
  /** Sent along with writes (`set local pgbell.origin = …` on the server), it marks their changes as `own`. */
  readonly origin: string;
  /**
   * Tells `listener` of everything that happens in a room, or in each of several. Without a listener the room is joined for
   * those who listen by `on("notice")`. Returns what ends it; to call that twice is harmless. Never throws for want of a
   * network, and does nothing where there is no WebSocket (server rendering).
   */
  subscribe(room: Room | readonly Room[], listener?: Listener | null, options?: SubscribeOptions): () => void;
  /** Resolves once the room is live: what is fetched from then on misses nothing. Rejects where it is denied. */
  ready(room: Room, options?: { signal?: AbortSignal }): Promise<void>;
  /** Asks what was missed, in doubt. What was is told to the listeners before this resolves. */
  sync(rooms?: readonly Room[]): Promise<void>;
  getRoom(room: Room): RoomState;
  getStatus(): Status;
  /** For `useSyncExternalStore`. */
  onStatusChange(listener: () => void): () => void;
  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): () => void;
  /** Connects now, also after `disconnect()` or once closed. Not needed otherwise: the first room connects. */
  connect(): void;
  /** Closes and stays closed, whatever the network, the page or its components do, until `connect()`. */
  disconnect(): void;
  /** Somebody else uses the page: drops connection, token, rooms, listeners and position of whoever did before. */
  setUser(user: string | null): void;
  /** `disconnect()` for good: removes every listener, also those on the page. */
  destroy(): void;
}
