import { describe, expect, test } from "vitest";
import { GROUPINGS, group, groupPrice, nearest, share, stepFrom, type BookSide, type Group } from "./grouping.ts";

type Pair = [bigint, bigint];

/** Numbers from a seed: the linear congruential generator of Numerical Recipes. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The slow and obvious way: sum by price, sort, add up. */
function naive(levels: Pair[], side: BookSide, step: bigint, rows: number): Group[] {
  const sums = new Map<bigint, bigint>();
  for (const [ticks, lots] of levels) {
    let price = ticks;
    while (price % step !== 0n) price += side === "bid" ? -1n : 1n;
    sums.set(price, (sums.get(price) ?? 0n) + lots);
  }
  const sorted = [...sums].sort(([a], [b]) => (side === "bid" ? Number(b - a) : Number(a - b)));
  return sorted.slice(0, rows).map(([ticks, lots], at) => ({
    ticks,
    lots,
    total: sorted.slice(0, at + 1).reduce((sum, [, size]) => sum + size, 0n),
  }));
}

describe("groupPrice", () => {
  test.each([
    ["bid", 1234n, 10n, 1230n],
    ["ask", 1234n, 10n, 1240n],
    ["bid", 1230n, 10n, 1230n],
    ["ask", 1230n, 10n, 1230n],
    ["bid", -7n, 5n, -10n],
    ["ask", -7n, 5n, -5n],
    ["bid", 3n, 5n, 0n],
    ["ask", -3n, 5n, 0n],
  ] as const)("of a %s at %s by %s is %s", (side, ticks, step, expected) => {
    expect(groupPrice(side, ticks, step)).toBe(expected);
  });
});

describe("group", () => {
  test("sums exactly beyond what a float can hold", () => {
    const large = 2n ** 60n;
    const levels: Pair[] = [
      [1009n, large + 1n],
      [1003n, 2n],
      [999n, 4n],
    ];
    expect(group(levels, "bid", 10n, 5)).toEqual([
      { ticks: 1000n, lots: large + 3n, total: large + 3n },
      { ticks: 990n, lots: 4n, total: large + 7n },
    ]);
  });

  test("reads no further than it needs", () => {
    let read = 0;
    function* levels(): Generator<Pair> {
      for (let ticks = 1n; ; ticks++) {
        read += 1;
        yield [ticks, 1n];
      }
    }
    expect(group(levels(), "ask", 10n, 2)).toEqual([
      { ticks: 10n, lots: 10n, total: 10n },
      { ticks: 20n, lots: 10n, total: 20n },
    ]);
    expect(read).toBe(21); // the first of the third group
  });

  test("no rows, no levels", () => {
    expect(group([[1n, 1n]], "bid", 1n, 0)).toEqual([]);
    expect(group([], "bid", 1n, 3)).toEqual([]);
  });

  test("agrees with the naive way on random books", () => {
    const random = numbers(6);
    for (let round = 0; round < 200; round++) {
      const side = random(2) === 0 ? "bid" : "ask";
      const step = GROUPINGS[random(GROUPINGS.length)] ?? 1n;
      const prices = new Set<bigint>();
      for (let at = random(60); at > 0; at--) prices.add(BigInt(random(3000) - 1000));
      const levels = [...prices]
        .sort((a, b) => (side === "bid" ? Number(b - a) : Number(a - b)))
        .map((ticks): Pair => [ticks, BigInt(1 + random(1_000_000)) ** 2n]);
      const rows = 1 + random(20);
      expect(group(levels, side, step, rows)).toEqual(naive(levels, side, step, rows));
    }
  });
});

describe("stepFrom", () => {
  const levels = (side: BookSide, ...prices: bigint[]): Group[] =>
    group(
      prices.map((ticks): Pair => [ticks, 1n]),
      side,
      1n,
      9,
    );
  const groups = { ask: levels("ask", 11n, 13n, 14n), bid: levels("bid", 10n, 8n) };

  test.each([
    [null, 1, { side: "bid", ticks: 10n, at: 0 }],
    [null, -1, { side: "ask", ticks: 11n, at: 0 }],
    [{ side: "bid", ticks: 10n }, 1, { side: "bid", ticks: 8n, at: 1 }],
    [{ side: "bid", ticks: 10n }, -1, { side: "ask", ticks: 11n, at: 0 }],
    [{ side: "ask", ticks: 13n }, -9, { side: "ask", ticks: 14n, at: 2 }],
    [{ side: "ask", ticks: 11n }, 9, { side: "bid", ticks: 8n, at: 1 }],
    [{ side: "ask", ticks: 12n }, 1, { side: "ask", ticks: 11n, at: 0 }],
    [{ side: "bid", ticks: 2n }, -1, { side: "bid", ticks: 10n, at: 0 }],
  ] as const)("from %o by %s", (from, down, expected) => {
    expect(stepFrom(groups, from, down)).toEqual(expected);
  });

  test("with a side empty, and with both", () => {
    expect(stepFrom({ ask: [], bid: groups.bid }, null, -1)).toEqual({ side: "bid", ticks: 10n, at: 0 });
    expect(stepFrom({ ask: groups.ask, bid: [] }, null, 1)).toEqual({ side: "ask", ticks: 11n, at: 0 });
    expect(stepFrom({ ask: [], bid: [] }, null, 1)).toBeNull();
  });
});

test("the nearest level of a price that is gone is the next worse, at the end the last", () => {
  const levels = (...prices: bigint[]): Group[] => prices.map((ticks) => ({ ticks, lots: 1n, total: 1n }));
  const bids = levels(10n, 8n, 7n);
  expect([11n, 10n, 9n, 1n].map((ticks) => nearest(bids, { side: "bid", ticks }))).toEqual([0, 0, 1, 2]);
  const asks = levels(11n, 13n, 14n);
  expect([1n, 11n, 12n, 15n].map((ticks) => nearest(asks, { side: "ask", ticks }))).toEqual([0, 0, 1, 2]);
  expect(nearest([], { side: "ask", ticks: 1n })).toBe(-1);
});

test("share", () => {
  expect(share(1n, 4n)).toBe(0.25);
  expect(share(2n, 3n, 10)).toBe(0.6);
  expect(share(5n, 5n)).toBe(1);
  expect(share(0n, 0n)).toBe(0);
});
