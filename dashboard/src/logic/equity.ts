/**
 * What an account was worth, before the page was opened and since.
 *
 * The curve before is reconstructed: from the balances as they are, each fill is undone, newest first, which gives the
 * balances at any time before; those are valued at the closes of candles. All of it in integers.
 *
 * What it can't know: deposits and withdrawals (the server does not tell them, so money that came in looks as if it had
 * always been there), fills beyond those that are known (the curve begins at the oldest of them), and what an asset was
 * worth before its instrument's first candle (the curve begins later then). An asset that no instrument leads from to
 * the currency counts nothing, then and now.
 */
import { amountOf, ONE } from "./amount.ts";

/** What is needed of a fill; times in ns, `seq` its number in the account. */
export interface Fill {
  symbol: string;
  side: "buy" | "sell";
  price: string;
  size: string;
  fee: string;
  fee_asset: string;
  seq: number;
  ts: bigint;
}

/** The price of an instrument from a time (ns) on: the close of the candle that ended then. */
export interface Mark {
  ts: bigint;
  price: string;
}

/** An instrument with its marks, oldest first. */
export interface Market {
  base: string;
  quote: string;
  marks: readonly Mark[];
}

/** What the account was worth at a time (ns), in 10^-18 of the currency. */
export interface Point {
  ts: bigint;
  value: bigint;
}

/** What the curve is made from. `from` to `until` in ns, one point each `step` and one at `until`. */
export interface Past {
  /** Available and held, in 10^-18 of the asset, as they are now. */
  balances: ReadonlyMap<string, bigint>;
  /** Oldest first. */
  fills: readonly Fill[];
  /** By symbol. */
  markets: ReadonlyMap<string, Market>;
  currency: string;
  from: bigint;
  until: bigint;
  step: bigint;
}

/** How long a curve can be. */
export const SPANS = [
  ["15m", "15 min", 900_000_000_000n],
  ["1h", "1 hour", 3_600_000_000_000n],
  ["1d", "1 day", 86_400_000_000_000n],
] as const;
export type Span = (typeof SPANS)[number][0];

/** The interval of the candles that a span is marked with, and its points apart: at most 720 of them. */
export const SPAN_STEPS: Readonly<Record<Span, readonly [interval: string, step: bigint]>> = {
  "15m": ["5s", 5_000_000_000n],
  "1h": ["5s", 5_000_000_000n],
  "1d": ["5m", 300_000_000_000n],
};

/**
 * Where the curve of a span begins: its length ago, or at the oldest known fill if there were others before it, which
 * are not known. ns.
 */
export function beginning(fills: readonly Fill[], now: bigint, span: bigint): bigint {
  const first = fills[0];
  const from = now - span;
  return first !== undefined && first.seq > 1 && first.ts > from ? first.ts : from;
}

/**
 * What one of each asset is worth in the currency, as [numerator, denominator], by the shortest way over instruments
 * that have a price. `prices`: 10^-18 of the quote asset for one of the base asset, by symbol.
 */
export function worths(
  markets: ReadonlyMap<string, Market>,
  prices: ReadonlyMap<string, bigint>,
  currency: string,
): Map<string, readonly [bigint, bigint]> {
  const found = new Map<string, readonly [bigint, bigint]>([[currency, [1n, 1n]]]);
  for (const [known, [up, down]] of found) {
    // a map is iterated in the order of insertion, also what is inserted on the way: breadth first
    for (const [symbol, { base, quote }] of markets) {
      const price = prices.get(symbol);
      if (price === undefined || price <= 0n) continue;
      if (quote === known && !found.has(base)) found.set(base, [up * price, down * ONE]);
      else if (base === known && !found.has(quote)) found.set(quote, [up * ONE, down * price]);
    }
  }
  return found;
}

/** Take a fill's effect out of the holdings. */
function undo(holdings: Map<string, bigint>, fill: Fill, market: Market): void {
  const add = (asset: string, units: bigint): void => {
    holdings.set(asset, (holdings.get(asset) ?? 0n) + units);
  };
  const size = amountOf(fill.size);
  const amount = (amountOf(fill.price) * size) / ONE;
  const sign = fill.side === "buy" ? 1n : -1n;
  add(market.base, -sign * size);
  add(market.quote, sign * amount);
  add(fill.fee_asset, amountOf(fill.fee));
}

/** The last price at or before a time, going back: each call's time must not be after the one before. */
function backwards(marks: readonly Mark[]): (ts: bigint) => bigint | undefined {
  let at = marks.length - 1;
  return (ts) => {
    while (at >= 0 && marks[at]!.ts > ts) at -= 1;
    const mark = marks[at];
    return mark === undefined ? undefined : amountOf(mark.price);
  };
}

/** The times of a curve, newest first. */
function* times(from: bigint, until: bigint, step: bigint): Generator<bigint, void> {
  yield until;
  for (let ts = until - (until % step || step); ts >= from; ts -= step) yield ts;
}

/**
 * What the account was worth, oldest first. It begins later than `from` where an asset that was held then has no price.
 *
 * A fill of an instrument that `markets` does not have can't be undone: the curve begins after it.
 */
export function curve(past: Past): Point[] {
  const { markets, currency } = past;
  const holdings = new Map(past.balances);
  const readers = [...markets].map(([symbol, market]) => [symbol, backwards(market.marks)] as const);
  const points: Point[] = [];
  let counted: ReadonlySet<string> | null = null;
  let next = past.fills.length - 1;
  for (const ts of times(past.from, past.until, past.step)) {
    for (let fill = past.fills[next]; fill !== undefined && fill.ts > ts; fill = past.fills[--next]) {
      const market = markets.get(fill.symbol);
      if (market === undefined) return points.reverse();
      undo(holdings, fill, market);
    }
    const prices = new Map<string, bigint>();
    for (const [symbol, priceAt] of readers) {
      const price = priceAt(ts);
      if (price !== undefined) prices.set(symbol, price);
    }
    const worth = worths(markets, prices, currency);
    counted ??= new Set(worth.keys());
    let value = 0n;
    for (const [asset, units] of holdings) {
      if (units === 0n || !counted.has(asset)) continue;
      const factor = worth.get(asset);
      if (factor === undefined) return points.reverse();
      value += (units * factor[0]) / factor[1];
    }
    points.push({ ts, value });
  }
  return points.reverse();
}

/**
 * Go on live: one point for each `step`, the last one moving on until its step is over; what is older than `from` goes.
 * A point that is not newer than the last is left out.
 */
export function extended(points: readonly Point[], point: Point, step: bigint, from: bigint): Point[] {
  const last = points.at(-1);
  if (last !== undefined && point.ts <= last.ts) return [...points];
  const before = points.at(-2);
  const same = last !== undefined && before !== undefined && last.ts - before.ts < step;
  const kept = (same ? points.slice(0, -1) : points).filter((one) => one.ts >= from);
  return [...kept, point];
}

/** What was gained from the first point to the last, and as a part of the first in millionths (null from nothing). */
export function profit(points: readonly Point[]): { gained: bigint; ppm: bigint | null } {
  const first = points[0]?.value ?? 0n;
  const gained = (points.at(-1)?.value ?? 0n) - first;
  return { gained, ppm: first > 0n ? (gained * 1_000_000n) / first : null };
}
