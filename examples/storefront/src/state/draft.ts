import { create } from "zustand";
import type { CartLine, Problem } from "../api/types";

/**
 * The checkout as this device sees it: the prices that the customer has agreed to, and what the shop last objected to.
 * The cart itself is the server's, and in the query cache.
 */
interface Draft {
  agreed: Record<number, number>;
  problems: Problem[];
}

const EMPTY: Draft = { agreed: {}, problems: [] };

export const useDraft = create<Draft>(() => EMPTY);

/** Whoever comes to the checkout has seen the prices that it shows first. */
export function agreeToNew(lines: CartLine[]) {
  const { agreed } = useDraft.getState();
  const unseen = lines.filter((line) => !(line.id in agreed));
  if (unseen.length > 0) useDraft.setState({ agreed: { ...agreed, ...pricesOf(unseen) } });
}

export function agree(line: CartLine) {
  useDraft.setState(({ agreed, problems }) => ({
    agreed: { ...agreed, ...pricesOf([line]) },
    problems: problems.filter((problem) => !concerns(problem, line)),
  }));
}

export const object = (problems: Problem[]) => useDraft.setState({ problems });
export const forgetDraft = () => useDraft.setState(EMPTY);

export const concerns = (problem: Problem, line: CartLine) =>
  problem.product_id === line.product_id && (problem.variant_id ?? null) === (line.variant_id ?? null);

const pricesOf = (lines: CartLine[]) => Object.fromEntries(lines.map((line) => [line.id, line.pays]));
