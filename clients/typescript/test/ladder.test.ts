import { describe, expect, it } from "vitest";

import { BookSide, CHECKSUM_DEPTH, Ladder } from "../src/ladder.ts";
import type { Level } from "../src/ladder.ts";
import { seeded } from "./seeded.ts";

/** The slow, obvious twin: nothing kept in order, nothing remembered. */
class SlowSide {
  private readonly levels = new Map<string, bigint>();
  private readonly highestFirst: boolean;

  constructor(highestFirst: boolean) {
    this.highestFirst = highestFirst;
  }

  set(ticks: bigint, lots: bigint): void {
    this.levels.delete(String(ticks));
    if (lots > 0n) this.levels.set(String(ticks), lots);
  }

  all(): Level[] {
    const sorted = [...this.levels].map(([ticks, lots]): Level => [BigInt(ticks), lots]);
    sorted.sort(([a], [b]) => Number(this.highestFirst ? b - a : a - b));
    return sorted;
  }

  text(): string {
    const digits = (value: bigint, units: bigint): string => (value * units).toString();
    return this.all()
      .slice(0, CHECKSUM_DEPTH)
      .reduce((text, [ticks, lots]) => text + digits(ticks, 25n) + digits(lots, 4n), "");
  }
}

function bids(...levels: Level[]): BookSide {
  const side = new BookSide(true);
  for (const [ticks, lots] of levels) side.set(ticks, lots);
  return side;
}

describe("a side", () => {
  it("has the best level first, whatever came first", () => {
    const levels: Level[] = [[98n, 1n], [100n, 2n], [99n, 3n]]; // prettier-ignore
    expect(bids(...levels).top()).toEqual([[100n, 2n], [99n, 3n], [98n, 1n]]); // prettier-ignore
    const asks = new BookSide(false);
    for (const [ticks, lots] of levels) asks.set(ticks, lots);
    expect([...asks]).toEqual([[98n, 1n], [99n, 3n], [100n, 2n]]); // prettier-ignore
    expect([bids(...levels).best, asks.best]).toEqual([100n, 98n]);
  });

  it("tells what rests at a price, and nothing where nothing does", () => {
    const side = bids([100n, 2n], [99n, 3n]);
    expect([side.get(99n), side.get(98n), side.length]).toEqual([3n, 0n, 2]);
  });

  it("replaces and deletes a level; deleting one that is not there is no error", () => {
    const side = bids([100n, 2n], [99n, 3n], [98n, 1n]);
    side.set(99n, 7n);
    side.set(100n, 0n);
    side.set(50n, 0n);
    expect(side.top()).toEqual([[99n, 7n], [98n, 1n]]); // prettier-ignore
  });

  it("gives as many levels as are asked for", () => {
    const side = bids([100n, 2n], [99n, 3n], [98n, 1n]);
    expect([side.top(0), side.top(1)]).toEqual([[], [[100n, 2n]]]);
    expect(side.top(9)).toHaveLength(3);
  });

  it("is empty in the beginning and when it was cleared", () => {
    const side = bids([100n, 2n]);
    expect(side.topText(1n, 1n)).toBe("1002");
    side.clear();
    expect([side.best, side.top(), side.topText(1n, 1n)]).toEqual([null, [], ""]);
  });

  it("orders prices that no double can tell apart", () => {
    const price = 9_007_199_254_740_993n; // 2^53 + 1
    expect(bids([price - 1n, 1n], [price, 2n], [price + 1n, 3n]).top(2)).toEqual([[price + 1n, 3n], [price, 2n]]); // prettier-ignore
  });
});

describe("a ladder", () => {
  it("is replaced as a whole", () => {
    const ladder = new Ladder();
    ladder.side("buy").set(5n, 5n);
    ladder.replace([[100n, 2n]], [[101n, 3n]]);
    expect([ladder.bids.top(), ladder.asks.top(), ladder.side("sell")]).toEqual([
      [[100n, 2n]],
      [[101n, 3n]],
      ladder.asks,
    ]);
    ladder.clear();
    expect([ladder.bids.length, ladder.asks.length]).toEqual([0, 0]);
  });
});

describe.each([true, false])("compared with its slow twin, highest first: %s", (highestFirst) => {
  it.each([1, 2, 3, 4, 5, 6])("seed %i", (seed) => {
    const random = seeded(seed);
    const [side, slow] = [new BookSide(highestFirst), new SlowSide(highestFirst)];
    for (let step = 0; step < 300; step++) {
      const ticks = BigInt(1_000 + random(seed % 2 ? 30 : 400));
      const lots = BigInt(random(3) ? 1 + random(9) : 0);
      side.set(ticks, lots);
      slow.set(ticks, lots);
      const expected = slow.all();
      const depth = random(20);
      expect(side.top(depth)).toEqual(expected.slice(0, depth));
      expect([side.length, side.best]).toEqual([expected.length, expected[0]?.[0] ?? null]);
      expect(side.topText(25n, 4n)).toBe(slow.text());
    }
    expect([...side]).toEqual(slow.all());
  });
});
