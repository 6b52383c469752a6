/**
 * A book by price level (L2): what size rests at which price, best first.
 *
 * Both sides keep their prices sorted with the best one last, so that work at the top of the book, where nearly all of
 * it happens, touches the end of an array.
 */

import type { Side } from "./generated.ts";

/** Levels of each side that the checksum covers. */
export const CHECKSUM_DEPTH = 10;

/** A price level: price in ticks, size in lots. */
export type Level = readonly [ticks: bigint, lots: bigint];

/** Price levels of one side. Iterating gives them best first; the side must not change meanwhile. */
export class BookSide {
  private readonly highestFirst: boolean;
  private readonly prices: bigint[] = []; // worst to best
  private readonly sizes = new Map<bigint, bigint>();
  private text: string | null = null;

  /** `highestFirst` is true for bids. */
  constructor(highestFirst: boolean) {
    this.highestFirst = highestFirst;
  }

  /** How many levels there are. */
  get length(): number {
    return this.prices.length;
  }

  /** The lots that rest at a price in ticks, 0n for none. */
  get(ticks: bigint): bigint {
    return this.sizes.get(ticks) ?? 0n;
  }

  /** Best price in ticks, null when the side is empty. */
  get best(): bigint | null {
    return this.prices.at(-1) ?? null;
  }

  /** The best `depth` levels, best first; all of them without it. */
  top(depth = Infinity): Level[] {
    const levels: Level[] = [];
    for (let at = this.prices.length - 1; at >= 0 && levels.length < depth; at--) {
      const ticks = this.prices[at]!;
      levels.push([ticks, this.get(ticks)]);
    }
    return levels;
  }

  *[Symbol.iterator](): Generator<Level, void> {
    for (let at = this.prices.length - 1; at >= 0; at--) {
      const ticks = this.prices[at]!;
      yield [ticks, this.get(ticks)];
    }
  }

  /** Make `lots` rest at a price; 0n deletes the level, and deleting what is not there is no error. */
  set(ticks: bigint, lots: bigint): void {
    const { prices, sizes } = this;
    const there = sizes.has(ticks);
    if (lots !== 0n) {
      sizes.set(ticks, lots);
      if (!there) {
        const best = prices.at(-1);
        if (best === undefined || this.worse(best, ticks)) prices.push(ticks);
        else prices.splice(this.place(ticks), 0, ticks);
      }
    } else if (there) {
      sizes.delete(ticks);
      if (prices.at(-1) === ticks) prices.pop();
      else prices.splice(this.place(ticks), 1);
    } else {
      return;
    }
    if (this.text !== null) {
      const last = prices[prices.length - CHECKSUM_DEPTH];
      if (last === undefined || !this.worse(ticks, last)) this.text = null;
    }
  }

  /** Empty the side. */
  clear(): void {
    this.prices.length = 0;
    this.sizes.clear();
    this.text = null;
  }

  /**
   * This side's part of the checksum: its best ten levels, each price then size without point and leading zeros. Kept
   * until the top changes.
   *
   * The units are `Scale.units` of the instrument's price and size, always the same ones.
   */
  topText(priceUnits: bigint, sizeUnits: bigint): string {
    this.text ??= this.top(CHECKSUM_DEPTH)
      .map(([ticks, lots]) => `${String(ticks * priceUnits)}${String(lots * sizeUnits)}`)
      .join("");
    return this.text;
  }

  private worse(one: bigint, other: bigint): boolean {
    return this.highestFirst ? one < other : one > other;
  }

  /** Where a price stands or would stand. */
  private place(ticks: bigint): number {
    let [from, to] = [0, this.prices.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.worse(this.prices[middle]!, ticks)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** Both sides of a book by level. */
export class Ladder {
  readonly bids = new BookSide(true);
  readonly asks = new BookSide(false);

  /** The side that an order of this side rests on. */
  side(side: Side): BookSide {
    return side === "buy" ? this.bids : this.asks;
  }

  /** Empty both sides. */
  clear(): void {
    this.bids.clear();
    this.asks.clear();
  }

  /** Make the book exactly these levels. */
  replace(bids: Iterable<Level>, asks: Iterable<Level>): void {
    this.clear();
    for (const [ticks, lots] of bids) this.bids.set(ticks, lots);
    for (const [ticks, lots] of asks) this.asks.set(ticks, lots);
  }
}
