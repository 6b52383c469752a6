import { describe, expect, test } from "vitest";
import { keyOf, type StreamKey } from "../src/channel.ts";
import type { Notice, StreamMessage } from "../src/generated.ts";
import { Queue, QUEUE_BYTES_MAX, QUEUE_MAX, type Item } from "../src/subscription.ts";
import { heartbeat, message, TOP, TRADES, wire } from "./peer.ts";
import { settle, World } from "./world.ts";

const B = keyOf({ channel: "trades", symbol: "B" });
const REASON = "too many messages waited to be read; what came then was left out";

function put(queue: Queue, key: StreamKey, seqs: number[], bytes = 1): void {
  for (const seq of seqs) queue.take(message(key, "update", seq) as StreamMessage, bytes);
}

function short(item: Item | undefined): unknown {
  return item !== undefined && "seq" in item ? `${item.symbol} ${item.seq}` : item;
}

async function read(queue: Queue, count: number): Promise<unknown[]> {
  const items: unknown[] = [];
  while (items.length < count) items.push(short(await queue.next()));
  return items;
}

/** Whole numbers from one to another. */
function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

describe("a queue", () => {
  test("its items come in order, also to a reader who waits", async () => {
    const queue = new Queue([TRADES]);
    const reading = read(queue, 2);
    put(queue, TRADES, [1]);
    const gap: Notice = { type: "gap", channel: "trades", symbol: "A", from: 2, to: 3 };
    queue.notice(TRADES, gap);
    expect(await reading).toEqual(["A 1", gap]);
  });

  test("when it is full, what comes is left out, until the reader is there and it begins anew", async () => {
    const queue = new Queue([TRADES, B]);
    put(queue, B, [7]);
    put(queue, TRADES, from(1, QUEUE_MAX));
    await read(queue, QUEUE_MAX - 1);
    put(queue, B, [8]); // there is room, but it would not follow
    queue.notice(B, { type: "skipped", channel: "trades", symbol: "B", from: 9, to: 9 });
    expect(await read(queue, 2)).toEqual([`A ${QUEUE_MAX - 1}`, undefined]);
    expect(queue.begin()).toEqual([
      { type: "lost", channel: "trades", symbol: "A", after: QUEUE_MAX - 1, reason: REASON },
      { type: "lost", channel: "trades", symbol: "B", after: 7, reason: REASON },
    ]);
    put(queue, B, [20]);
    expect(await read(queue, 1)).toEqual(["B 20"]);
  });

  test("it is full of a few large messages, too, and takes one of any size", async () => {
    const queue = new Queue([TOP]);
    put(queue, TOP, [1], QUEUE_BYTES_MAX - 1);
    put(queue, TOP, [2], 2 * QUEUE_BYTES_MAX);
    put(queue, TOP, [3]);
    expect(await read(queue, 3)).toEqual(["A 1", "A 2", undefined]);
    expect(queue.begin()).toMatchObject([{ after: 2, channel: "book", depth: 10, interval_ms: 100 }]);
    put(queue, TOP, [4], QUEUE_BYTES_MAX);
    expect(await read(queue, 1)).toEqual(["A 4"]);
    put(queue, TOP, [5, 6]); // what was read takes no room
    expect(await read(queue, 2)).toEqual(["A 5", "A 6"]);
  });

  test("what has arrived is read before the end, and its error", async () => {
    const queue = new Queue([TRADES]);
    put(queue, TRADES, [1]);
    queue.fail(new Error("over"));
    queue.fail(null);
    expect(await read(queue, 1)).toEqual(["A 1"]);
    await expect(queue.next()).rejects.toThrow("over");
    const other = new Queue([TRADES]);
    const reading = other.next();
    other.fail(null);
    expect(await reading).toBeUndefined();
  });

  test("one that is always nearly full leaves nothing out", async () => {
    const queue = new Queue([TRADES]);
    let last = 0;
    put(queue, TRADES, from(1, QUEUE_MAX - 1));
    for (let seq = QUEUE_MAX; seq <= 100_000; seq++) {
      put(queue, TRADES, [seq]);
      last = ((await queue.next()) as StreamMessage).seq;
    }
    expect(last).toBe(100_001 - QUEUE_MAX);
  });
});

/** What a client's `subscribe` of trades of A has heard, and an iteration over the same. */
async function two(world: World) {
  const client = await world.connected();
  const heard: unknown[] = [];
  const subscribing = client.subscribe("trades", "A", {}, (item) => heard.push(short(item)));
  await world.socket.answer({ streams: [] });
  await subscribing;
  await world.socket.say(message(TRADES, "snapshot", 0));
  const iteration = client.messages("trades", "A");
  const first = iteration.next();
  await settle();
  await world.socket.answer({ streams: [] });
  await world.socket.say(message(TRADES, "snapshot", 0));
  expect(short((await first).value as Item)).toBe("A 0");
  return { client, heard, iteration };
}

/** Messages of a busy stream, without a turn for anybody between them. */
function burst(world: World, seqs: number[]): void {
  for (const seq of seqs) world.socket.onmessage?.({ data: wire(message(TRADES, "update", seq)) } as MessageEvent);
}

describe("an iteration", () => {
  test("one that falls behind begins anew, and nobody else misses anything", async () => {
    const world = new World();
    const { client, heard, iteration } = await two(world);
    burst(world, from(1, QUEUE_MAX + 2));
    for (const seq of from(1, QUEUE_MAX)) expect(short((await iteration.next()).value as Item)).toBe(`A ${seq}`);
    const next = iteration.next();
    await settle();
    expect(world.socket.sent.at(-1)).toMatchObject({ method: "subscribe", params: { symbols: ["A"] } });
    await world.socket.answer({ streams: [] });
    burst(world, [QUEUE_MAX + 3]); // before its snapshot
    await world.socket.say(message(TRADES, "snapshot", QUEUE_MAX + 3), message(TRADES, "update", QUEUE_MAX + 4));
    expect((await next).value).toEqual({ type: "lost", channel: "trades", symbol: "A", after: QUEUE_MAX, reason: REASON }); // prettier-ignore
    expect(short((await iteration.next()).value as Item)).toBe(`A ${QUEUE_MAX + 3}`);
    expect(short((await iteration.next()).value as Item)).toBe(`A ${QUEUE_MAX + 4}`);
    const seen = [0, 0, ...from(1, QUEUE_MAX + 3), QUEUE_MAX + 3, QUEUE_MAX + 4].map((seq) => `A ${seq}`);
    expect(heard).toEqual(seen);
    expect(client.stats.lost).toBe(0);
    void client.close();
    expect(await iteration.next()).toEqual({ done: true, value: undefined });
  });

  test("it waits for a connection, and for a server that is busy, to begin anew", async () => {
    const world = new World();
    const { client, iteration } = await two(world);
    burst(world, from(1, QUEUE_MAX + 1));
    for (let count = 0; count < QUEUE_MAX; count++) await iteration.next();
    await world.socket.end();
    const next = iteration.next();
    await world.pass(100);
    await world.socket.accept();
    await settle();
    await world.socket.refuse("rate_limited", true);
    await world.pass(1_000);
    await world.socket.answer({ streams: [] });
    expect((await next).value).toMatchObject({ type: "lost", after: QUEUE_MAX });
    void client.close();
  });

  test("it ends with the client, also while it waits for a connection to begin anew", async () => {
    const world = new World();
    const { client, iteration } = await two(world);
    burst(world, from(1, QUEUE_MAX + 1));
    for (let count = 0; count < QUEUE_MAX; count++) await iteration.next();
    await world.socket.end();
    const next = iteration.next();
    await settle();
    void client.close();
    await world.pass(1_000);
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("it can be ended while it waits for a message, and then unsubscribes", async () => {
    const world = new World();
    const client = await world.connected();
    const iteration = client.messages("trades", "A");
    const next = iteration.next();
    await settle();
    await world.socket.answer({ streams: [] });
    expect(await iteration.return()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await iteration.next()).toEqual({ done: true, value: undefined });
    expect(world.socket.sent.map(({ method }) => method)).toEqual(["subscribe", "unsubscribe"]);
    await world.socket.say(heartbeat());
    void client.close();
  });

  test("what it can't be is said at once", async () => {
    const client = await new World().connected();
    expect(() => client.messages("trades", "A", { depth: 10 })).toThrow("depth belongs to the channel book");
    void client.close();
  });
});

describe("a subscription", () => {
  test("its listener has it at hand before `subscribe` resolves, and can close it there", async () => {
    const world = new World();
    const client = await world.connected();
    const heard: unknown[] = [];
    const subscribing = client.subscribe("trades", "A", {}, (item, subscription) => {
      heard.push(short(item));
      subscription.close();
    });
    const answer = { id: 1, result: { streams: [] } };
    await world.socket.say(answer, message(TRADES, "snapshot", 1), message(TRADES, "update", 2));
    expect(heard).toEqual(["A 1"]);
    expect(await (await subscribing).ended).toBeNull();
    void client.close();
  });

  test.each<[field: string, symbols: unknown, options: object, listener: unknown]>([
    ["symbols", 5, {}, () => undefined],
    ["symbols", ["A", 5], {}, () => undefined],
    ["symbols", [], {}, () => undefined],
    ["interval_ms", "A", { interval_ms: 100 }, () => undefined],
    ["listener", "A", {}, undefined],
  ])("%s is wrong: it is named", async (field, symbols, options, listener) => {
    const world = new World();
    const client = await world.connected();
    const subscribing = client.subscribe("book", symbols as string, options, listener as () => void);
    await expect(subscribing).rejects.toMatchObject({ name: "InvalidInput", field });
    expect(world.socket.sent).toEqual([]);
    void client.close();
  });
});
