import type { Config } from "./api/types";

/** Asked once, before anything else: where the daemon is, and who may use the shop. */
export const config = await load();

async function load(): Promise<Config> {
  const response = await fetch("/api/config");
  if (!response.ok) throw new Error(`The shop's API answered ${response.status}`);
  const config: Config = await response.json();
  const elsewhere = new URLSearchParams(location.search).get("ws");
  return elsewhere ? { ...config, ws: elsewhere } : config;
}
