import { expect, test } from "vitest";
import { amountOf, amountText, ONE } from "./amount.ts";
import { beginning, curve, extended, profit, worths, type Fill, type Market, type Past, type Point } from "./equity.ts";

const S = 1_000_000_000n;

function fill(seq: number, at: bigint, side: "buy" | "sell", price: string, size: string, fee = "0"): Fill {
  return { symbol: "SIM:BTC-USDT", side, price, size, fee, fee_asset: "USDT", seq, ts: at * S };
}

function market(base: string, quote: string, marks: [bigint, string][]): Market {
  return { base, quote, marks: marks.map(([at, price]) => ({ ts: at * S, price })) };
}

const shown = (points: readonly Point[]) => points.map(({ ts, value }) => [ts / S, amountText(value)]);

const past = (part: Partial<Past>): Past => ({
  balances: new Map(),
  fills: [],
  markets: new Map(),
  currency: "USDT",
  from: 0n,
  until: 30n * S,
  step: 10n * S,
  ...part,
});

test("fills are undone newest first, and what was held is valued at the close before each time", () => {
  // 1000 USDT; at 5 s 2 BTC bought at 100 (fee 1), at 25 s 1 BTC sold at 120 (fee 0.5)
  const points = curve(
    past({
      balances: new Map([
        ["USDT", amountOf("918.5")],
        ["BTC", amountOf("1")],
      ]),
      fills: [fill(1, 5n, "buy", "100", "2", "1"), fill(2, 25n, "sell", "120", "1", "0.5")],
      markets: new Map([
        [
          "SIM:BTC-USDT",
          market("BTC", "USDT", [
            [0n, "100"],
            [10n, "110"],
            [20n, "115.5"],
            [30n, "130"],
          ]),
        ],
      ]),
    }),
  );
  expect(shown(points)).toEqual([
    [0n, "1000"],
    [10n, "1019"], // 799 + 2 x 110
    [20n, "1030"], // 799 + 2 x 115.5
    [30n, "1048.5"], // 918.5 + 130
  ]);
  expect(profit(points)).toEqual({ gained: amountOf("48.5"), ppm: 48_500n });
});

test("a fill counts from its own time on", () => {
  const points = curve(
    past({
      balances: new Map([
        ["USDT", 0n],
        ["BTC", ONE],
      ]),
      fills: [fill(1, 10n, "buy", "100", "1")],
      markets: new Map([["SIM:BTC-USDT", market("BTC", "USDT", [[0n, "150"]])]]),
      until: 20n * S,
    }),
  );
  expect(shown(points)).toEqual([
    [0n, "100"],
    [10n, "150"],
    [20n, "150"],
  ]);
});

test("the curve begins where all that was held has a price", () => {
  const markets = new Map([["SIM:BTC-USDT", market("BTC", "USDT", [[15n, "100"]])]]);
  expect(shown(curve(past({ balances: new Map([["BTC", 3n * ONE]]), markets })))).toEqual([
    [20n, "300"],
    [30n, "300"],
  ]);
});

test("what has no way to the currency counts nothing, and does not end the curve", () => {
  const balances = new Map([
    ["USDT", 5n * ONE],
    ["XYZ", 7n * ONE],
  ]);
  expect(shown(curve(past({ balances, from: 20n * S })))).toEqual([
    [20n, "5"],
    [30n, "5"],
  ]);
});

test("a fill of an unknown instrument ends the way back", () => {
  const fills = [{ ...fill(1, 12n, "buy", "1", "1"), symbol: "SIM:GONE-USDT" }];
  expect(shown(curve(past({ balances: new Map([["USDT", ONE]]), fills })))).toEqual([
    [20n, "1"],
    [30n, "1"],
  ]);
});

test("an end between two steps is a point of its own", () => {
  const points = curve(past({ balances: new Map([["USDT", ONE]]), from: 5n * S, until: 27n * S }));
  expect(points.map((one) => one.ts / S)).toEqual([10n, 20n, 27n]);
});

test("worth goes over other instruments, both ways round, by the shortest way", () => {
  const markets = new Map([
    ["A", market("BTC", "USDT", [])],
    ["B", market("ETH", "BTC", [])],
    ["C", market("USDT", "EUR", [])],
  ]);
  const prices = new Map([
    ["A", amountOf("100")],
    ["B", amountOf("0.05")],
    ["C", amountOf("0.8")],
  ]);
  const value = (currency: string, asset: string): string => {
    const [up, down] = worths(markets, prices, currency).get(asset)!;
    return amountText((ONE * up) / down);
  };
  expect(value("USDT", "ETH")).toBe("5");
  expect(value("EUR", "ETH")).toBe("4");
  expect(value("ETH", "USDT")).toBe("0.2");
  expect(worths(markets, new Map(), "USDT").has("BTC")).toBe(false);
});

test("where a curve begins: the span ago, or at the oldest known fill if it was not the first", () => {
  expect(beginning([], 100n * S, 60n * S)).toBe(40n * S);
  expect(beginning([fill(1, 70n, "buy", "1", "1")], 100n * S, 60n * S)).toBe(40n * S);
  expect(beginning([fill(7, 70n, "buy", "1", "1")], 100n * S, 60n * S)).toBe(70n * S);
  expect(beginning([fill(7, 10n, "buy", "1", "1")], 100n * S, 60n * S)).toBe(40n * S);
});

test("live points move the last one on until its step is over, and the oldest go", () => {
  let points: readonly Point[] = [
    { ts: 0n, value: 1n },
    { ts: 10n * S, value: 2n },
  ];
  const at = (ts: bigint, value: bigint): void => {
    points = extended(points, { ts: ts * S, value }, 10n * S, 5n * S);
  };
  at(11n, 3n);
  expect(points.map((one) => [one.ts / S, one.value])).toEqual([
    [10n, 2n],
    [11n, 3n],
  ]);
  at(12n, 4n);
  at(20n, 5n);
  at(21n, 6n);
  at(21n, 7n); // not newer
  expect(points.map((one) => [one.ts / S, one.value])).toEqual([
    [10n, 2n],
    [20n, 5n],
    [21n, 6n],
  ]);
});

test("profit from nothing has no percentage", () => {
  expect(profit([])).toEqual({ gained: 0n, ppm: null });
  expect(
    profit([
      { ts: 1n, value: 0n },
      { ts: 2n, value: 5n },
    ]),
  ).toEqual({ gained: 5n, ppm: null });
});
