/**
 * What users of `pgbell/query` meet. TanStack Query is not imported: the types of a query are taken from the QueryClient
 * that is handed over, whichever framework and version of 5 it comes from.
 */
import type { Client, NoticedChange } from "../types.js";
import type { Room } from "../catalogue.js";

/** What this package uses of a QueryClient. */
export interface QueryClientLike {
  getQueryCache(): {
    getAll(): any[];
    findAll(filters: any): any[];
    subscribe(listener: (event: any) => void): () => void;
  };
  invalidateQueries(filters: any, options?: any): Promise<void>;
  refetchQueries(filters: any, options?: any): Promise<void>;
}

/** What this package uses of a query. */
export interface QueryLike {
  readonly queryKey: readonly unknown[];
  readonly meta: Record<string, unknown> | undefined;
  readonly state: { data: unknown; fetchStatus: string };
  isActive(): boolean;
}

/** The queries of a QueryClient. */
export type QueryOf<QC extends QueryClientLike> = ReturnType<ReturnType<QC["getQueryCache"]>["getAll"]>[number];

/** What changed, for the functions in `keys`. Ids are strings, also where the database has numbers. */
export interface Subject {
  /** `product`; where a whole room is meant, its kind: `seller` of `seller:3`, `shop` of `shop_5`. */
  readonly entity: string;
  /** `42`; where a whole room is meant, the rest of its name. */
  readonly id: string;
  readonly room: string;
  /** The change itself; absent where a whole room is meant: on a resync, and for what was fetched before it was live. */
  readonly change?: NoticedChange;
}

/** Prefixes of query keys, as `invalidateQueries` takes them. */
export type KeysOf = (subject: Subject) => readonly (readonly unknown[])[] | null | undefined;

/** How queries follow rooms. */
export interface QueryBindings<Query = QueryLike> {
  /**
   * The rooms a query depends on, also by its data; else `meta.rooms` of the query is taken. They are joined while the
   * query is in use, and what happens there fetches exactly this query again.
   */
  rooms?: (queryKey: readonly unknown[], query: Query) => Room | readonly Room[] | null | undefined;
  /**
   * Which queries to fetch again for rooms that components joined, by the name of an entity (`product`), of an event
   * (`product:price_changed`) or of a kind of room (`seller`). Where the kind of a room is not here, a resync of the room
   * means every query: `buyers: () => []` says that nothing depends on it.
   */
  keys?: Record<string, KeysOf>;
  /**
   * The position that the data of a query was read at (`pgbell.cursor()`). Data that names one is not fetched again when
   * its `rooms` go live: the daemon tells what changed since.
   */
  cursor?: (query: Query) => string | null | undefined;
  /** Least time between two fetches of a query, in milliseconds; else `meta.throttle` of the query. Default 0. */
  throttle?: (query: Query) => number | undefined;
  /** Whether a hidden tab only marks queries as stale, and fetches once it is seen again. Default `mark`. */
  hidden?: "mark" | "refetch";
  /** What to do about changes that this client made itself (see `Client.origin`). Default `refetch`. */
  own?: "refetch" | "skip";
}

export type { Client };
