/** Levels of a book summed into price groups: what the rows of a ladder show. All sums are exact. */
import type { Level } from "tickwire";

/** A side of the book as a ladder names it. */
export type BookSide = "bid" | "ask";

/** Ticks of one row that can be chosen. */
export const GROUPINGS: readonly bigint[] = [1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n, 1000n];

/** Rows of one side at most that a ladder goes through. */
export const ROWS_MAX = 100;

/** One row: the group's price in ticks, the lots in it, and the lots in it and in all better ones. */
export interface Group {
  readonly ticks: bigint;
  readonly lots: bigint;
  readonly total: bigint;
}

/**
 * The price in ticks of the group that a level is in: a multiple of `step`, for bids the next lower and for asks the
 * next higher one, so that a group never promises a better price than its levels have.
 */
export function groupPrice(side: BookSide, ticks: bigint, step: bigint): bigint {
  const rest = ticks % step; // has the sign of `ticks`
  if (rest === 0n) return ticks;
  if (side === "bid") return ticks - (rest < 0n ? rest + step : rest);
  return ticks - (rest > 0n ? rest - step : rest);
}

/**
 * The best `rows` groups of a side, best first. Only groups that hold something are there.
 *
 * `levels` come best first, with sizes above zero, and are read no further than needed. `step` is in ticks, above zero.
 */
export function group(levels: Iterable<Level>, side: BookSide, step: bigint, rows: number): Group[] {
  const groups: Group[] = [];
  if (rows <= 0) return groups;
  let price: bigint | null = null;
  let [lots, total] = [0n, 0n];
  for (const [ticks, size] of levels) {
    const next = step === 1n ? ticks : groupPrice(side, ticks, step);
    if (next !== price) {
      if (price !== null) {
        groups.push({ ticks: price, lots, total });
        if (groups.length === rows) return groups;
      }
      price = next;
      lots = 0n;
    }
    lots += size;
    total += size;
  }
  if (price !== null) groups.push({ ticks: price, lots, total });
  return groups;
}

/** A level that somebody points at: its side and its group's price in ticks. */
export interface Spot {
  readonly side: BookSide;
  readonly ticks: bigint;
}

/** The place (0 the best) of the level at a price; from a price that is gone, of the next worse; -1 where there is none. */
export function nearest(levels: readonly Group[], { side, ticks }: Spot): number {
  const found = levels.findIndex((level) => (side === "bid" ? level.ticks <= ticks : level.ticks >= ticks));
  return found < 0 ? levels.length - 1 : found;
}

/**
 * The level so many rows further down from another one (up below zero) in a ladder, asks above bids: where it is, and
 * its place on its side, 0 the best. From nowhere it goes to the best price; from a price that is gone, on from where
 * it was. Null where there are no levels.
 */
export function stepFrom(
  groups: Readonly<Record<BookSide, readonly Group[]>>,
  from: Spot | null,
  down: number,
): (Spot & { readonly at: number }) | null {
  const { ask, bid } = groups;
  if (ask.length + bid.length === 0) return null;
  let row = down > 0 ? -1 : 0; // the best ask is row -1, the best bid row 0
  if (from !== null) {
    const at = nearest(groups[from.side], from);
    row = from.side === "bid" ? at : -1 - at;
  }
  row = Math.min(bid.length - 1, Math.max(0 - ask.length, row + down)); // `0 -`, for -0 is no place
  const [side, at] = row < 0 ? (["ask", -1 - row] as const) : (["bid", row] as const);
  return { side, at, ticks: groups[side][at]!.ticks };
}

/** Part of `whole` in steps of 1/`steps`, for the width of a bar: 0 to 1, and 0 of nothing. */
export function share(part: bigint, whole: bigint, steps = 200): number {
  return whole > 0n ? Number((part * BigInt(steps)) / whole) / steps : 0;
}
