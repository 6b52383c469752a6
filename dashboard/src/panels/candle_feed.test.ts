import { type CandleData, type Client, ConnectionLost, type StreamMessage } from "tickwire";
import { afterEach, expect, test, vi } from "vitest";
import { RETRY_MS } from "../shared.ts";
import { openCandles } from "./candle_feed.ts";

const STEP = 60_000_000_000n;

function message(at: number, closed = true, type: "snapshot" | "update" = "update"): StreamMessage<"candles"> {
  const numbers = { open: "1", high: "1", low: "1", volume: "1", quote_volume: "1", buy_volume: "1" };
  const data: CandleData = {
    ...{ interval: "1m", start: BigInt(at) * STEP, close: String(at), trades: 1, closed, buy_quote_volume: "1" },
    ...numbers,
  };
  return { channel: "candles", symbol: "X", interval: "1m", type, seq: at, ts: 1n, data };
}

afterEach(() => {
  vi.useRealTimers();
});

/**
 * A feed over a server whose answers to `history` are given one after the other; null for a refusal. `outage` is how
 * many subscriptions find no connection.
 */
async function opened(outage = 0) {
  const hello = { epoch: "one" };
  const asked: unknown[] = [];
  const answers: ((page: number[] | null) => void)[] = [];
  const told: string[] = [];
  let take: (message: StreamMessage<"candles">) => void = () => undefined;
  const client = {
    hello,
    subscribe: (_channel: string, _symbol: string, _options: unknown, listener: typeof take) => {
      if (outage-- > 0) return Promise.reject(new ConnectionLost("gone"));
      take = listener;
      return Promise.resolve({ close: () => told.push("closed") });
    },
    history: ({ start, end, limit }: { start?: bigint; end?: bigint; limit: number }) => {
      asked.push({
        ...(start !== undefined && { start: start / STEP }),
        ...(end !== undefined && { end: end / STEP }),
        limit,
      });
      return new Promise((resolve, reject) => {
        answers.push((page) => {
          if (page === null) reject(hello.epoch === "" ? new ConnectionLost("gone") : new Error("refused"));
          else resolve(page.map((at) => message(at)));
        });
      });
    },
  } as unknown as Client;
  const feed = openCandles(client, "X", "1m", {
    changed: (what) => told.push(what),
    failed: (reason) => told.push(reason),
  });
  await settled();
  return {
    feed,
    hello,
    asked,
    told,
    take: (one: StreamMessage<"candles">) => take(one),
    answer: async (page: number[] | null) => {
      answers.shift()?.(page);
      await settled();
    },
    starts: () => feed.candles.map((one) => Number(one.start / STEP)),
  };
}

/** Resolves when what was promised before has been handled. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

test("the newest page comes first, older ones when they are asked for, until there are no more", async () => {
  const { feed, asked, answer, starts, take, told } = await opened();
  take(message(1000, false, "snapshot"));
  await answer(range(500, 1000));
  expect([starts().length, starts()[0], starts().at(-1)]).toEqual([501, 500, 1000]);
  feed.older();
  feed.older(); // the first is under way
  await answer(range(490, 500));
  feed.older(); // the page was not full: there is nothing before it
  expect(asked).toEqual([{ limit: 500 }, { end: 500n, limit: 500 }]);
  expect([starts().length, starts()[0]]).toEqual([511, 490]);
  feed.close();
  expect(told).toEqual(["live", "all", "all", "closed"]);
});

test("after a lost connection what came between is asked for", async () => {
  const { asked, answer, starts, take } = await opened();
  take(message(10, false, "snapshot"));
  await answer([8, 9]);
  take(message(14, false, "snapshot"));
  expect(asked.at(-1)).toEqual({ start: 10n, limit: 1000 });
  await answer([10, 11, 13]);
  expect(starts()).toEqual([8, 9, 10, 11, 13, 14]);
  take(message(14, true));
  take(message(15, false));
  expect(asked.length).toBe(2); // it is over
});

test("a candle that was not seen to close is asked for, and again where that fails", async () => {
  const { asked, answer, starts, take, feed, told } = await opened();
  take(message(10, false, "snapshot"));
  await answer([9]);
  take(message(11, false));
  expect(asked.at(-1)).toEqual({ start: 10n, limit: 1000 });
  await answer(null);
  expect(told.at(-1)).toBe("Refused.");
  take(message(11, true));
  expect(asked.length).toBe(2);
  take(message(12, false));
  expect(asked.at(-1)).toEqual({ start: 10n, limit: 1000 });
  await answer([10, 11]);
  expect(starts()).toEqual([9, 10, 11, 12]);
  expect(feed.candles.map((one) => one.closed)).toEqual([true, true, true, false]);
});

test("a hole longer than a page is left to be paged back to", async () => {
  const { feed, asked, answer, starts, take } = await opened();
  take(message(10, false, "snapshot"));
  await answer([9]);
  take(message(5000, false, "snapshot"));
  await answer(range(4000, 5000));
  expect([starts().length, starts()[0]]).toEqual([1001, 4000]);
  feed.older();
  expect(asked.at(-1)).toEqual({ end: 4000n, limit: 500 });
});

test("opened while there is no connection, it comes as soon as there is one", async () => {
  vi.useFakeTimers();
  const { asked, answer, starts, told } = await opened(2);
  expect([told, asked]).toEqual([["Waiting for the connection."], []]);
  await vi.advanceTimersByTimeAsync(RETRY_MS);
  expect([told, asked]).toEqual([["Waiting for the connection.", "Waiting for the connection."], []]);
  await vi.advanceTimersByTimeAsync(RETRY_MS);
  expect(asked).toEqual([{ limit: 500 }]);
  await answer([7, 8]);
  expect(starts()).toEqual([7, 8]);
});

test("closed while there is no connection, it tries no more", async () => {
  vi.useFakeTimers();
  const { feed, asked, told } = await opened(1);
  feed.close();
  await vi.advanceTimersByTimeAsync(5 * RETRY_MS);
  expect([told, asked]).toEqual([["Waiting for the connection."], []]);
});

test("a first page that the connection was lost before is asked for again", async () => {
  vi.useFakeTimers();
  const { hello, asked, answer, starts } = await opened();
  hello.epoch = ""; // the answer is that there is no connection
  await answer(null);
  hello.epoch = "one";
  await vi.advanceTimersByTimeAsync(RETRY_MS);
  expect(asked).toEqual([{ limit: 500 }, { limit: 500 }]);
  await answer([7, 8]);
  expect(starts()).toEqual([7, 8]);
});

test("a server that has begun anew has other candles: those of before are gone", async () => {
  const { hello, asked, answer, starts, take, feed } = await opened();
  take(message(10, false, "snapshot"));
  await answer([8, 9]);
  feed.older(); // that page was not full: there is nothing before it
  hello.epoch = "two";
  take(message(12, false, "snapshot"));
  expect(starts()).toEqual([12]);
  await answer([11]);
  expect(starts()).toEqual([11, 12]);
  expect(asked).toEqual([{ limit: 500 }, { limit: 500 }]);
});

test("a page of before the server began anew is not put among those of after", async () => {
  const { hello, asked, answer, starts, take } = await opened();
  hello.epoch = "two";
  take(message(12, false, "snapshot"));
  await answer([8, 9]);
  expect(starts()).toEqual([12]);
  await answer([11]);
  expect(starts()).toEqual([11, 12]);
  expect(asked).toEqual([{ limit: 500 }, { limit: 500 }]);
});
