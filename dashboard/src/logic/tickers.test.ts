import type { Notice, StreamMessage, TickerData } from "tickwire";
import { expect, test } from "vitest";
import { GATHER_MS, REFUSED_MS, TICKERS_MAX, newestOf } from "./tickers.ts";

/** A server that grants what it is asked for, and a clock that is wound by hand. */
function setUp() {
  const open = new Set<string[]>();
  const asked: string[][] = [];
  const waits: { ms: number; act: () => void }[] = [];
  const take: (message: StreamMessage<"ticker"> | Notice) => void = () => undefined;
  const state = { refuse: false, take };
  const tickers = newestOf<"ticker">(
    (symbols, take) => {
      asked.push(symbols);
      if (state.refuse) return Promise.reject(new Error("no"));
      open.add(symbols);
      state.take = take;
      return Promise.resolve({ close: () => open.delete(symbols) });
    },
    (symbol) => symbol !== "NONE",
    (act, ms) => waits.push({ ms, act }),
  );
  const pass = async (): Promise<number[]> => {
    const due = waits.splice(0);
    for (const { act } of due) act();
    await new Promise((done) => setTimeout(done));
    return due.map(({ ms }) => ms);
  };
  return { tickers, open, asked, pass, state };
}

const reader = {};
const list = { name: "list" };

test("many wishes are one request, and those without a ticker are not in it", async () => {
  const { tickers, asked, open, pass } = setUp();
  tickers.want(reader, ["A"]);
  tickers.want(list, ["B", "NONE"], ["B", "C"]);
  expect(await pass()).toEqual([GATHER_MS]);
  expect(asked).toEqual([["A", "B", "C"]]);
  expect([...open]).toEqual([["A", "B", "C"]]);
});

test("scrolling within what is subscribed asks for nothing; beyond it the new set replaces the old one", async () => {
  const { tickers, asked, open, pass } = setUp();
  tickers.want(list, ["A"], ["A", "B"]);
  await pass();
  tickers.want(list, ["B"], ["B", "C"]);
  expect(await pass()).toEqual([]);
  tickers.want(list, ["C"], ["C", "D"]);
  await pass();
  expect(asked).toEqual([
    ["A", "B"],
    ["C", "D"],
  ]);
  expect([...open]).toEqual([["C", "D"]]);
  tickers.want(list, []);
  await pass();
  expect([...open]).toEqual([]);
});

test("a wish during a request is granted after it", async () => {
  const { tickers, asked, open, pass } = setUp();
  tickers.want(list, ["A"]);
  const first = pass();
  tickers.want(list, ["B"]);
  await first;
  await pass();
  expect(asked).toEqual([["A"], ["B"]]);
  expect([...open]).toEqual([["B"]]);
});

test("a refusal is followed by another try, later, and what there was stays", async () => {
  const { tickers, asked, open, pass, state } = setUp();
  tickers.want(list, ["A"]);
  await pass();
  state.refuse = true;
  tickers.want(list, ["B"]);
  await pass();
  expect([...open]).toEqual([["A"]]);
  state.refuse = false;
  expect(await pass()).toEqual([REFUSED_MS]);
  expect(asked).toEqual([["A"], ["B"], ["B"]]);
  expect([...open]).toEqual([["B"]]);
});

test("never more than the limit, however many are wished for, and no endless asking", async () => {
  const { tickers, asked, pass } = setUp();
  const many = Array.from({ length: 5_000 }, (_, index) => `S${index}`);
  tickers.want(list, many);
  await pass();
  expect(asked.map((symbols) => symbols.length)).toEqual([TICKERS_MAX]);
  expect(await pass()).toEqual([]);
});

test("figures are the newest ones", async () => {
  const { tickers, pass, state } = setUp();
  tickers.want(list, ["A"]);
  await pass();
  const data = { last: "5" } as TickerData;
  state.take({ channel: "ticker", symbol: "A", type: "snapshot", seq: 0, ts: 0n, data: null });
  expect(tickers.get("A")).toBeUndefined();
  state.take({ channel: "ticker", symbol: "A", type: "update", seq: 1, ts: 0n, data });
  expect(tickers.get("A")).toBe(data);
});
