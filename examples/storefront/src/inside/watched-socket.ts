import { recordFrame } from "./traffic";

/** A WebSocket that lets the strip count frames and compare clocks. A shop of yours does not need it. */
export class WatchedSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    this.addEventListener("message", ({ data }) => recordFrame(data));
  }
}
