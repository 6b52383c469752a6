/** One's own resting orders by the rows of a ladder. */
import type { OrderData, Scale } from "tickwire";
import { amountOf, amountText } from "./amount.ts";
import { groupPrice, type BookSide } from "./grouping.ts";

/** What rests at one price of a ladder: all that may still fill, hidden parts of icebergs included. */
export interface OwnLevel {
  lots: bigint;
  readonly orders: OrderData[];
}

/** Own levels of each side by the price of their group, in ticks. */
export type OwnLevels = Readonly<Record<BookSide, ReadonlyMap<bigint, OwnLevel>>>;

/** None. */
export const NO_ORDERS: OwnLevels = { bid: new Map(), ask: new Map() };

/** Those of the orders that rest on the book of the symbol, in groups of `step` ticks. */
export function ownLevels(
  orders: Iterable<OrderData>,
  symbol: string,
  scales: { readonly price: Scale; readonly size: Scale },
  step: bigint,
): OwnLevels {
  const levels = { bid: new Map<bigint, OwnLevel>(), ask: new Map<bigint, OwnLevel>() };
  for (const order of orders) {
    if (order.symbol !== symbol || order.status !== "open" || order.price === null) continue;
    const side = order.side === "buy" ? "bid" : "ask";
    const ticks = groupPrice(side, scales.price.parse(order.price), step);
    let level = levels[side].get(ticks);
    if (level === undefined) levels[side].set(ticks, (level = { lots: 0n, orders: [] }));
    level.lots += scales.size.parse(order.remaining);
    level.orders.push(order);
  }
  return levels;
}

/** Own orders that a chart draws as one line: of one side, at one price, all waiting for it or all resting at it. */
export interface OwnLine {
  readonly side: "buy" | "sell";
  readonly price: string;
  readonly waiting: boolean;
  /** What may still fill of all of them, exactly. */
  readonly size: string;
  readonly orders: number;
}

/** The lines of these orders by what tells them apart; one that waits is at its stop price. */
export function ownLines(orders: Iterable<OrderData>): Map<string, OwnLine> {
  const lines = new Map<string, OwnLine>();
  for (const { side, price: limit, stop_price, status, remaining } of orders) {
    const waiting = status === "waiting";
    const price = waiting ? stop_price : limit;
    if (price === null) continue;
    const key = `${side} ${price} ${status}`;
    const { size, orders: count } = lines.get(key) ?? { size: "0", orders: 0 };
    const sum = amountText(amountOf(size) + amountOf(remaining));
    lines.set(key, { side, price, waiting, size: sum, orders: count + 1 });
  }
  return lines;
}
