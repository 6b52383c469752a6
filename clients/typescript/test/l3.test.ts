import { describe, expect, it } from "vitest";

import type { Side } from "../src/generated.ts";
import { L3Book } from "../src/l3.ts";
import type { RestingOrder } from "../src/l3.ts";
import type { Level } from "../src/ladder.ts";
import { oneOf, seeded } from "./seeded.ts";

function order(orderId: string, side: Side, ticks: bigint, lots: bigint): RestingOrder {
  return { orderId, side, ticks, lots };
}

/** The slow, obvious twin: one list in order of arrival. */
class SlowBook {
  private orders: RestingOrder[] = [];

  add(one: RestingOrder): void {
    this.orders.push({ ...one });
  }

  reduce(orderId: string, lots: bigint): void {
    this.orders = this.orders
      .map((one) => (one.orderId === orderId ? { ...one, lots: one.lots - lots } : one))
      .filter((one) => one.lots > 0n);
  }

  listed(side: Side): RestingOrder[] {
    const sign = side === "buy" ? -1n : 1n;
    return this.orders
      .filter((one) => one.side === side)
      .map((one, at) => ({ one, at }))
      .sort((a, b) => Number(sign * (a.one.ticks - b.one.ticks)) || a.at - b.at)
      .map(({ one }) => one);
  }

  levels(side: Side): Level[] {
    const levels: Level[] = [];
    for (const { ticks, lots } of this.listed(side)) {
      const last = levels.at(-1);
      if (last?.[0] === ticks) levels[levels.length - 1] = [ticks, last[1] + lots];
      else levels.push([ticks, lots]);
    }
    return levels;
  }

  ids(): string[] {
    return this.orders.map((one) => one.orderId);
  }
}

describe("a book by order", () => {
  it("keeps the queue at a price in order of arrival, and the sum of it beside", () => {
    const book = new L3Book();
    book.add(order("b", "buy", 100n, 5n));
    book.add(order("a", "buy", 100n, 2n));
    book.add(order("c", "buy", 101n, 1n));
    expect([...book.queue("buy", 100n).keys()]).toEqual(["b", "a"]);
    expect([...book.listed("buy")].map((one) => one.orderId)).toEqual(["c", "b", "a"]);
    expect(book.ladder.bids.top()).toEqual([[101n, 1n], [100n, 7n]]); // prettier-ignore
  });

  it("keeps the place of an order that becomes smaller", () => {
    const book = new L3Book();
    const first = order("a", "sell", 100n, 5n);
    book.add(first);
    book.add(order("b", "sell", 100n, 5n));
    book.reduce(first, 4n);
    expect([...book.queue("sell", 100n).values()].map((one) => [one.orderId, one.lots])).toEqual([["a", 1n], ["b", 5n]]); // prettier-ignore
    expect(book.ladder.asks.get(100n)).toBe(6n);
  });

  it("forgets an order of which nothing remains, and the level with the last of them", () => {
    const book = new L3Book();
    const [first, second] = [order("a", "buy", 100n, 5n), order("b", "buy", 100n, 3n)];
    book.add(first);
    book.add(second);
    book.reduce(first, 5n);
    expect([book.get("a"), book.get("b"), book.ladder.bids.get(100n)]).toEqual([undefined, second, 3n]);
    book.reduce(second, 3n);
    expect([book.queue("buy", 100n).size, book.ladder.bids.length]).toEqual([0, 0]);
    expect(book.queue("buy", 100n)).toBe(book.queue("buy", 1n)); // nothing is kept of a price
  });

  it("is empty when it was cleared", () => {
    const book = new L3Book();
    book.add(order("a", "buy", 100n, 5n));
    book.add(order("b", "sell", 101n, 5n));
    book.clear();
    expect([book.get("a"), book.queue("sell", 101n).size, [...book.listed("sell")], book.ladder.bids.length]).toEqual([
      undefined,
      0,
      [],
      0, // prettier-ignore
    ]);
  });

  it.each([1, 2, 3, 4])("is what its slow twin is, seed %i", (seed) => {
    const random = seeded(seed);
    const [book, slow] = [new L3Book(), new SlowBook()];
    for (let step = 0; step < 250; step++) {
      const ids = slow.ids();
      if (ids.length === 0 || random(2)) {
        const one = order(
          String(step),
          oneOf(random, ["buy", "sell"]),
          BigInt(100 + random(12)),
          BigInt(1 + random(9)),
        );
        slow.add(one);
        book.add(one);
      } else {
        const one = book.get(oneOf(random, ids));
        if (one === undefined) throw new Error("the book has lost an order");
        const lots = BigInt(1 + random(Number(one.lots)));
        slow.reduce(one.orderId, lots);
        book.reduce(one, lots);
      }
      for (const side of ["buy", "sell"] as const) {
        expect([...book.listed(side)]).toEqual(slow.listed(side));
        expect(book.ladder.side(side).top()).toEqual(slow.levels(side));
      }
    }
    expect(slow.ids().length).toBeGreaterThan(5);
  });
});
