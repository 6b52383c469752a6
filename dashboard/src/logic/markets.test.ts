import type { InstrumentInfo, TickerData } from "tickwire";
import { expect, test } from "vitest";
import { filterMarkets, moveBy, nextSort, sortMarkets, windowOf } from "./markets.ts";

function info(venue: string, base: string, quote: string): InstrumentInfo {
  return {
    symbol: `${venue}:${base}-${quote}`,
    venue,
    base,
    quote,
    asset_class: "crypto",
    kind: "matched",
    tick_size: "0.01",
    lot_size: "0.001",
    channels: ["ticker"],
    status: { instrument: "open", feed: "live", reason: "" },
    maker_fee: "0",
    taker_fee: "0",
    price_band: "",
    size_max: "",
    notional_min: "",
    notional_max: "",
  };
}

const markets = [info("SIM", "BTC", "USDT"), info("SIM", "ETH", "USDT"), info("KRAKEN", "BTC", "EUR")];
const names = (list: readonly InstrumentInfo[]): string[] => list.map(({ symbol }) => symbol);

test("every word of the filter must occur, wherever and in whatever case", () => {
  expect(names(filterMarkets(markets, "btc"))).toEqual(["SIM:BTC-USDT", "KRAKEN:BTC-EUR"]);
  expect(names(filterMarkets(markets, " BTC  kraken "))).toEqual(["KRAKEN:BTC-EUR"]);
  expect(names(filterMarkets(markets, "btc/eur"))).toEqual(["KRAKEN:BTC-EUR"]);
  expect(names(filterMarkets(markets, "doge"))).toEqual([]);
  expect(filterMarkets(markets, " ")).toBe(markets);
});

test("sorted by a figure, what has none is last whichever way", () => {
  const changes: Record<string, string> = { "SIM:BTC-USDT": "-2.5", "SIM:ETH-USDT": "10" };
  const figures = (symbol: string): TickerData | undefined => {
    const change_pct = changes[symbol];
    return change_pct === undefined ? undefined : ({ change_pct } as TickerData);
  };
  const sorted = (descending: boolean): string[] => names(sortMarkets(markets, { key: "change", descending }, figures));
  expect(sorted(true)).toEqual(["SIM:ETH-USDT", "SIM:BTC-USDT", "KRAKEN:BTC-EUR"]);
  expect(sorted(false)).toEqual(["SIM:BTC-USDT", "SIM:ETH-USDT", "KRAKEN:BTC-EUR"]);
  expect(names(sortMarkets(markets, { key: "symbol", descending: false }, figures))).toEqual([
    "KRAKEN:BTC-EUR",
    "SIM:BTC-USDT",
    "SIM:ETH-USDT",
  ]);
});

test("a click sorts figures from the largest, a second one turns it", () => {
  const first = nextSort({ key: "symbol", descending: false }, "volume");
  expect(first).toEqual({ key: "volume", descending: true });
  expect(nextSort(first, "volume")).toEqual({ key: "volume", descending: false });
  expect(nextSort(first, "symbol")).toEqual({ key: "symbol", descending: false });
});

test("of thousands of rows only those in view are there", () => {
  expect(windowOf(0, 300, 30, 5_000)).toEqual({ from: 0, to: 10 });
  expect(windowOf(45, 300, 30, 5_000)).toEqual({ from: 1, to: 12 });
  expect(windowOf(45, 300, 30, 5_000, 5)).toEqual({ from: 0, to: 17 });
  expect(windowOf(9_000, 300, 30, 4)).toEqual({ from: 4, to: 4 }); // the list has just become shorter
});

test("keys move within the list", () => {
  expect(moveBy("ArrowDown", -1, 3, 10)).toBe(0);
  expect(moveBy("ArrowDown", 2, 3, 10)).toBe(2);
  expect(moveBy("ArrowUp", 2, 3, 10)).toBe(1);
  expect(moveBy("PageDown", 0, 30, 10)).toBe(10);
  expect(moveBy("End", 0, 30, 10)).toBe(29);
  expect(moveBy("Home", 7, 30, 10)).toBe(0);
  expect(moveBy("a", 7, 30, 10)).toBeNull();
  expect(moveBy("ArrowDown", 0, 0, 10)).toBeNull();
});
