import type { StreamMessage, TradeData } from "tickwire";
import { expect, test } from "vitest";
import { TradeRows, TRADES_MAX } from "./trades.ts";

const data = (id: number, ts_event = 0n): TradeData => ({
  id: String(id),
  price: "1",
  size: "1",
  side: "buy",
  ts_event,
  buy_order_id: null,
  sell_order_id: null,
});
const update = (id: number): StreamMessage<"trades"> => ({
  channel: "trades",
  symbol: "SIM:A-B",
  type: "update",
  seq: id,
  ts: BigInt(id),
  data: data(id),
});

test("a snapshot replaces all rows, and gives those without a time of their own its own", () => {
  const rows = new TradeRows();
  rows.take(update(1));
  const trades = [data(2, 200n), data(3)];
  rows.take({ channel: "trades", symbol: "SIM:A-B", type: "snapshot", seq: 3, ts: 300n, data: { trades } });
  expect(rows.rows.map(({ id, ts }) => [id, ts])).toEqual([
    ["2", 200n],
    ["3", 300n],
  ]);
  expect([rows.count, rows.fresh]).toEqual([3, 1]);
});

test("only the newest are kept, and the count goes on", () => {
  const rows = new TradeRows();
  for (let id = 1; id <= 5 * TRADES_MAX; id += 1) {
    rows.take(update(id));
    expect(rows.rows.length).toBeLessThanOrEqual(2 * TRADES_MAX);
  }
  expect(rows.count).toBe(5 * TRADES_MAX);
  expect(rows.rows.at(-1)?.id).toBe(String(5 * TRADES_MAX));
  expect(rows.rows.at(-TRADES_MAX)?.id).toBe(String(4 * TRADES_MAX + 1));
});

test("what was left out changes nothing: a snapshot follows", () => {
  const rows = new TradeRows();
  rows.take(update(1));
  rows.take({ type: "gap", channel: "trades", symbol: "SIM:A-B", from: 2, to: 9 });
  expect(rows.rows.map(({ id }) => id)).toEqual(["1"]);
});
