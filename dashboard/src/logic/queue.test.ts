import { expect, test } from "vitest";
import { groupPrice } from "./grouping.ts";
import { places, span } from "./queue.ts";

test("what is ahead of each order", () => {
  const [a, b, c] = [
    { order_id: "1", lots: 5n },
    { order_id: "2", lots: 2n ** 60n },
    { order_id: "3", lots: 1n },
  ] as const;
  expect(places([a, b, c])).toEqual([
    { order: a, ahead: 0n, before: 0 },
    { order: b, ahead: 5n, before: 1 },
    { order: c, ahead: 2n ** 60n + 5n, before: 2 },
  ]);
  expect(places([])).toEqual([]);
});

test("a group spans exactly the prices that are grouped into it", () => {
  for (const side of ["bid", "ask"] as const) {
    for (const step of [1n, 5n, 10n]) {
      const { best, worst } = span(side, 100n, step);
      const inside = [];
      for (let ticks = 80n; ticks < 120n; ticks++) if (groupPrice(side, ticks, step) === 100n) inside.push(ticks);
      expect([inside[0], inside.at(-1)]).toEqual(side === "bid" ? [worst, best] : [best, worst]);
      expect(BigInt(inside.length)).toBe(step);
    }
  }
});
