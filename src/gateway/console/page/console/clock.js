// @ts-check
// What the daemon's clock shows, seen from here.

const KEPT_SAMPLES = 8;

/** Milliseconds since 1970 on this machine, with fractions. */
export function localNow() {
  return performance.timeOrigin + performance.now();
}

/**
 * An instant as milliseconds since 1970; RFC 3339 keeps its microseconds.
 * @param {unknown} instant
 * @returns {number} NaN when it is not an instant
 */
export function toMillis(instant) {
  if (typeof instant === "number") return instant;
  if (typeof instant !== "string") return NaN;
  const fraction = /\.(\d+)/.exec(instant);
  if (!fraction) return Date.parse(instant);
  return Date.parse(instant.replace(fraction[0], "")) + Number(`0.${fraction[1]}`) * 1000;
}

/**
 * Estimates how far the daemon's clock is ahead of ours. A pong bounds the error by half its round trip, so the
 * quickest one wins. A message that was only received took an unknown time, so its reading can only be too low,
 * and the highest wins.
 */
export class Clock {
  /** @type {{ offset: number, roundTrip: number }[]} */
  #roundTrips = [];
  /** @type {number | undefined} */
  #oneWay;

  /** A new connection may reach a daemon with another clock. */
  reset() {
    this.#roundTrips = [];
    this.#oneWay = undefined;
  }

  /** @param {unknown} serverTime @param {number} [sentAt] when the ping it answers left here */
  observe(serverTime, sentAt) {
    const server = toMillis(serverTime);
    if (Number.isNaN(server)) return;
    const now = localNow();
    if (sentAt === undefined) {
      this.#oneWay = Math.max(this.#oneWay ?? -Infinity, server - now);
      return;
    }
    const roundTrip = now - sentAt;
    this.#roundTrips.push({ offset: server + roundTrip / 2 - now, roundTrip });
    if (this.#roundTrips.length > KEPT_SAMPLES) this.#roundTrips.shift();
  }

  /** @returns {{ offset: number, roundTrip: number } | undefined} */
  get best() {
    if (this.#roundTrips.length === 0) return undefined;
    return this.#roundTrips.reduce((best, next) => (next.roundTrip < best.roundTrip ? next : best));
  }

  get offset() {
    return this.best?.offset ?? this.#oneWay ?? 0;
  }

  /**
   * How long ago something happened on the daemon's clock.
   * @param {unknown} at
   * @returns {number | undefined}
   */
  age(at) {
    const age = localNow() + this.offset - toMillis(at);
    return Number.isNaN(age) ? undefined : Math.max(0, age);
  }
}
