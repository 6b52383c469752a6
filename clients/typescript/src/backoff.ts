/** How long to wait before the next attempt to connect. */

/** Bound of the first wait before a reconnection: a server that restarts is back about then. */
export const BACKOFF_BASE_MS = 100;
/** Bound of every wait: nobody should look at a dead screen for longer once the server is back. */
export const BACKOFF_CAP_MS = 10_000;

/**
 * The wait after failed attempt number `attempt`, counted from 0, in ms.
 *
 * Full jitter: anywhere between 0 and a bound that doubles, so that the clients of a server that failed do not come back
 * all at once. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param random a number from 0 up to 1.
 */
export function backoffMs(attempt: number, random: () => number): number {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16));
}
