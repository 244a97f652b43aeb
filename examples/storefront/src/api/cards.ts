import { get } from "./http";
import type { Card, Read } from "./types";

export type CardRead = (Card & Read) | null;

const MOST_AT_ONCE = 100;

let waiting = new Map<string, PromiseWithResolvers<CardRead>>();

/** Reads one card. All that are asked for in the same moment travel in one request; `null` is one that is no more. */
export function fetchCard(id: string): Promise<CardRead> {
  if (waiting.size === 0) setTimeout(flush);
  const asked = waiting.get(id) ?? Promise.withResolvers<CardRead>();
  waiting.set(id, asked);
  return asked.promise;
}

function flush() {
  const asked = [...waiting];
  waiting = new Map();
  for (let at = 0; at < asked.length; at += MOST_AT_ONCE) void fetchCards(new Map(asked.slice(at, at + MOST_AT_ONCE)));
}

async function fetchCards(asked: typeof waiting) {
  try {
    const { items, cursor } = await get<{ items: Card[] }>(`/api/products/cards?ids=${[...asked.keys()].join(",")}`);
    const found = new Map(items.map((card) => [String(card.id), { ...card, cursor }]));
    for (const [id, { resolve }] of asked) resolve(found.get(id) ?? null);
  } catch (error) {
    for (const { reject } of asked.values()) reject(error);
  }
}
