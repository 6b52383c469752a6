/**
 * The candles of one chart: pages of history and the live candle put together, in order, each interval once.
 *
 * An interval without a trade has no candle. On the chart its place stays empty, so that the distance between two candles
 * is the time between them; only a very long gap (a night, a stopped server) is drawn shorter than it was.
 */
import type { CandleData } from "tickwire";

/** Candles that a chart keeps; the oldest go first. As many as the server keeps of an interval. */
export const CANDLES_MAX = 10_000;

/** Empty places that are drawn at most for one gap. */
export const GAP_BARS_MAX = 120;

/** Empty places that are drawn at most in all. */
export const EMPTY_BARS_MAX = 10_000;

/** What the chart draws of a candle, in seconds and floats: pixels, not money. Without prices: an empty place. */
export interface Bar {
  time: number;
  open?: number;
  high?: number;
  low?: number;
  close?: number;
  volume?: number;
}

/** The better of two tellings of the same interval: the closed one; of two like ones the later told. */
function better(before: CandleData, after: CandleData): CandleData {
  return before.closed && !after.closed ? before : after;
}

/**
 * A page of history put together with what is there. Both are in ascending order of `start`; so is the result, which
 * holds each interval once and the newest `CANDLES_MAX`.
 */
export function merged(have: readonly CandleData[], page: readonly CandleData[]): CandleData[] {
  const all: CandleData[] = [];
  let [at, next] = [0, 0];
  for (;;) {
    const one = have[at];
    const other = page[next];
    if (one === undefined || other === undefined) {
      all.push(...have.slice(at), ...page.slice(next));
      break;
    }
    if (one.start === other.start) all.push(better(one, other));
    else all.push(one.start < other.start ? one : other);
    if (one.start <= other.start) at += 1;
    if (other.start <= one.start) next += 1;
  }
  return all.slice(-CANDLES_MAX);
}

/**
 * Take a message of the live stream into the candles.
 *
 * "changed": the last candle is another now; "added": there is a new last one; "ignored": it is older than what is
 * there, or an open telling of a closed candle.
 */
export function addLive(candles: CandleData[], candle: CandleData): "changed" | "added" | "ignored" {
  const last = candles.at(-1);
  if (last === undefined || candle.start > last.start) {
    candles.push(candle);
    if (candles.length > CANDLES_MAX) candles.shift();
    return "added";
  }
  if (candle.start < last.start || better(last, candle) === last) return "ignored";
  candles[candles.length - 1] = candle;
  return "changed";
}

/**
 * From when on history is to be asked for, because a live `candle` came and what was before it is not known to be
 * complete: the start of the last candle, if that one was not closed; null if nothing is missing.
 */
export function missingFrom(candles: readonly CandleData[], candle: CandleData): bigint | null {
  const last = candles.at(-1);
  return last === undefined || last.closed || candle.start <= last.start ? null : last.start;
}

/** A candle as a bar, at its start. */
export function barOf(candle: CandleData): Required<Bar> {
  return {
    time: seconds(candle.start),
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
    volume: Number(candle.volume),
  };
}

/** The empty places between two candles of an interval of `step` ns: those before `next`, `GAP_BARS_MAX` at most. */
export function gap(previous: CandleData | undefined, next: CandleData, step: bigint): Bar[] {
  if (previous === undefined) return [];
  const empty: Bar[] = [];
  const least = next.start - BigInt(GAP_BARS_MAX) * step;
  const first = previous.start + step;
  for (let start = first > least ? first : least; start < next.start; start += step)
    empty.push({ time: seconds(start) });
  return empty;
}

/**
 * All candles as bars, with the empty places between them: the newest `EMPTY_BARS_MAX` of these, so that what is traded
 * once an hour does not become a million bars of a second.
 */
export function barsOf(candles: readonly CandleData[], step: bigint): Bar[] {
  const bars: Bar[] = [];
  let room = EMPTY_BARS_MAX;
  for (let at = candles.length - 1; at >= 0; at -= 1) {
    const candle = candles[at]!;
    bars.push(barOf(candle));
    if (room === 0) continue;
    const empty = gap(candles[at - 1], candle, step).slice(-room);
    room -= empty.length;
    bars.push(...empty.reverse());
  }
  return bars.reverse();
}

/** Nanoseconds as whole seconds, which is what the chart counts in. */
export function seconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n);
}

/** The start of the interval of `step` ns that a time is in. Days begin at midnight UTC, as the server's do. */
export function intervalStart(ts: bigint, step: bigint): bigint {
  return ts - (ts % step);
}
