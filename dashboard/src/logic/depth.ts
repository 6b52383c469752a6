/** The cumulative curves of a depth chart. Sums are exact; what places a pixel is the only float. */
import type { Level } from "tickwire";

/** Steps of one curve at most: more than a chart has pixels of width. */
export const STEPS_MAX = 2_000;

/**
 * One step of a curve: all lots that rest at `ticks` or better, and what they come to (the sum of ticks x lots).
 */
export interface Step {
  readonly ticks: bigint;
  readonly total: bigint;
  readonly value: bigint;
}

/** The prices that a chart shows, in ticks. */
export interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

/** The curve of a side, best price first, for the levels inside of the range; `STEPS_MAX` of them at most. */
export function curve(levels: Iterable<Level>, range: Range): Step[] {
  const steps: Step[] = [];
  let [total, value] = [0n, 0n];
  for (const [ticks, lots] of levels) {
    if (ticks < range.from || ticks > range.to || steps.length === STEPS_MAX) break;
    total += lots;
    value += ticks * lots;
    steps.push({ ticks, total, value });
  }
  return steps;
}

/** The last step whose price is at `ticks` or better, null for none: what would be taken down (or up) to there. */
export function reached(steps: readonly Step[], side: "bid" | "ask", ticks: bigint): Step | null {
  let [from, to] = [0, steps.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const price = steps[middle]!.ticks;
    if (side === "bid" ? price >= ticks : price <= ticks) from = middle + 1;
    else to = middle;
  }
  return steps[from - 1] ?? null;
}

/**
 * The range around the middle of the best prices: as far to both sides as the given levels of the shorter side reach,
 * then `zoom` times as wide (0.5 shows half of it). Null while a side is empty.
 *
 * `bids` and `asks` are the best levels of each side, best first.
 */
export function rangeAround(bids: readonly Level[], asks: readonly Level[], zoom: number): Range | null {
  const [bid, ask] = [bids[0]?.[0], asks[0]?.[0]];
  const [low, high] = [bids.at(-1)?.[0], asks.at(-1)?.[0]];
  if (bid === undefined || ask === undefined || low === undefined || high === undefined) return null;
  const middle = (bid + ask) / 2n;
  const [down, up] = [middle - low, high - middle];
  const reach = down < up ? down : up;
  const half = (reach * BigInt(Math.round(zoom * 1000))) / 1000n;
  const least = ask - bid; // both best prices stay in sight
  return { from: middle - (half > least ? half : least), to: middle + (half > least ? half : least) };
}

/** Where a price lies in the range: 0 at `from`, 1 at `to`. */
export function position(ticks: bigint, range: Range): number {
  const width = range.to - range.from;
  return width > 0n ? Number(ticks - range.from) / Number(width) : 0.5;
}

/** The price in ticks at a position from 0 to 1, the nearest one; `position` turned around. */
export function priceAt(at: number, range: Range): bigint {
  const parts = 1_000_000n;
  const width = range.to - range.from;
  const along = width * BigInt(Math.round(Math.min(Math.max(at, 0), 1) * Number(parts)));
  return range.from + (along + parts / 2n) / parts;
}
