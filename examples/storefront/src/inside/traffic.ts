import { create } from "zustand";
import { compareClocks } from "./clock";

export type Mode = "pgbell" | "polling";

/** What the page asked for, and what it was told, in one mode. */
export interface Traffic {
  /** Reads sent to the API. */
  requests: number;
  /** Answers that differed from the one before to the same question. */
  fresh: number;
  /** Of bodies and frames received. */
  bytes: number;
  /** Frames received that announced a change. */
  events: number;
  /** How long this mode was on. */
  seconds: number;
}

export interface Answer {
  path: string;
  startedAt: number;
  endedAt: number;
}

const NOTHING: Traffic = { requests: 0, fresh: 0, bytes: 0, events: 0, seconds: 0 };
const REMEMBERED = 500;

export const useTraffic = create(() => ({ mode: "pgbell" as Mode, pgbell: NOTHING, polling: NOTHING }));

/** The latest answers, oldest first. */
export const answers: Answer[] = [];
const bodies = new Map<string, string>();

export const resetTraffic = () => useTraffic.setState({ pgbell: NOTHING, polling: NOTHING });

export function recordAnswer(path: string, startedAt: number, body: string) {
  const fresh = bodies.get(path) !== body;
  bodies.delete(path);
  bodies.set(path, body);
  forgetOldest(bodies);
  answers.push({ path, startedAt, endedAt: performance.now() });
  answers.splice(0, answers.length - 50);
  count({ requests: 1, fresh: Number(fresh), bytes: body.length });
}

export function recordFrame(frame: string) {
  const { type, server_time } = JSON.parse(frame);
  if (server_time) compareClocks(server_time);
  count({ bytes: frame.length, events: Number(type === "invalidate" || type === "resync") });
}

/** Counts for the mode that is on. */
export function count(more: Partial<Traffic>) {
  useTraffic.setState((state) => ({ [state.mode]: add(state[state.mode], more) }));
}

function add(sum: Traffic, more: Partial<Traffic>) {
  const names = Object.keys(sum) as (keyof Traffic)[];
  return Object.fromEntries(names.map((name) => [name, sum[name] + (more[name] ?? 0)]));
}

function forgetOldest(map: Map<string, string>) {
  const [oldest] = map.keys();
  if (map.size > REMEMBERED && oldest) map.delete(oldest);
}
