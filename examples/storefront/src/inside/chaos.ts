import { send } from "../api/http";
import { client } from "../live";
import { productOnScreen } from "./on-screen";
import { countStale } from "./stale";
import { watch } from "./watch";

const HOT = { per_second: 200, seconds: 5 };
const STORM = { clients: 200 };

export interface Deed {
  what: "listener" | "daemon" | "hot" | "storm";
  name: string;
  expected: string;
  /** Does it, waits until it is over, and tells what was seen. */
  run: () => Promise<string>;
}

export const DEEDS: Deed[] = [
  {
    what: "listener",
    name: "Kill the LISTEN session",
    expected: "For a moment the daemon says that changes may be late. It listens again, and reads what it missed from the log. Your socket stays.",
    run: async () => {
      const seen = watch();
      const { ended } = await send<{ ended: number }>("POST", "/api/chaos/listener", {});
      const { awayMs, lateMs, notices } = await seen.settled(4);
      return `${ended} ended. Late for ${lateMs} ms, socket ${awayMs ? `away for ${awayMs} ms` : "stayed"}, ${notices} notices since. ${await staleness()}`;
    },
  },
  {
    what: "daemon",
    name: "Restart the daemon",
    expected: "Offline for about two seconds. Then every room resumes where it was, or is told to resync.",
    run: async () => {
      const seen = watch();
      await send("POST", "/api/chaos/daemon", {});
      const { awayMs, replayed, resynced } = await seen.settled(6);
      return `Away for ${(awayMs / 1000).toFixed(1)} s. ${replayed} missed changes were told, resync was told to ${resynced} rooms. ${await staleness()}`;
    },
  },
  {
    what: "hot",
    name: "Make a row hot",
    expected: `${HOT.per_second * HOT.seconds} changes of a product on screen, in five seconds: at most two refetches a second on its page, one in the list.`,
    run: async () => {
      const id = productOnScreen();
      const seen = watch(`product:${id}`);
      await send("POST", "/api/chaos/hot", { product_id: id, ...HOT });
      const { rows, notices, requests } = await seen.settled(HOT.seconds + 2);
      return `${rows} row changes of product ${id} came as ${notices} notices; ${requests} requests in all. ${await staleness()}`;
    },
  },
  {
    what: "storm",
    name: "Drop 200 clients",
    expected: "They come back at random moments, so that no instant sees all of them.",
    run: async () => {
      const { clients, back_ms } = await send<{ clients: number; back_ms: Record<"p50" | "p99" | "max", number> }>("POST", "/api/chaos/storm", STORM);
      return `${clients} came back: half of them after ${ms(back_ms.p50)}, all after ${ms(back_ms.max)}. ${await staleness()}`;
    },
  },
];

export const announce = (text: string) => send("POST", "/api/chaos/announce", { text });

async function staleness() {
  await client.sync();
  const { stale, checked } = await countStale();
  return `Stale on screen: ${stale} of ${checked}.`;
}

const ms = (value: number) => `${Math.round(value)} ms`;
