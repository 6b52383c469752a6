/** Figures of a market from its book and its trades. Prices and sizes are exact; only ratios are floats. */
import type { Level, Scale } from "tickwire";

/** Seconds of a year, of 365 days without a close, which returns are annualised with. */
export const YEAR_SECONDS = 365 * 86_400;

/** How far back the trades of `Flow` and the prices of `Returns` reach, seconds: the longest window that is shown. */
export const WINDOW_SECONDS_MAX = 900;

/** `numerator / denominator` as a decimal string, rounded half away from zero; null where the denominator is 0. */
export function quotient(numerator: bigint, denominator: bigint, decimals: number): string | null {
  if (denominator === 0n) return null;
  const negative = numerator < 0n !== denominator < 0n;
  const [above, below] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
  const digits = ((2n * above * 10n ** BigInt(decimals) + below) / (2n * below)).toString().padStart(decimals + 1, "0");
  const text = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return negative && /[1-9]/.test(digits) ? `-${text}` : text;
}

/** A price of `ticks / parts` ticks with `extra` decimals more than the scale's; null for no parts. */
export function price(scale: Scale, ticks: bigint, parts: bigint, extra = 0): string | null {
  return quotient(ticks * scale.units, parts * 10n ** BigInt(scale.decimals), scale.decimals + extra);
}

/**
 * The spread in basis points (1/10,000) of the mid price, as a decimal string: of two decimals, or four below a tenth of
 * one. Null at a mid price of 0.
 */
export function spreadBasisPoints(bid: bigint, ask: bigint): string | null {
  const small = (ask - bid) * 200_000n < bid + ask;
  return quotient((ask - bid) * 2n * 10_000n, bid + ask, small ? 4 : 2);
}

/**
 * The mid price weighted by the sizes of the other side, in ticks as a fraction: near the bid when more is offered
 * than is bid for. Gatheral and Oomen, "Zero-intelligence realized variance estimation" (2010), equation for the
 * microprice: (bid x ask size + ask x bid size) / (bid size + ask size).
 */
export function microprice(bid: Level, ask: Level): { ticks: bigint; parts: bigint } {
  return { ticks: bid[0] * ask[1] + ask[0] * bid[1], parts: bid[1] + ask[1] };
}

/**
 * Order book imbalance of the best `depth` levels: (bid lots - ask lots) / (bid lots + ask lots), from -1 (asks only)
 * to 1 (bids only), null where both are empty. Gould and Bonart, "Queue imbalance as a one-tick-ahead price predictor in
 * a limit order book" (2016).
 */
export function imbalance(bids: readonly Level[], asks: readonly Level[], depth: number): number | null {
  const [buy, sell] = [sum(bids, depth), sum(asks, depth)];
  return buy + sell === 0n ? null : Number(((buy - sell) * 1_000_000n) / (buy + sell)) / 1_000_000;
}

function sum(levels: readonly Level[], depth: number): bigint {
  let lots = 0n;
  for (let at = 0; at < levels.length && at < depth; at++) lots += levels[at]![1];
  return lots;
}

/** Trades added up: how many, their lots, what takers bought and sold of them, and the sum of ticks x lots. */
export interface Traded {
  trades: number;
  lots: bigint;
  bought: bigint;
  sold: bigint;
  value: bigint;
}

interface Second extends Traded {
  second: bigint;
}

const NOTHING: Readonly<Traded> = { trades: 0, lots: 0n, bought: 0n, sold: 0n, value: 0n };

function count(into: Traded, ticks: bigint, lots: bigint, side: string | null): void {
  into.trades += 1;
  into.lots += lots;
  into.value += ticks * lots;
  if (side === "buy") into.bought += lots;
  else if (side === "sell") into.sold += lots;
}

/**
 * The flow of trades: of the session (every trade that it was told), and of the last seconds.
 *
 * The volume-weighted average price of either is `value / lots` in ticks: Berkowitz, Logue and Noser, "The total cost of
 * transactions on the NYSE" (1988).
 */
export class Flow {
  readonly session: Traded = { ...NOTHING };
  private readonly seconds: Second[] = [];

  /** Count a trade; `ts` in ns. One of more than `WINDOW_SECONDS_MAX` before the newest counts for the session only. */
  add(ts: bigint, ticks: bigint, lots: bigint, side: string | null): void {
    count(this.session, ticks, lots, side);
    const second = ts / 1_000_000_000n;
    const at = Number(second % BigInt(WINDOW_SECONDS_MAX));
    let bucket = this.seconds[at];
    if (bucket === undefined || bucket.second < second) this.seconds[at] = bucket = { ...NOTHING, second };
    if (bucket.second === second) count(bucket, ticks, lots, side);
  }

  /** The trades of the last `seconds` whole seconds, that of `now` (ns) included; at most `WINDOW_SECONDS_MAX`. */
  last(seconds: number, now: bigint): Traded {
    const sums = { ...NOTHING };
    const end = now / 1_000_000_000n;
    const begin = end - BigInt(seconds);
    for (const bucket of this.seconds as (Second | undefined)[]) {
      if (bucket === undefined || bucket.second <= begin || bucket.second > end) continue;
      sums.trades += bucket.trades;
      sums.lots += bucket.lots;
      sums.bought += bucket.bought;
      sums.sold += bucket.sold;
      sums.value += bucket.value;
    }
    return sums;
  }
}

/** The newest values of a figure, one a second; what a sparkline draws. */
export class Ring {
  private readonly values: Float64Array;
  private next = 0;
  length = 0;

  /** `size` is how many are kept. */
  constructor(size: number) {
    this.values = new Float64Array(size);
  }

  /** The newest one; the oldest goes where all places are taken. */
  push(value: number): void {
    this.values[this.next] = value;
    this.next = (this.next + 1) % this.values.length;
    this.length = Math.min(this.length + 1, this.values.length);
  }

  /** The value `age` pushes ago: 0 is the newest. */
  ago(age: number): number {
    const size = this.values.length;
    return age < this.length ? this.values[(this.next - 1 - age + 2 * size) % size]! : NaN;
  }
}

/**
 * Log-returns of the mid price from second to second, by the price that was last known at each full second.
 *
 * `Number` enters only with the ratio of two prices.
 */
export class Returns {
  private readonly squares = new Ring(WINDOW_SECONDS_MAX);
  private second: bigint | null = null;
  private at = 0n; // the price at the last full second
  private newest = 0n;

  /** What the price is at `ts` (ns), in any unit that stays the same, above zero; times do not fall. */
  add(ts: bigint, price: bigint): void {
    if (price <= 0n) return;
    const second = ts / 1_000_000_000n;
    if (this.second === null) {
      this.second = second;
      this.at = price;
    } else if (second > this.second) {
      const passed = second - this.second;
      this.squares.push(Math.log(Number(this.newest) / Number(this.at)) ** 2);
      for (let still = 1n; still < passed && still < BigInt(WINDOW_SECONDS_MAX); still++) this.squares.push(0);
      this.second = second;
      this.at = this.newest;
    }
    this.newest = price;
  }

  /** How many seconds it knows, at most `WINDOW_SECONDS_MAX`. */
  get seconds(): number {
    return this.squares.length;
  }

  /**
   * Realised volatility of the last `seconds` (of those it knows), annualised: 0.5 is 50 % a year; null below ten.
   *
   * sqrt(sum(r^2) x `YEAR_SECONDS` / seconds), r the log-return of each second: Andersen, Bollerslev, Diebold and Labys,
   * "Modeling and forecasting realized volatility" (2003), scaled from the window to a year.
   */
  volatility(seconds: number): number | null {
    const known = Math.min(seconds, this.squares.length);
    if (known < 10) return null;
    let variance = 0;
    for (let age = 0; age < known; age++) variance += this.squares.ago(age);
    return Math.sqrt((variance * YEAR_SECONDS) / known);
  }
}
