import { describe, expect, test } from "vitest";
import { Ladder, scale } from "tickwire";
import { Figures } from "./figures.ts";
import { TradeRows } from "./trades.ts";

const SECOND = 1_000_000_000n;
const scales = { price: scale("0.01"), size: scale("0.1") };

type Message = Parameters<TradeRows["take"]>[0];

function trade(id: number, price: string, size: string, side: "buy" | "sell") {
  const ts_event = BigInt(id) * SECOND;
  return { id: String(id), price, size, side, ts_event, buy_order_id: null, sell_order_id: null };
}

function update(id: number, price: string, size: string, side: "buy" | "sell"): Message {
  const data = trade(id, price, size, side);
  return { channel: "trades", symbol: "A", type: "update", seq: id, ts: data.ts_event, data };
}

function snapshot(...trades: ReturnType<typeof trade>[]): Message {
  return { channel: "trades", symbol: "A", type: "snapshot", seq: 0, ts: 9n * SECOND, data: { trades } };
}

function opened(): TradeRows & { close: () => void } {
  return Object.assign(new TradeRows(), { close: () => undefined });
}

describe("trades", () => {
  test("each is counted once, over updates and a snapshot that tells some again", () => {
    const [figures, trades] = [new Figures("A", "one"), opened()];
    trades.take(snapshot(trade(1, "1.00", "1.0", "buy"), trade(2, "2.00", "2.0", "sell")));
    figures.trades(trades, scales);
    figures.trades(trades, scales);
    expect(figures.flow.session).toEqual({ trades: 2, lots: 30n, bought: 10n, sold: 20n, value: 5000n });
    trades.take(update(3, "3.00", "0.5", "buy"));
    figures.trades(trades, scales);
    trades.take(
      snapshot(trade(2, "2.00", "2.0", "sell"), trade(3, "3.00", "0.5", "buy"), trade(4, "1.00", "0.1", "buy")),
    );
    figures.trades(trades, scales);
    expect(figures.flow.session).toEqual({ trades: 4, lots: 36n, bought: 16n, sold: 20n, value: 6600n });
    expect(figures.now).toBe(4n * SECOND);
  });

  test("another opening of the stream, after so many that the last one known is gone, counts what is later", () => {
    const figures = new Figures("A", "one");
    const first = opened();
    first.take(snapshot(trade(5, "1.00", "1.0", "buy")));
    figures.trades(first, scales);
    const second = opened();
    second.take(snapshot(trade(4, "1.00", "7.0", "buy"), trade(6, "1.00", "2.0", "buy")));
    figures.trades(second, scales);
    expect(figures.flow.session.lots).toBe(30n);
  });
});

test("one sample a second of the book, and what traded in the second before", () => {
  const [figures, trades, ladder] = [new Figures("A", "one"), opened(), new Ladder()];
  ladder.replace([[9_999n, 3n]], [[10_001n, 1n]]);
  trades.take(update(10, "1.00", "1.0", "buy"));
  trades.take(update(10, "1.00", "1.0", "sell"));
  figures.trades(trades, scales);
  expect(figures.book(ladder, 10n * SECOND)).toBe(true);
  expect(figures.book(ladder, 11n * SECOND - 1n)).toBe(false);
  expect(figures.book(ladder, 11n * SECOND)).toBe(true);
  const { spread, mid, imbalance, trades: rate } = figures.sparks;
  expect([spread.ago(0), mid.ago(0), imbalance.ago(0)]).toEqual([2, 10_000, 0.5]);
  expect([rate.ago(0), rate.ago(1), rate.length]).toEqual([2, 0, 2]);
  expect(figures.returns.seconds).toBe(1);
});

test("a book with an empty side gives no sample", () => {
  const [figures, ladder] = [new Figures("A", "one"), new Ladder()];
  ladder.replace([[1n, 3n]], []);
  expect(figures.book(ladder, SECOND)).toBe(false);
  expect(figures.sparks.mid.length).toBe(0);
});

test("they are over with another symbol, and once a server that has begun anew tells its trades", () => {
  const [figures, trades] = [new Figures("A", "one"), opened()];
  trades.take(snapshot(trade(1, "1.00", "1.0", "buy")));
  figures.trades(trades, scales);
  expect(figures.over("A", "one", trades)).toBe(false);
  expect(figures.over("B", "one", trades)).toBe(true);
  expect(figures.over("A", "two", trades)).toBe(false);
  expect(figures.over("A", "two", null)).toBe(false);
  trades.take(snapshot(trade(1, "9.00", "1.0", "buy")));
  expect(figures.over("A", "one", trades)).toBe(false);
  expect(figures.over("A", "two", trades)).toBe(true);
  expect(figures.over("A", "two", opened())).toBe(true);
});
