/**
 * The order ticket's arithmetic: what was typed as the parameters of `order.place`, or what is wrong with which field;
 * what the order would cost; and how large one can be. Exact, and the server's own rules: it checks again, and its
 * word counts.
 */
import type { InstrumentInfo, PlaceParams, Scale } from "tickwire";
import { amountText, ONE } from "./amount.ts";
import { groupSign } from "./format.ts";

/** A side, as the protocol says it. */
export type Side = "buy" | "sell";

/** Types of orders with their names. */
export const ORDER_TYPES = [
  ["limit", "Limit"],
  ["market", "Market"],
  ["stop", "Stop"],
  ["stop_limit", "Stop limit"],
  ["take_profit", "Take profit"],
  ["take_profit_limit", "Take profit limit"],
] as const;
export type OrderType = (typeof ORDER_TYPES)[number][0];

/** How long an order is good, with the names. */
export const TIMES_IN_FORCE = [
  ["gtc", "Until canceled"],
  ["ioc", "Immediate or cancel"],
  ["fok", "Fill or kill"],
  ["gtd", "Until a time"],
] as const;
export type TimeInForce = (typeof TIMES_IN_FORCE)[number][0];

const FIELDS = [
  "side",
  "type",
  "stop_price",
  "price",
  "size",
  "display_size",
  "time_in_force",
  "expires_at",
  "post_only",
  "reduce_only",
  "order",
] as const;

/** A field of the ticket, as the protocol calls it; `order` for what is wrong with none in particular. */
export type Field = (typeof FIELDS)[number];

/** What is wrong, in words, by field. */
export type Errors = Partial<Record<Field, string>>;

/** What was typed. Numbers are as typed; `validForMs` is how long a `gtd` order is to live. */
export interface Entry {
  side: Side;
  type: OrderType;
  price: string;
  stopPrice: string;
  size: string;
  displaySize: string;
  timeInForce: TimeInForce;
  validForMs: number;
  postOnly: boolean;
  reduceOnly: boolean;
}

/** An order's terms in integers: `lotValue` units of base in a lot, `tickLot` units of quote in a tick x lot. */
export interface Terms {
  readonly price: Scale;
  readonly size: Scale;
  readonly base: string;
  readonly quote: string;
  readonly lotValue: bigint;
  readonly tickLot: bigint;
  readonly makerPpm: bigint;
  readonly takerPpm: bigint;
  readonly sizeMax: bigint | null;
  readonly notionalMin: bigint | null;
  readonly notionalMax: bigint | null;
}

const MILLION = 1_000_000n;

/** A decimal of at most `decimals` places in 10^-decimals; null for "". */
function fixed(text: string, decimals: number): bigint | null {
  if (text === "") return null;
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  const units = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
  return text.startsWith("-") ? -units : units;
}

/** The terms of an instrument that is matched by the server. */
export function termsOf(info: InstrumentInfo, price: Scale, size: Scale): Terms {
  return {
    price,
    size,
    base: info.base,
    quote: info.quote,
    lotValue: size.units * 10n ** BigInt(18 - size.decimals),
    tickLot: price.units * size.units * 10n ** BigInt(18 - price.decimals - size.decimals),
    makerPpm: fixed(info.maker_fee, 6) ?? 0n,
    takerPpm: fixed(info.taker_fee, 6) ?? 0n,
    sizeMax: info.size_max ? size.parse(info.size_max) : null,
    notionalMin: fixed(info.notional_min, 18),
    notionalMax: fixed(info.notional_max, 18),
  };
}

/** Whether a type has a price, and whether it waits for a stop price. */
export function isPriced(type: OrderType): boolean {
  return type === "limit" || type.endsWith("_limit");
}

/** Whether a type waits for its stop price. */
export function isWaiting(type: OrderType): boolean {
  return type.startsWith("stop") || type.startsWith("take");
}

/** Whether such an order can rest on the book, so that post only and an iceberg make sense. */
export function canRest(entry: Entry): boolean {
  return isPriced(entry.type) && (entry.timeInForce === "gtc" || entry.timeInForce === "gtd");
}

/** A typed number in steps of a scale, or what is wrong with it, as a sentence about the `name`. */
export function stepsOf(scale: Scale, text: string, name: string): bigint | string {
  const plain = text.trim();
  if (plain === "") return `Give a ${name}.`;
  if (plain.includes(",")) return `Write the ${name} with a point and without thousands separators, such as 1234.5.`;
  // three digits are as exact as a price with the step 0.001 is written: those are taken as they are
  if (groupSign() === "." && scale.decimals !== 3 && /^[1-9]\d{0,2}(\.\d{3})+$/.test(plain))
    return `Write the ${name} without thousands separators: a point is the decimal point here, such as 1234.5.`;
  if (!/^\d+(\.\d+)?$/.test(plain)) return `The ${name} must be a plain number more than 0, such as 1234.5.`;
  try {
    const n = scale.parse(plain, name);
    return n > 0n ? n : `The ${name} must be more than 0.`;
  } catch {
    const below = scale.format(floorSteps(scale, plain));
    return `The ${name} must be a multiple of ${scale.step}: ${below}, for example.`;
  }
}

/** The largest multiple of the step that is not above a plain decimal; at least one step. */
function floorSteps(scale: Scale, text: string): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  const digits = whole + fraction.slice(0, scale.decimals).padEnd(scale.decimals, "0");
  const n = BigInt(digits.slice(0, 40)) / scale.units;
  const most = 10n ** 18n;
  return n === 0n ? 1n : n > most ? most : n;
}

/** The integers of an entry, as far as they can be read; `errors` says what is wrong. Ticks and lots. */
export interface Checked {
  readonly errors: Errors;
  readonly price: bigint | null;
  readonly stopPrice: bigint | null;
  readonly size: bigint | null;
  readonly displaySize: bigint | null;
}

/** Check what was typed, field by field. Empty `errors`: `paramsOf` may be called. */
export function check(entry: Entry, terms: Terms): Checked {
  const errors: Errors = {};
  const read = (field: Field, scale: Scale, text: string, name: string): bigint | null => {
    const n = stepsOf(scale, text, name);
    if (typeof n === "bigint") return n;
    errors[field] = n;
    return null;
  };
  const price = isPriced(entry.type) ? read("price", terms.price, entry.price, "price") : null;
  const stopPrice = isWaiting(entry.type) ? read("stop_price", terms.price, entry.stopPrice, "stop price") : null;
  const size = read("size", terms.size, entry.size, "size");
  const rests = canRest(entry);
  const iceberg = rests && entry.displaySize.trim() !== "";
  const displaySize = iceberg ? read("display_size", terms.size, entry.displaySize, "shown size") : null;
  if (!isPriced(entry.type) && entry.timeInForce === "gtd")
    errors.time_in_force = "This type of order does not rest, so it can't be good until a time.";
  if (size !== null && terms.sizeMax !== null && size > terms.sizeMax)
    errors.size = `The size may be at most ${terms.size.format(terms.sizeMax)} ${terms.base}.`;
  if (size !== null && displaySize !== null) {
    if (displaySize > size) errors.display_size = "The shown size must not be more than the size.";
    else if (size > displaySize * 100n)
      errors.display_size = "The shown size must be at least a hundredth of the size.";
  }
  if (size !== null && price !== null && errors.size === undefined) {
    const value = price * size * terms.tickLot;
    if (terms.notionalMin !== null && value < terms.notionalMin)
      errors.size = `The order must be worth at least ${amountText(terms.notionalMin)} ${terms.quote}.`;
    if (terms.notionalMax !== null && value > terms.notionalMax)
      errors.size = `The order must be worth at most ${amountText(terms.notionalMax)} ${terms.quote}.`;
  }
  return { errors, price, stopPrice, size, displaySize };
}

/** The parameters of `order.place` of a checked entry without errors. `now` is the server's time in ns. */
export function paramsOf(symbol: string, entry: Entry, terms: Terms, checked: Checked, now: bigint): PlaceParams {
  const rests = canRest(entry);
  return {
    symbol,
    side: entry.side,
    type: entry.type,
    size: terms.size.format(checked.size ?? 0n),
    time_in_force: entry.timeInForce,
    ...(checked.price !== null && { price: terms.price.format(checked.price) }),
    ...(checked.stopPrice !== null && { stop_price: terms.price.format(checked.stopPrice) }),
    ...(checked.displaySize !== null && { display_size: terms.size.format(checked.displaySize) }),
    ...(entry.timeInForce === "gtd" && { expires_at: now + BigInt(entry.validForMs) * 1_000_000n }),
    ...(rests && entry.postOnly && { post_only: true }),
    ...(entry.reduceOnly && { reduce_only: true }),
  };
}

/** The first field, from the top of the ticket, with something wrong. */
export function firstWrong(errors: Errors): Field | undefined {
  return FIELDS.find((field) => errors[field] !== undefined);
}

/** The field of the ticket that the server's refusal is about. */
export function fieldOf(field: string | null | undefined, code: string): Field {
  const known = FIELDS.find((name) => name === field);
  if (known !== undefined) return known;
  return code === "insufficient_balance" ? "size" : "order";
}

/** A price level: ticks and lots. */
export type Level = readonly [ticks: bigint, lots: bigint];

/**
 * What an order comes to with the book as it is, in 10^-18 of the quote asset (`hold`: of the asset it pays with).
 *
 * `amount` is its value before fees, the price of what rests being its limit; `fee` with the taker's fee on what fills
 * at once and the maker's on the rest; `hold` what the server sets aside for it, at most; `taken` the lots that fill at
 * once and `average` their price in quote units of one lot (null for none); `short` the lots of a market order that the
 * levels given have no room for.
 */
export interface Estimate {
  readonly amount: bigint;
  readonly fee: bigint;
  readonly hold: bigint;
  readonly taken: bigint;
  readonly average: bigint | null;
  readonly short: bigint;
}

const feeOn = (amount: bigint, ppm: bigint): bigint => (amount * ppm) / MILLION;
const highestFee = (terms: Terms): bigint => {
  const ppm = terms.makerPpm > terms.takerPpm ? terms.makerPpm : terms.takerPpm;
  return ppm > 0n ? ppm : 0n;
};

/**
 * What an entry would cost.
 *
 * `opposite` are the levels that it would meet, best first. A stop is reckoned at its stop price, for nobody knows the
 * book when it wakes. Null while price or size can't be read.
 */
export function estimate(entry: Entry, terms: Terms, checked: Checked, opposite: Iterable<Level>): Estimate | null {
  const { size } = checked;
  const waits = isWaiting(entry.type);
  const limit = isPriced(entry.type) ? checked.price : waits ? checked.stopPrice : null;
  if (size === null || (limit === null && entry.type !== "market")) return null;
  let left = size;
  let cost = 0n;
  if (!waits && !entry.postOnly) {
    for (const [ticks, lots] of opposite) {
      if (left === 0n || (limit !== null && (entry.side === "buy" ? ticks > limit : ticks < limit))) break;
      const filled = lots < left ? lots : left;
      cost += filled * ticks;
      left -= filled;
    }
  }
  const taken = size - left;
  const rest = limit === null ? 0n : left * limit;
  const takes = waits && !isPriced(entry.type);
  const amount = (cost + rest) * terms.tickLot;
  const fee =
    feeOn(cost * terms.tickLot, terms.takerPpm) + feeOn(rest * terms.tickLot, takes ? terms.takerPpm : terms.makerPpm);
  const most = (limit === null ? cost : size * limit) * terms.tickLot;
  return {
    amount,
    fee,
    hold: entry.side === "buy" ? most + feeOn(most, highestFee(terms)) : size * terms.lotValue,
    taken,
    average: taken > 0n ? (cost * terms.tickLot * ONE) / (taken * terms.lotValue) : null,
    short: limit === null ? left : 0n,
  };
}

/**
 * The largest size in lots of which the server holds at most `percent` of what is available: of the quote asset for a
 * buy, fee included, of the base asset for a sale. 10^-18 of the asset; 0n where there is no price to go by.
 */
export function sizeFor(
  percent: bigint,
  entry: Entry,
  terms: Terms,
  checked: Checked,
  available: bigint,
  opposite: Iterable<Level>,
): bigint {
  const budget = (available * percent) / 100n;
  let size = 0n;
  if (entry.side === "sell") {
    size = budget / terms.lotValue;
  } else {
    // the most ticks x lots whose value with its fee, rounded down as the server does it, is within the budget
    const most = ((budget + 1n) * MILLION - 1n) / (terms.tickLot * (MILLION + highestFee(terms)));
    const limit = isPriced(entry.type) ? checked.price : isWaiting(entry.type) ? checked.stopPrice : null;
    if (limit !== null) {
      size = most / limit;
    } else if (entry.type === "market") {
      let left = most;
      for (const [ticks, lots] of opposite) {
        const fits = left / ticks;
        size += fits < lots ? fits : lots;
        if (fits <= lots) break;
        left -= lots * ticks;
      }
    }
  }
  return terms.sizeMax !== null && size > terms.sizeMax ? terms.sizeMax : size;
}
