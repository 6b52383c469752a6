import type { InstrumentInfo } from "tickwire";
import { expect, test } from "vitest";
import { scale } from "../../../clients/typescript/src/decimal.ts";
import { amountOf, amountText } from "./amount.ts";
import { setLocale } from "./format.ts";
import { check, estimate, fieldOf, paramsOf, sizeFor, stepsOf, termsOf, type Entry, type Level } from "./ticket.ts";

const info: InstrumentInfo = {
  symbol: "SIM:BTC-USDT",
  venue: "SIM",
  base: "BTC",
  quote: "USDT",
  asset_class: "crypto",
  kind: "matched",
  tick_size: "0.01",
  lot_size: "0.00001",
  channels: [],
  status: { instrument: "open", feed: "live", reason: "" },
  maker_fee: "0.0002",
  taker_fee: "0.0005",
  price_band: "0.2",
  size_max: "10",
  notional_min: "5",
  notional_max: "1000000",
};
const terms = termsOf(info, scale("0.01"), scale("0.00001"));

const entry = (part: Partial<Entry> = {}): Entry => ({
  side: "buy",
  type: "limit",
  price: "97000",
  stopPrice: "",
  size: "0.5",
  displaySize: "",
  timeInForce: "gtc",
  validForMs: 60_000,
  postOnly: false,
  reduceOnly: false,
  ...part,
});
const errors = (part: Partial<Entry>) => check(entry(part), terms).errors;

/** A side of the book, best first. */
const levels = (...rows: [string, string][]): Level[] =>
  rows.map(([price, size]) => [terms.price.parse(price), terms.size.parse(size)]);
const asks = levels(["96990.00", "0.2"], ["97000.00", "0.1"], ["97010.00", "3"]);

test("terms are integers of the instrument's steps", () => {
  expect(terms.lotValue).toBe(amountOf("0.00001"));
  expect(terms.tickLot).toBe(amountOf("0.0000001"));
  expect([terms.makerPpm, terms.takerPpm]).toEqual([200n, 500n]);
  expect(termsOf({ ...info, maker_fee: "-0.0001" }, terms.price, terms.size).makerPpm).toBe(-100n);
});

test("a checked entry becomes the parameters of order.place", () => {
  const now = 1_000n;
  const params = (part: Partial<Entry>) => {
    const one = entry(part);
    return paramsOf("SIM:BTC-USDT", one, terms, check(one, terms), now);
  };
  expect(params({ price: " 97000.5 ", postOnly: true, displaySize: "0.01" })).toEqual({
    symbol: "SIM:BTC-USDT",
    side: "buy",
    type: "limit",
    size: "0.50000",
    time_in_force: "gtc",
    price: "97000.50",
    display_size: "0.01000",
    post_only: true,
  });
  // what a type has not is not sent, whatever is left in its field
  expect(
    params({ side: "sell", type: "stop", stopPrice: "90000", timeInForce: "ioc", postOnly: true, displaySize: "x" }),
  ).toEqual({
    symbol: "SIM:BTC-USDT",
    side: "sell",
    type: "stop",
    size: "0.50000",
    time_in_force: "ioc",
    stop_price: "90000.00",
  });
  expect(params({ timeInForce: "gtd", reduceOnly: true })).toMatchObject({
    time_in_force: "gtd",
    expires_at: 60_000_001_000n,
    reduce_only: true,
  });
});

test.each<[Partial<Entry>, string, string]>([
  [{ price: "" }, "price", "Give a price."],
  [{ price: "0" }, "price", "The price must be more than 0."],
  [{ price: "-5" }, "price", "The price must be a plain number more than 0, such as 1234.5."],
  [{ price: "1e5" }, "price", "The price must be a plain number more than 0, such as 1234.5."],
  [{ price: "97,000" }, "price", "Write the price with a point and without thousands separators, such as 1234.5."],
  [{ price: "97000.005" }, "price", "The price must be a multiple of 0.01: 97000.00, for example."],
  [{ size: "0.000001" }, "size", "The size must be a multiple of 0.00001: 0.00001, for example."],
  [{ size: "10.00001", price: "1" }, "size", "The size may be at most 10.00000 BTC."],
  [{ size: "0.00005" }, "size", "The order must be worth at least 5 USDT."],
  [{ size: "10", price: "100000.01" }, "size", "The order must be worth at most 1000000 USDT."],
  [{ type: "stop_limit" }, "stop_price", "Give a stop price."],
  [{ displaySize: "1" }, "display_size", "The shown size must not be more than the size."],
  [{ displaySize: "0.00499" }, "display_size", "The shown size must be at least a hundredth of the size."],
  [
    { type: "market", timeInForce: "gtd" },
    "time_in_force",
    "This type of order does not rest, so it can't be good until a time.",
  ],
])("%j is refused at its field", (part, field, text) => {
  expect(errors(part)).toEqual({ [field]: text });
});

test("what is exactly at a limit passes", () => {
  expect(errors({ size: "0.00005", price: "100000" })).toEqual({});
  expect(errors({ size: "10", price: "100000" })).toEqual({});
  expect(errors({ size: "1", displaySize: "0.01" })).toEqual({});
});

test("fields that a type has not are not checked", () => {
  expect(errors({ type: "market", price: "nonsense", displaySize: "nonsense" })).toEqual({});
  expect(errors({ timeInForce: "ioc", displaySize: "nonsense" })).toEqual({});
});

test("the server's refusal goes to the field that it names", () => {
  expect(fieldOf("stop_price", "would_trigger")).toBe("stop_price");
  expect(fieldOf(null, "insufficient_balance")).toBe("size");
  expect(fieldOf("symbol", "not_tradable")).toBe("order");
  expect(fieldOf(undefined, "kill_switch")).toBe("order");
});

const estimated = (part: Partial<Entry>, opposite: Level[] = asks) => {
  const one = entry(part);
  const found = estimate(one, terms, check(one, terms), opposite);
  if (found === null) return null;
  const { amount, fee, hold, average } = found;
  return {
    amount: amountText(amount),
    fee: amountText(fee),
    hold: amountText(hold),
    taken: terms.size.format(found.taken),
    average: average === null ? null : amountText(average),
    short: terms.size.format(found.short),
  };
};

test("a limit order takes what its price reaches, and rests with the remainder", () => {
  // 0.2 x 96990 + 0.1 x 97000 = 29098 taken, 0.2 x 97000 = 19400 rests
  expect(estimated({})).toEqual({
    amount: "48498",
    fee: "18.429", // 29098 x 0.0005 + 19400 x 0.0002
    hold: "48524.25", // 0.5 x 97000 and the taker's fee
    taken: "0.30000",
    average: "96993.333333333333333333",
    short: "0.00000",
  });
  expect(estimated({ postOnly: true })).toMatchObject({ amount: "48500", fee: "9.7", taken: "0.00000", average: null });
  expect(estimated({ side: "sell", price: "97000" }, levels(["97005.00", "1"]))).toMatchObject({
    amount: "48502.5",
    fee: "24.25125",
    hold: "0.5",
    taken: "0.50000",
  });
});

test("a market order walks the book, and says what it finds no room for", () => {
  expect(estimated({ type: "market", size: "4" })).toMatchObject({ taken: "3.30000", short: "0.70000" });
  expect(estimated({ type: "market", size: "0.2" })).toEqual({
    amount: "19398",
    fee: "9.699",
    hold: "19407.699",
    taken: "0.20000",
    average: "96990",
    short: "0.00000",
  });
});

test("a stop is reckoned at its stop price", () => {
  expect(estimated({ type: "stop", stopPrice: "98000", size: "0.1" })).toMatchObject({
    amount: "9800",
    fee: "4.9",
    taken: "0.00000",
  });
  expect(estimated({ size: "" })).toBe(null);
  expect(estimated({ price: "x" })).toBe(null);
});

const sized = (percent: bigint, part: Partial<Entry>, available: string, opposite = asks) => {
  const one = entry(part);
  return terms.size.format(sizeFor(percent, one, terms, check(one, terms), amountOf(available), opposite));
};

test("a part of the balance is the largest size that it covers, fee included", () => {
  expect(sized(100n, { side: "sell" }, "1.234567")).toBe("1.23456");
  expect(sized(25n, { side: "sell" }, "1")).toBe("0.25000");
  expect(sized(100n, { price: "97000" }, "48524.25")).toBe("0.50000"); // exactly what `hold` says above
  expect(sized(100n, { price: "97000" }, "48524.249999999999999999")).toBe("0.49999");
  expect(sized(50n, { price: "97000" }, "97048.5")).toBe("0.50000");
  expect(sized(100n, { price: "" }, "1000")).toBe("0.00000");
  expect(sized(100n, { price: "1" }, "1000")).toBe("10.00000"); // the instrument's largest
});

test("the fee is rounded down as the server does it, to the last unit", () => {
  const fine = termsOf(
    { ...info, size_max: "", notional_min: "", notional_max: "" },
    scale("0.000000001"),
    scale("0.000000001"),
  );
  const one = entry({ price: "0.000000001" });
  const size = (units: bigint) => sizeFor(100n, one, fine, check(one, fine), units, []);
  expect(size(1_999n)).toBe(1_999n); // its fee of 0.9995 units is none
  expect(size(2_000n)).toBe(1_999n);
  expect(size(2_001n)).toBe(2_000n);
});

test("of a market order it is what the book gives for the money", () => {
  expect(sized(100n, { type: "market" }, "19407.699")).toBe("0.20000");
  expect(sized(100n, { type: "market" }, "29112.549")).toBe("0.30000"); // 29098 and the fee
  expect(sized(100n, { type: "market" }, "29112.548")).toBe("0.29999");
  expect(sized(100n, { type: "market" }, "900000000")).toBe("3.30000"); // all there is
});

test("thousands separators of the visitor's own are not taken for a decimal point", () => {
  setLocale("de-DE");
  try {
    expect(stepsOf(scale("0.01"), "96.900", "price")).toContain("without thousands separators");
    expect(stepsOf(scale("0.01"), "1.096.900", "price")).toContain("without thousands separators");
    expect(stepsOf(scale("0.00001"), "0.003", "size")).toBe(300n);
    expect(stepsOf(scale("0.01"), "96.90", "price")).toBe(9690n);
    expect(stepsOf(scale("0.001"), "1.085", "price")).toBe(1085n);
  } finally {
    setLocale(undefined);
  }
  expect(stepsOf(scale("0.01"), "96.900", "price")).toBe(9690n);
  expect(stepsOf(scale("0.01"), "96,900", "price")).toContain("without thousands separators");
});
