import { describe, expect, test } from "vitest";
import {
  Flow,
  Returns,
  Ring,
  WINDOW_SECONDS_MAX,
  YEAR_SECONDS,
  imbalance,
  microprice,
  price,
  quotient,
  spreadBasisPoints,
} from "./analytics.ts";

const SECOND = 1_000_000_000n;
type Pair = [bigint, bigint];

describe("quotient", () => {
  test.each([
    [1n, 3n, 4, "0.3333"],
    [2n, 3n, 4, "0.6667"],
    [1n, 8n, 2, "0.13"],
    [-1n, 8n, 2, "-0.13"],
    [1n, -8n, 2, "-0.13"],
    [-1n, 1000n, 2, "0.00"],
    [5n, 2n, 0, "3"],
    [12345n, 1n, 2, "12345.00"],
    [2n ** 70n + 1n, 1n, 0, "1180591620717411303425"],
  ])("%s / %s with %s decimals is %s", (numerator, denominator, decimals, expected) => {
    expect(quotient(numerator, denominator, decimals)).toBe(expected);
  });

  test("of nothing", () => {
    expect(quotient(1n, 0n, 2)).toBeNull();
  });
});

test("prices between ticks are exact", () => {
  const quarter = { units: 25n, decimals: 2 } as Parameters<typeof price>[0]; // a tick of 0.25
  expect(price(quarter, 401n + 402n, 2n, 1)).toBe("100.375");
  expect(price(quarter, 401n, 1n)).toBe("100.25");
  expect(price(quarter, 1n, 0n)).toBeNull();
});

test("spread, microprice, imbalance", () => {
  expect(spreadBasisPoints(9_999n, 10_001n)).toBe("2.00");
  expect(spreadBasisPoints(9_705_548n, 9_705_554n)).toBe("0.0062");
  expect(spreadBasisPoints(0n, 0n)).toBeNull();
  const { ticks, parts } = microprice([100n, 30n], [101n, 10n]);
  expect(quotient(ticks, parts, 2)).toBe("100.75"); // three quarters bid: near the ask
  const bids: Pair[] = [
    [100n, 30n],
    [99n, 10n],
  ];
  expect(imbalance(bids, [[101n, 10n]], 1)).toBe(0.5);
  expect(imbalance(bids, [[101n, 10n]], 5)).toBe(0.6);
  expect(imbalance([], [[101n, 10n]], 5)).toBe(-1);
  expect(imbalance([], [], 5)).toBeNull();
});

describe("Flow", () => {
  test("of the session and of the last seconds", () => {
    const flow = new Flow();
    flow.add(10n * SECOND, 100n, 3n, "buy");
    flow.add(10n * SECOND + 999_999_999n, 200n, 1n, "sell");
    flow.add(12n * SECOND, 150n, 6n, null);
    expect(flow.session).toEqual({ trades: 3, lots: 10n, bought: 3n, sold: 1n, value: 1400n });
    expect(flow.last(2, 12n * SECOND)).toEqual({ trades: 1, lots: 6n, bought: 0n, sold: 0n, value: 900n });
    expect(flow.last(3, 12n * SECOND)).toEqual({ trades: 3, lots: 10n, bought: 3n, sold: 1n, value: 1400n });
    expect(flow.last(60, 100n * SECOND)).toEqual({ trades: 0, lots: 0n, bought: 0n, sold: 0n, value: 0n });
  });

  test("agrees with all trades kept, on random ones", () => {
    const flow = new Flow();
    const all: { second: number; ticks: bigint; lots: bigint; buy: boolean }[] = [];
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let second = 1_700_000_000;
    for (let round = 0; round < 3000; round++) {
      second += random(4) === 0 ? random(5) : 0;
      const trade = { second, ticks: BigInt(1 + random(1000)), lots: BigInt(1 + random(50)), buy: random(2) === 0 };
      all.push(trade);
      flow.add(BigInt(second) * SECOND, trade.ticks, trade.lots, trade.buy ? "buy" : "sell");
      if (round % 100 !== 0) continue;
      const window = 1 + random(WINDOW_SECONDS_MAX);
      const kept = all.filter((one) => one.second > second - window);
      const sum = (rows: typeof kept): bigint => rows.reduce((lots, one) => lots + one.lots, 0n);
      expect(flow.last(window, BigInt(second) * SECOND)).toEqual({
        trades: kept.length,
        lots: sum(kept),
        bought: sum(kept.filter((one) => one.buy)),
        sold: sum(kept.filter((one) => !one.buy)),
        value: kept.reduce((value, one) => value + one.ticks * one.lots, 0n),
      });
    }
  });

  test("a trade from before the window is of the session only", () => {
    const flow = new Flow();
    flow.add(2000n * SECOND, 1n, 1n, "buy");
    flow.add(BigInt(2000 - WINDOW_SECONDS_MAX) * SECOND, 1n, 5n, "buy");
    expect(flow.session.lots).toBe(6n);
    expect(flow.last(WINDOW_SECONDS_MAX, 2000n * SECOND).lots).toBe(1n);
  });
});

test("Ring keeps the newest", () => {
  const ring = new Ring(3);
  expect(ring.ago(0)).toBeNaN();
  for (const value of [1, 2, 3, 4]) ring.push(value);
  expect([ring.ago(0), ring.ago(1), ring.ago(2), ring.length]).toEqual([4, 3, 2, 3]);
  expect(ring.ago(3)).toBeNaN();
});

describe("Returns", () => {
  test("volatility of a price that steps up and down by 0.1 % every second", () => {
    const returns = new Returns();
    for (let at = 0; at <= 60; at++) returns.add(BigInt(at) * SECOND, at % 2 === 0 ? 100_000n : 100_100n);
    // the steps of the seconds that are over: the first second had none
    expect(returns.seconds).toBe(60);
    const square = Math.log(1.001) ** 2;
    expect(returns.volatility(30)).toBeCloseTo(Math.sqrt(square * YEAR_SECONDS), 10);
    expect(returns.volatility(1000)).toBeCloseTo(Math.sqrt((square * 59 * YEAR_SECONDS) / 60), 10);
  });

  test("only the last price of a second counts, and a second without a change is a return of zero", () => {
    const returns = new Returns();
    returns.add(0n, 100n);
    returns.add(SECOND / 2n, 999n); // gone before the second is over
    returns.add(SECOND - 1n, 200n);
    returns.add(10n * SECOND, 200n);
    expect(returns.seconds).toBe(10);
    expect(returns.volatility(9)).toBeNull();
    expect(returns.volatility(10)).toBeCloseTo(Math.sqrt((Math.log(2) ** 2 * YEAR_SECONDS) / 10), 10);
  });

  test("a long pause fills the ring once, not for ever", () => {
    const returns = new Returns();
    returns.add(0n, 100n);
    returns.add(10n ** 18n, 100n);
    expect(returns.seconds).toBe(WINDOW_SECONDS_MAX);
    expect(returns.volatility(WINDOW_SECONDS_MAX)).toBe(0);
  });

  test("a price of nothing is none", () => {
    const returns = new Returns();
    returns.add(0n, 0n);
    returns.add(20n * SECOND, 1n);
    expect(returns.seconds).toBe(0);
  });
});
