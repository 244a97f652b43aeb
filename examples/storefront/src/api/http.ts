import { client } from "../live";
import { recordAnswer } from "../inside/traffic";
import type { Problem, Read } from "./types";

/** A refusal, in the words of the API. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
  }
}

/** Reads. The answer carries the position it was read at, so that the binding knows what it already contains. */
export async function get<Answer extends object>(path: string, signal?: AbortSignal): Promise<Answer & Read> {
  const startedAt = performance.now();
  const response = await fetch(path, { signal });
  const text = await response.text();
  recordAnswer(path, startedAt, text);
  return { ...parse<Answer>(response, text), cursor: response.headers.get("pgbell-cursor") ?? undefined };
}

/** Writes. `pgbell-origin` marks the changes that follow from it as this page's own. */
export async function send<Answer>(method: "POST" | "PATCH" | "DELETE", path: string, body?: object): Promise<Answer> {
  const response = await fetch(path, {
    method,
    headers: { "content-type": "application/json", "pgbell-origin": client.origin },
    body: body && JSON.stringify(body),
  });
  return parse<Answer>(response, await response.text());
}

function parse<Answer>(response: Response, text: string): Answer {
  const answer = isJson(response) ? JSON.parse(text) : {};
  if (response.ok) return answer;
  throw new ApiError(response.status, answer.error ?? `The shop answered ${response.status}`, answer.problems);
}

function isJson(response: Response) {
  return response.headers.get("content-type")?.includes("json") ?? false;
}
