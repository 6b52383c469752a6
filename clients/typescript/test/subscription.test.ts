import { expect, test } from "vitest";
import { keyOf, type StreamKey } from "../src/channel.ts";
import type { Notice, StreamMessage } from "../src/generated.ts";
import { newStats } from "../src/outcomes.ts";
import { Queue, type Item, type QueueOwner } from "../src/subscription.ts";
import { message, TOP, TRADES } from "./peer.ts";

const B = keyOf({ channel: "trades", symbol: "B" });

/** A queue of 8, and the streams that it had begin anew. */
function queueOf(...keys: StreamKey[]): { queue: Queue; begun: string[] } {
  const begun: string[] = [];
  const owner: QueueOwner = {
    stats: newStats(),
    leave: () => undefined,
    lose: (key, reason) => {
      begun.push(key.id);
      queue.notice(key, { type: "lost", channel: key.channel, symbol: key.symbol, after: 99, reason });
    },
  };
  const queue = new Queue(owner, keys, 8);
  return { queue, begun };
}

function put(queue: Queue, key: StreamKey, ...seqs: number[]): void {
  for (const seq of seqs) queue.take(message(key, "update", seq) as StreamMessage);
}

async function read(queue: Queue, count: number): Promise<unknown[]> {
  const items: (Item | undefined)[] = [];
  while (items.length < count) items.push(await queue.next());
  return items.map((item) => (item !== undefined && "seq" in item ? `${item.symbol} ${item.seq}` : item));
}

test("items come in order, also to a reader who waits", async () => {
  const { queue } = queueOf(TRADES);
  const reading = read(queue, 2);
  put(queue, TRADES, 1);
  const gap: Notice = { type: "gap", channel: "trades", symbol: "A", from: 2, to: 3 };
  queue.notice(TRADES, gap);
  expect(await reading).toEqual(["A 1", gap]);
});

test("what comes when it is full is left out, said once half is read, and begins anew", async () => {
  const { queue, begun } = queueOf(TRADES, B);
  put(queue, TRADES, 1, 2, 3, 4, 5, 6, 7);
  put(queue, B, 7);
  put(queue, TRADES, 8, 9);
  put(queue, B, 8);
  expect(await read(queue, 3)).toEqual(["A 1", "A 2", "A 3"]);
  put(queue, TRADES, 10); // there is room, but it would not follow
  expect(begun).toEqual([]);
  expect(await read(queue, 1)).toEqual(["A 4"]);
  expect(begun).toEqual([TRADES.id, B.id]);
  put(queue, TRADES, 50);
  const reason = "8 messages waited to be read; what came then was left out";
  expect(await read(queue, 7)).toEqual([
    "A 5",
    "A 6",
    "A 7",
    "B 7",
    { type: "lost", channel: "trades", symbol: "A", after: 7, reason },
    { type: "lost", channel: "trades", symbol: "B", after: 7, reason },
    "A 50",
  ]);
});

test("a stream with options keeps them in what is said of it", async () => {
  const { queue } = queueOf(TOP);
  put(queue, TOP, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  const items = await read(queue, 9);
  expect(items[8]).toMatchObject({ type: "lost", after: 8, channel: "book", depth: 10, interval_ms: 100 });
});

test("what has arrived is read before the end, and its error", async () => {
  const { queue } = queueOf(TRADES);
  put(queue, TRADES, 1);
  queue.fail(new Error("over"));
  queue.fail(null);
  expect(await read(queue, 1)).toEqual(["A 1"]);
  await expect(queue.next()).rejects.toThrow("over");
  const { queue: other } = queueOf(TRADES);
  const reading = other.next();
  other.fail(null);
  expect(await reading).toBeUndefined();
});

test("a queue that is always nearly full leaves nothing out", async () => {
  const { queue } = queueOf(TRADES);
  let last = 0;
  put(queue, TRADES, 1, 2, 3);
  for (let seq = 4; seq <= 100_000; seq++) {
    put(queue, TRADES, seq);
    last = ((await queue.next()) as StreamMessage).seq;
  }
  expect(last).toBe(99_997);
});
