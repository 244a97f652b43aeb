/** How far the server's clock is ahead of this machine's. Of several frames the one that travelled fastest is right. */
let ahead: number | undefined;

/** `serverTime` is what a frame said when it was sent: this far, plus the way, is the difference of the clocks. */
export function compareClocks(serverTime: string) {
  const difference = Date.parse(serverTime) - Date.now();
  ahead = ahead === undefined ? difference : Math.max(ahead, difference);
}

/** Milliseconds from `at`, on the server's clock, to `moment` on ours. */
export const since = (at: string, moment = Date.now()) => Math.max(0, Math.round(moment + (ahead ?? 0) - Date.parse(at)));
