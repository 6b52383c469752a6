import { expect, test } from "vitest";
import { scale, type OrderData } from "tickwire";
import { ownLevels, ownLines } from "./own.ts";

const scales = { price: scale("0.50"), size: scale("0.001") };

function order(part: Partial<OrderData>): OrderData {
  return { symbol: "A", status: "open", side: "buy", price: "10.00", remaining: "1.000", ...part } as OrderData;
}

test("own orders by side and group, exactly", () => {
  const one = order({ remaining: "0.001" });
  const two = order({ price: "10.50", remaining: "2.000" });
  const ask = order({ side: "sell", price: "10.50" });
  const { bid, ask: asks } = ownLevels([one, two, ask], "A", scales, 10n);
  expect([...bid]).toEqual([[20n, { lots: 2001n, orders: [one, two] }]]);
  expect([...asks]).toEqual([[30n, { lots: 1000n, orders: [ask] }]]);
  expect([...ownLevels([one, two], "A", scales, 1n).bid.keys()]).toEqual([20n, 21n]);
});

test("only what rests on this book", () => {
  const others = [
    order({ symbol: "B" }),
    order({ status: "waiting" }),
    order({ status: "filled" }),
    order({ price: null }),
  ];
  const { bid, ask } = ownLevels(others, "A", scales, 1n);
  expect([bid.size, ask.size]).toEqual([0, 0]);
});

test("lines of a chart: one for each side and price, with the exact sum", () => {
  const orders = [
    order({ remaining: "0.1" }),
    order({ remaining: "0.2" }),
    order({ side: "sell" }),
    order({ price: "10.50" }),
    order({ status: "waiting", stop_price: "10.00", price: null }),
    order({ price: null }),
  ];
  expect([...ownLines(orders).values()]).toEqual([
    { side: "buy", price: "10.00", waiting: false, size: "0.3", orders: 2 },
    { side: "sell", price: "10.00", waiting: false, size: "1", orders: 1 },
    { side: "buy", price: "10.50", waiting: false, size: "1", orders: 1 },
    { side: "buy", price: "10.00", waiting: true, size: "1", orders: 1 },
  ]);
});
