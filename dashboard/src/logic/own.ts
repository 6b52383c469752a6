/** One's own resting orders by the rows of a ladder. */
import type { OrderData, Scale } from "tickwire";
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
