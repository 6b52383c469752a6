/** A book by order (L3): every order, in priority order within its price, with the level totals kept beside. */

import type { Side } from "./generated.ts";
import { Ladder } from "./ladder.ts";

/** An order on the book: price in ticks, `lots` what remains of it. */
export interface RestingOrder {
  readonly orderId: string;
  readonly side: Side;
  readonly ticks: bigint;
  lots: bigint;
}

/** price in ticks -> the queue there, first in the queue first */
type Queues = Map<bigint, Map<string, RestingOrder>>;

const NONE: ReadonlyMap<string, RestingOrder> = new Map();

/** Orders by id, and by price in the order in which they match. */
export class L3Book {
  /** What the orders add up to by price. */
  readonly ladder = new Ladder();
  private readonly orders = new Map<string, RestingOrder>();
  private readonly queues: Record<Side, Queues> = { buy: new Map(), sell: new Map() };

  /** An order by its id. */
  get(orderId: string): RestingOrder | undefined {
    return this.orders.get(orderId);
  }

  /** The orders at a price by id, first in the queue first. Not to be changed by the caller. */
  queue(side: Side, ticks: bigint): ReadonlyMap<string, RestingOrder> {
    return this.queues[side].get(ticks) ?? NONE;
  }

  /** Put an order at the back of the queue at its price. Its id must be new and its size positive. */
  add(order: RestingOrder): void {
    const { orderId, side, ticks, lots } = order;
    let queue = this.queues[side].get(ticks);
    if (queue === undefined) this.queues[side].set(ticks, (queue = new Map<string, RestingOrder>()));
    queue.set(orderId, order);
    this.orders.set(orderId, order);
    const levels = this.ladder.side(side);
    levels.set(ticks, levels.get(ticks) + lots);
  }

  /** Take lots off an order that is on the book; it leaves when nothing remains. */
  reduce(order: RestingOrder, lots: bigint): void {
    const { orderId, side, ticks } = order;
    order.lots -= lots;
    const levels = this.ladder.side(side);
    levels.set(ticks, levels.get(ticks) - lots);
    if (order.lots !== 0n) return;
    this.orders.delete(orderId);
    const queue = this.queues[side].get(ticks);
    queue?.delete(orderId);
    if (queue?.size === 0) this.queues[side].delete(ticks);
  }

  /** Every order of a side in priority order: best price first, then by place in the queue. */
  *listed(side: Side): Generator<RestingOrder, void> {
    for (const [ticks] of this.ladder.side(side)) yield* this.queue(side, ticks).values();
  }

  /** Empty the book. */
  clear(): void {
    this.ladder.clear();
    this.orders.clear();
    this.queues.buy.clear();
    this.queues.sell.clear();
  }
}
