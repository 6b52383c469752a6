import type { CandleData } from "tickwire";
import { expect, test } from "vitest";
import {
  addLive,
  barsOf,
  CANDLES_MAX,
  EMPTY_BARS_MAX,
  gap,
  GAP_BARS_MAX,
  intervalStart,
  merged,
  missingFrom,
} from "./candles.ts";

const STEP = 60_000_000_000n;

function candle(at: number, close = "10", closed = true): CandleData {
  return {
    interval: "1m",
    start: BigInt(at) * STEP,
    open: "9",
    high: "11.5",
    low: "8.25",
    close,
    volume: "3",
    quote_volume: "30",
    trades: 2,
    closed,
    buy_volume: "1",
    buy_quote_volume: "10",
  };
}

const places = (candles: readonly CandleData[]) => candles.map((one) => [one.start / STEP, one.close]);

test("pages and live candles make one line, each interval once", () => {
  const live = [candle(5), candle(6, "12", false)];
  const older = [candle(2), candle(3), candle(5, "10")];
  expect(places(merged(live, older))).toEqual([
    [2n, "10"],
    [3n, "10"],
    [5n, "10"],
    [6n, "12"],
  ]);
  expect(places(merged([], older))).toEqual(places(older));
  expect(merged(live, [])).toEqual(live);
});

test("a closed candle is not undone by an older, open telling", () => {
  expect(places(merged([candle(5, "10", true)], [candle(5, "9", false)]))).toEqual([[5n, "10"]]);
  expect(places(merged([candle(5, "9", false)], [candle(5, "10", true)]))).toEqual([[5n, "10"]]);
  const candles = [candle(5, "10", true)];
  expect(addLive(candles, candle(5, "9", false))).toBe("ignored");
  expect(places(candles)).toEqual([[5n, "10"]]);
});

test("the live candle changes, then another begins", () => {
  const candles = [candle(5, "10", false)];
  expect(addLive(candles, candle(5, "11", false))).toBe("changed");
  expect(addLive(candles, candle(5, "12", true))).toBe("changed");
  expect(addLive(candles, candle(7, "13", false))).toBe("added");
  expect(addLive(candles, candle(4, "1", false))).toBe("ignored");
  expect(places(candles)).toEqual([
    [5n, "12"],
    [7n, "13"],
  ]);
});

test("no more candles are kept than the server has", () => {
  const many = Array.from({ length: CANDLES_MAX }, (_, at) => candle(at + 10));
  expect(merged(many, [candle(1), candle(2)])[0]?.start).toBe(10n * STEP);
  expect(addLive(many, candle(CANDLES_MAX + 10))).toBe("added");
  expect([many.length, many[0]?.start]).toEqual([CANDLES_MAX, 11n * STEP]);
});

test("a candle that was never seen to close is asked for again", () => {
  expect(missingFrom([candle(4), candle(5, "10", false)], candle(6, "1", false))).toBe(5n * STEP);
  expect(missingFrom([candle(4), candle(5, "10", true)], candle(9, "1", false))).toBe(null); // nothing was traded
  expect(missingFrom([candle(5, "10", false)], candle(5, "11", false))).toBe(null);
  expect(missingFrom([], candle(5))).toBe(null);
});

test("bars leave places empty where nothing was traded", () => {
  expect(barsOf([candle(1), candle(4, "10.5")], STEP)).toEqual([
    { time: 60, open: 9, high: 11.5, low: 8.25, close: 10, volume: 3 },
    { time: 120 },
    { time: 180 },
    { time: 240, open: 9, high: 11.5, low: 8.25, close: 10.5, volume: 3 },
  ]);
  const night = gap(candle(1), candle(1000), STEP);
  expect([night.length, night[0]?.time, night.at(-1)?.time]).toEqual([
    GAP_BARS_MAX,
    60 * (1000 - GAP_BARS_MAX),
    60 * 999,
  ]);
});

test("of very many empty places the newest are drawn", () => {
  const candles = Array.from({ length: 100 }, (_, at) => candle(1 + at * (GAP_BARS_MAX + 1)));
  const bars = barsOf(candles, STEP);
  const full = Math.floor(EMPTY_BARS_MAX / GAP_BARS_MAX);
  expect(bars.length).toBe(100 + EMPTY_BARS_MAX);
  expect(bars.slice(0, 100 - full - 1).map((bar) => bar.time)).toEqual(
    candles.slice(0, 100 - full - 1).map((one) => Number(one.start / 1_000_000_000n)),
  );
  expect(bars.at(-2)).toEqual({ time: bars.at(-1)!.time - 60 });
  expect(bars.every((bar, at) => at === 0 || bar.time > bars[at - 1]!.time)).toBe(true);
});

test("the interval of a time", () => {
  expect(intervalStart(7n * STEP + 5n, STEP)).toBe(7n * STEP);
  expect(intervalStart(7n * STEP, STEP)).toBe(7n * STEP);
});
