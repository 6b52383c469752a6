import { describe, expect, test } from "vitest";
import { STEPS_MAX, curve, position, priceAt, rangeAround, reached, type Step } from "./depth.ts";

type Pair = [bigint, bigint];

const BIDS: Pair[] = [
  [100n, 5n],
  [98n, 7n],
  [90n, 1n],
  [50n, 9n],
];
const ASKS: Pair[] = [
  [102n, 2n],
  [103n, 4n],
  [120n, 8n],
];

describe("curve", () => {
  test("adds up sizes and values exactly, inside of the range", () => {
    expect(curve(BIDS, { from: 90n, to: 110n })).toEqual([
      { ticks: 100n, total: 5n, value: 500n },
      { ticks: 98n, total: 12n, value: 1186n },
      { ticks: 90n, total: 13n, value: 1276n },
    ]);
    expect(curve(ASKS, { from: 90n, to: 119n })).toEqual([
      { ticks: 102n, total: 2n, value: 204n },
      { ticks: 103n, total: 6n, value: 616n },
    ]);
  });

  test("has a bound", () => {
    const levels = Array.from({ length: STEPS_MAX + 50 }, (_, at): Pair => [BigInt(at), 1n]);
    const steps = curve(levels, { from: 0n, to: 1_000_000n });
    expect(steps.length).toBe(STEPS_MAX);
    expect(steps.at(-1)).toEqual({ ticks: BigInt(STEPS_MAX - 1), total: BigInt(STEPS_MAX), value: 1_999_000n });
  });
});

describe("reached", () => {
  const bids = curve(BIDS, { from: 0n, to: 1000n });
  const asks = curve(ASKS, { from: 0n, to: 1000n });

  /** The slow and obvious way. */
  const naive = (steps: Step[], side: "bid" | "ask", ticks: bigint): Step | null =>
    steps.filter((step) => (side === "bid" ? step.ticks >= ticks : step.ticks <= ticks)).at(-1) ?? null;

  test("is the sum down or up to the price", () => {
    expect(reached(bids, "bid", 98n)?.total).toBe(12n);
    expect(reached(bids, "bid", 97n)?.total).toBe(12n);
    expect(reached(asks, "ask", 119n)?.total).toBe(6n);
    expect(reached(bids, "bid", 101n)).toBeNull();
    expect(reached([], "ask", 1n)).toBeNull();
  });

  test("agrees with the naive way at every price", () => {
    for (let ticks = 40n; ticks < 130n; ticks++) {
      expect(reached(bids, "bid", ticks)).toEqual(naive(bids, "bid", ticks));
      expect(reached(asks, "ask", ticks)).toEqual(naive(asks, "ask", ticks));
    }
  });
});

describe("rangeAround", () => {
  test("goes as far as the shorter side", () => {
    expect(rangeAround(BIDS, ASKS, 1)).toEqual({ from: 82n, to: 120n });
    expect(rangeAround(BIDS, ASKS, 0.5)).toEqual({ from: 92n, to: 110n });
  });

  test("keeps both best prices in sight", () => {
    expect(rangeAround([[90n, 1n]], [[100n, 1n]], 0.01)).toEqual({ from: 85n, to: 105n });
  });

  test("is null while a side is empty", () => {
    expect(rangeAround([], ASKS, 1)).toBeNull();
    expect(rangeAround(BIDS, [], 1)).toBeNull();
  });
});

test("position and priceAt are each other's reverse", () => {
  const range = { from: -50n, to: 150n };
  expect(position(50n, range)).toBe(0.5);
  expect(position(-50n, range)).toBe(0);
  for (let ticks = -50n; ticks <= 150n; ticks++) expect(priceAt(position(ticks, range), range)).toBe(ticks);
  expect(priceAt(-3, range)).toBe(-50n);
  expect(priceAt(7, range)).toBe(150n);
  expect(position(5n, { from: 5n, to: 5n })).toBe(0.5);
});
