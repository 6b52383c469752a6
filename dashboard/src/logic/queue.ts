/** The queue of orders at a price: who is before whom. */
import type { BookSide } from "./grouping.ts";

/** An order in the queue, as far as this needs it. */
export interface Queued {
  readonly order_id: string;
  readonly lots: bigint;
}

/** An order with how much must trade or leave before its turn: lots, and how many orders they are. */
export interface Place<T extends Queued> {
  readonly order: T;
  readonly ahead: bigint;
  readonly before: number;
}

/** The places of the orders of a level, first in the queue first. */
export function places<T extends Queued>(queue: Iterable<T>): Place<T>[] {
  const all: Place<T>[] = [];
  let ahead = 0n;
  for (const order of queue) {
    all.push({ order, ahead, before: all.length });
    ahead += order.lots;
  }
  return all;
}

/** The prices in ticks that a group of `step` ticks spans, the better end first; see `groupPrice`. */
export function span(side: BookSide, ticks: bigint, step: bigint): { readonly best: bigint; readonly worst: bigint } {
  return side === "bid" ? { best: ticks + step - 1n, worst: ticks } : { best: ticks - step + 1n, worst: ticks };
}
