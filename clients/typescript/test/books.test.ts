import { crc32 } from "node:zlib";

import { afterEach, describe, expect, it, vi } from "vitest";

import { LiveBook, LiveOrders, openBook, openOrders } from "../src/books.ts";
import { streamKey } from "../src/channel.ts";
import { BookInvalid, ConnectionLost, TickwireError } from "../src/errors.ts";
import type { OrderChangeData, PriceSize } from "../src/generated.ts";
import { INFO, message, TestDesk } from "./desk.ts";
import { seeded } from "./seeded.ts";

const BIDS: PriceSize[] = [["97000.00", "1.500"], ["96999.50", "0.002"]]; // prettier-ignore
const ASKS: PriceSize[] = [["97000.50", "0.010"]];
const TEXT = "9700050109700000150096999502"; // asks, then bids, each price then size without point and leading zeros

function book(options = {}): { desk: TestDesk; live: LiveBook } {
  const desk = new TestDesk();
  return { desk, live: new LiveBook(desk, streamKey("book", INFO.symbol, options), INFO) };
}

function begun(): { desk: TestDesk; live: LiveBook } {
  const made = book();
  expect(made.live.take(message("book", "snapshot", 41, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }))).toBeNull();
  return made;
}

/** An update that removes the ask. */
function update(seq: number, checksum = crc32(TEXT.slice(9))): Parameters<LiveBook["take"]>[0] {
  return message("book", "update", seq, { bids: [], asks: [["97000.50", "0"]], checksum });
}

function key(live: LiveBook | LiveOrders): LiveBook["keys"][0] {
  return live.keys[0];
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a live book", () => {
  it("reads as its messages say", () => {
    const { live } = begun();
    expect([live.bids(), live.asks(), live.bestBid, live.bestAsk]).toEqual([BIDS, ASKS, BIDS[0], ASKS[0]]);
    expect([live.seq, live.ts, live.checksum]).toEqual([41, 41_000_000_000n, crc32(TEXT)]);
    expect(live.ladder.bids.top(1)).toEqual([[194_000n, 1_500n]]);
    expect([live.price.format(194_000n), live.size.format(1_500n)]).toEqual(["97000.00", "1.500"]);
    expect([live.symbol, live.valid, live.reason]).toEqual([INFO.symbol, true, null]);
    expect(live.bids(1)).toEqual([BIDS[0]]);
  });

  it("changes the levels that an update names, and no others", () => {
    const { live } = begun();
    const bids: PriceSize[] = [["96999.50", "0.7"], ["96000.00", "2"], ["97000.00", "0"]]; // prettier-ignore
    const text = "97000501096999507009600000" + "2000";
    expect(live.take(message("book", "update", 42, { bids, asks: [], checksum: crc32(text) }))).toBeNull();
    expect([live.bids(), live.asks(), live.seq]).toEqual([[["96999.50", "0.700"], ["96000.00", "2.000"]], ASKS, 42]); // prettier-ignore
    expect(live.take(update(43, crc32(text.slice(9))))).toBeNull();
    expect([live.bestAsk, live.asks()]).toEqual([null, []]);
  });

  it("can't be read before its first snapshot", () => {
    const { live } = book();
    expect([live.valid, live.reason]).toEqual([false, "it waits for its first snapshot"]);
    const reads = [
      () => live.bids(),
      () => live.asks(),
      () => live.bestBid,
      () => live.seq,
      () => live.ts,
      () => live.checksum,
      () => live.ladder,
    ];
    for (const read of reads) expect(read).toThrow(new BookInvalid(`the book of ${INFO.symbol} can't be read now: it waits for its first snapshot`)); // prettier-ignore
  });

  it("can't be read without a connection, nor after one until it has caught up", () => {
    const { live } = begun();
    live.interrupt(key(live), "the connection is gone");
    expect(live.reason).toBe("the connection is gone; it waits for another");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 41, missed: 2 });
    expect(live.reason).toBe("it catches up with the 2 messages that it missed");
    live.take(update(42));
    expect(live.valid).toBe(false);
    live.take(update(43));
    expect([live.valid, live.seq, live.asks()]).toEqual([true, 43, []]);
  });

  it("is right at once where nothing was missed", () => {
    const { live } = begun();
    live.interrupt(key(live), "the connection is gone");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 41, missed: 0 });
    expect([live.valid, live.bids()]).toEqual([true, BIDS]);
  });

  it("waits for a snapshot after a loss, also one found while it caught up", () => {
    const { live } = begun();
    live.notice(key(live), { type: "gap", channel: "book", symbol: INFO.symbol, from: 42, to: 50 });
    expect(live.reason).toBe("messages 42 to 50 were dropped; it waits for a snapshot");
    live.take(message("book", "snapshot", 50, { bids: BIDS, asks: [], checksum: crc32(TEXT.slice(9)) }));
    expect([live.asks(), live.seq]).toEqual([[], 50]);
    live.interrupt(key(live), "gone");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 50, missed: 900 });
    live.notice(key(live), { type: "lost", channel: "book", symbol: INFO.symbol, after: 50, reason: "a new epoch" });
    expect(live.reason).toBe("a new epoch; it waits for a snapshot");
    live.take(message("book", "snapshot", 7, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }));
    expect([live.asks(), live.seq]).toEqual([ASKS, 7]);
  });

  it("is still right when newer states have replaced older ones", () => {
    const { live } = book({ depth: 5 });
    live.take(message("book", "snapshot", 1, { bids: BIDS, asks: ASKS, checksum: 1 }));
    live.notice(key(live), { type: "skipped", channel: "book", symbol: INFO.symbol, from: 2, to: 5, depth: 5 });
    expect(live.bids()).toEqual(BIDS);
  });

  it("takes what a variant says as the whole, and its checksum as that of another book", () => {
    const { live, desk } = book({ depth: 5, intervalMs: 100 });
    live.take(message("book", "snapshot", 1, { bids: BIDS, asks: ASKS, checksum: 1 }));
    expect(live.take(message("book", "update", 9, { bids: [BIDS[1]], asks: [], checksum: 2 }))).toBeNull();
    expect([live.bids(), live.asks(), desk.stats.checksumMismatches]).toEqual([[BIDS[1]], [], 0]);
  });

  it("is lost when the checksum is another, and right again with the next snapshot", () => {
    const { live, desk } = begun();
    const problem = live.take(update(42, 7));
    expect(problem).toBe(`update 42 does not fit: its checksum is 7, the book's is ${crc32(TEXT.slice(9))}`);
    expect([live.reason, desk.stats.checksumMismatches]).toEqual([problem, 1]);
    expect(() => live.bids()).toThrow(BookInvalid);
    live.take(message("book", "snapshot", 43, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }));
    expect(live.bids()).toEqual(BIDS);
  });

  it.each([
    ["97000.25", "1", "price 97000.25 is not a multiple of 0.50"],
    ["97000.00", "-1", "size -1 is negative"],
    ["97000.00", "many", "size 'many' is not a plain decimal number"],
  ])("is lost with a level %s %s", (price, size, problem) => {
    const { live } = begun();
    expect(live.take(message("book", "update", 42, { bids: [[price, size]], asks: [], checksum: 0 }))).toBe(
      `update 42 does not fit: ${problem}`,
    );
    expect(live.valid).toBe(false);
  });

  it("is lost with a message of another shape, without a throw", () => {
    const { live } = begun();
    expect(live.take(message("book", "update", 42, { asks: [], checksum: 0 }))).toMatch(/^update 42 does not fit: /);
  });

  it("is empty where nothing has happened yet", () => {
    const { live } = book();
    live.take(message("book", "snapshot", 0, null));
    expect([live.bids(), live.bestAsk, live.checksum]).toEqual([[], null, 0]);
  });

  it("counts in other steps when the instrument has others, and says so", () => {
    const { live } = begun();
    expect(live.rescale(INFO)).toBe(false);
    expect(live.rescale({ ...INFO, tick_size: "0.01" })).toBe(true);
    expect(live.rescale({ ...INFO, tick_size: "0.01", lot_size: "1" })).toBe(true);
    expect([live.price.step, live.size.step]).toEqual(["0.01", "1"]);
  });

  it("agrees with a server over a random run", () => {
    const random = seeded(7);
    const { live } = book();
    const levels = { bids: new Map<bigint, bigint>(), asks: new Map<bigint, bigint>() };
    const rows = (side: "bids" | "asks"): PriceSize[] => {
      const sorted = [...levels[side]].sort(([a], [b]) => Number(side === "bids" ? b - a : a - b));
      return sorted.map(([ticks, lots]) => [live.price.format(ticks), live.size.format(lots)]);
    };
    const checksum = (): number => {
      const digits = (text: string): string => text.replace(".", "").replace(/^0+/, "");
      const half = (side: "bids" | "asks"): string => rows(side).slice(0, 10).flat().map(digits).join(""); // prettier-ignore
      return crc32(half("asks") + half("bids"));
    };
    live.take(message("book", "snapshot", 0, { bids: [], asks: [], checksum: 0 }));
    for (let seq = 1; seq <= 400; seq++) {
      const changed: Record<"bids" | "asks", PriceSize[]> = { bids: [], asks: [] };
      for (let change = random(4); change >= 0; change--) {
        const side = random(2) ? "bids" : "asks";
        const ticks = BigInt(side === "bids" ? 5_000 - random(40) : 5_001 + random(40));
        const lots = BigInt(random(3) ? 1 + random(5_000) : 0);
        if (lots > 0n) levels[side].set(ticks, lots);
        else levels[side].delete(ticks);
        changed[side].push([live.price.format(ticks), lots === 0n ? "0" : live.size.format(lots)]);
      }
      expect(live.take(message("book", "update", seq, { ...changed, checksum: checksum() }))).toBeNull();
      expect([live.bids(), live.asks()]).toEqual([rows("bids"), rows("asks")]);
    }
  });
});

describe("who listens to a book", () => {
  it("hears each message after it was applied, and when it can be read and when not", () => {
    const { live } = book();
    const heard: unknown[] = [];
    live.listen((change) => heard.push([change.type, live.valid && live.seq]));
    live.take(message("book", "snapshot", 41, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }));
    live.take(update(42));
    live.interrupt(key(live), "gone");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 42, missed: 0 });
    live.take(update(43, 1));
    live.close();
    expect(heard).toEqual([
      ["valid", 41], ["snapshot", 41], ["update", 42], ["invalid", false], ["valid", 42], ["resumed", 42],
      ["invalid", false], ["closed", false],
    ]); // prettier-ignore
  });

  it("hurts nobody by throwing, and is reported", () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
    const { live } = begun();
    const defect = new Error("a defect");
    const heard: string[] = [];
    live.listen(() => {
      throw defect;
    });
    live.listen((change) => heard.push(change.type));
    expect(live.take(update(42))).toBeNull();
    expect([heard, reported, live.seq]).toEqual([["update"], [defect], 42]);
  });

  it("hears nothing any more when it has left, once or twice", () => {
    const { live } = begun();
    const heard: string[] = [];
    const hear = (change: { type: string }): number => heard.push(change.type);
    const leave = live.listen(hear);
    live.listen(hear);
    leave();
    leave();
    live.take(update(42));
    expect(heard).toEqual(["update"]);
  });
});

describe("waiting for a book", () => {
  it("sees every state, and valid ones only", async () => {
    const { live } = book();
    const seen: number[] = [];
    const done = live.until((now) => seen.push(now.seq) && now.asks().length === 0);
    live.take(message("book", "snapshot", 41, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }));
    live.take(update(42, 1));
    live.take(message("book", "snapshot", 43, { bids: BIDS, asks: ASKS, checksum: crc32(TEXT) }));
    live.interrupt(key(live), "gone");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 43, missed: 2 });
    live.take(message("book", "update", 44, { bids: [], asks: [], checksum: crc32(TEXT) }));
    live.take(message("book", "update", 45, { bids: [], asks: [], checksum: crc32(TEXT) }));
    live.take(update(46));
    live.take(update(47));
    await done;
    expect(seen).toEqual([41, 43, 45, 46]);
  });

  it("is over at once when it is so already", async () => {
    const { live } = begun();
    await live.until((now) => now.bestBid?.[0] === "97000.00");
  });

  it("is over when it goes on without a loss", async () => {
    const { live } = begun();
    live.interrupt(key(live), "gone");
    const done = live.until(() => true);
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 41, missed: 0 });
    await done;
  });

  it("rejects with what the predicate throws, and when the book is closed", async () => {
    const { live } = begun();
    const wrong = live.until((now) => {
      if (now.seq === 42) throw new RangeError("no");
    });
    live.take(update(42));
    await expect(wrong).rejects.toThrow(new RangeError("no"));
    const never = live.until(() => false);
    live.close();
    await expect(never).rejects.toMatchObject({ name: "ConnectionLost", code: 1000, message: "it is closed" });
    await expect(live.until(() => true)).rejects.toThrow(ConnectionLost);
  });

  it("rejects with the error that ended the stream", async () => {
    const { live } = begun();
    const refused = new TickwireError("not any more");
    const never = live.until(() => false);
    live.fail(refused);
    live.fail(null);
    await expect(never).rejects.toBe(refused);
    expect(live.reason).toBe("not any more");
  });
});

describe("a closed book", () => {
  it("has left its client, once, and can't be read or changed", () => {
    const { live, desk } = begun();
    live.close();
    live.close();
    expect(desk.left).toEqual([live]);
    expect(live.take(update(42))).toBeNull();
    live.interrupt(key(live), "gone");
    live.notice(key(live), { type: "resumed", channel: "book", symbol: INFO.symbol, after: 41, missed: 0 });
    expect(() => live.bids()).toThrow(`the book of ${INFO.symbol} can't be read now: it is closed`);
  });
});

describe("a live book by order", () => {
  const rows = { bids: [["7", "97000.00", "1"], ["3", "97000.00", "0.5"], ["5", "96999.50", "2"]], asks: [["9", "97000.50", "1"]] }; // prettier-ignore

  function orders(): LiveOrders {
    const live = new LiveOrders(new TestDesk(), streamKey("book_l3", INFO.symbol), INFO);
    expect(live.take(message("book_l3", "snapshot", 10, rows))).toBeNull();
    return live;
  }

  function change(live: LiveOrders, data: OrderChangeData): string | null {
    return live.take(message("book_l3", "update", live.valid ? live.seq + 1 : 0, data));
  }

  it("reads as the snapshot says", () => {
    const live = orders();
    expect(live.orders("buy")).toEqual([
      { order_id: "7", price: "97000.00", size: "1.000" },
      { order_id: "3", price: "97000.00", size: "0.500" },
      { order_id: "5", price: "96999.50", size: "2.000" },
    ]);
    expect(live.at("buy", 194_000n)).toEqual([
      { order_id: "7", size: "1.000", lots: 1_000n },
      { order_id: "3", size: "0.500", lots: 500n },
    ]);
    expect([live.at("sell", 194_000n), live.bids(), live.bestAsk]).toEqual([
      [],
      [["97000.00", "1.500"], ["96999.50", "2.000"]], // prettier-ignore
      ["97000.50", "1.000"],
    ]);
  });

  it("follows every action", () => {
    const live = orders();
    const own = { side: "buy", price: "97000.00" } as const;
    expect(change(live, { action: "add", order_id: "11", size: "4", ...own })).toBeNull();
    expect(change(live, { action: "modify", order_id: "7", size: "0.25", ...own })).toBeNull();
    expect(change(live, { action: "fill", order_id: "3", size: "0", filled: "0.5", trade_id: "1", ...own })).toBeNull();
    expect(change(live, { action: "cancel", order_id: "5", side: "buy", price: "96999.50", size: "2" })).toBeNull();
    expect(live.orders("buy").map((order) => [order.order_id, order.size])).toEqual([["7", "0.250"], ["11", "4.000"]]); // prettier-ignore
    expect([live.bids(), live.seq]).toEqual([[["97000.00", "4.250"]], 14]);
  });

  it.each<[string, OrderChangeData]>([
    [
      "order 8 is not there at 97000.00",
      { action: "cancel", order_id: "8", side: "buy", price: "97000.00", size: "1" },
    ],
    [
      "order 7 is not there at 97000.00",
      { action: "cancel", order_id: "7", side: "sell", price: "97000.00", size: "1" },
    ],
    ["order 7 is not there at 97000.50", { action: "fill", order_id: "7", side: "buy", price: "97000.50", size: "0" }],
    [
      "order 7 is there already, or has no size",
      { action: "add", order_id: "7", side: "buy", price: "97000.00", size: "1" },
    ],
    [
      "order 8 is there already, or has no size",
      { action: "add", order_id: "8", side: "buy", price: "97000.00", size: "0" },
    ],
    [
      'there is no action "replace"',
      { action: "replace" as "add", order_id: "7", side: "buy", price: "97000.00", size: "0.1" },
    ],
    ["size -1 is negative", { action: "modify", order_id: "7", side: "buy", price: "97000.00", size: "-1" }],
  ])("is lost when %s", (problem, data) => {
    const live = orders();
    expect(change(live, data)).toBe(`update 11 does not fit: ${problem}`);
    expect(() => live.orders("buy")).toThrow(BookInvalid);
    expect(() => live.at("buy", 194_000n)).toThrow(BookInvalid);
    expect(live.take(message("book_l3", "snapshot", 12, rows))).toBeNull();
    expect(live.orders("sell")).toEqual([{ order_id: "9", price: "97000.50", size: "1.000" }]);
  });

  it("is empty where nothing has happened yet", () => {
    const live = orders();
    live.take(message("book_l3", "snapshot", 0, null));
    expect([live.orders("buy"), live.orders("sell"), live.bids()]).toEqual([[], [], []]);
  });
});

describe("opening", () => {
  it("waits for the snapshot", async () => {
    const desk = new TestDesk();
    desk.begin = (live) => live.take(message("book", "snapshot", 1, { bids: BIDS, asks: [], checksum: 5 }), 0);
    const live = await openBook(desk, INFO.symbol, { depth: 10 });
    expect([live.bids(), live.keys[0].id, desk.joined]).toEqual([BIDS, `book/10/0//${INFO.symbol}`, [live]]);
  });

  it("gives up, and leaves, when none comes", async () => {
    const desk = new TestDesk();
    const opening = openOrders(desk, INFO.symbol);
    await vi.waitFor(() => expect(desk.joined).toHaveLength(1));
    desk.timeout();
    await expect(opening).rejects.toThrow(new TickwireError(`no snapshot of ${INFO.symbol} in 1000 ms`));
    expect(desk.left).toEqual(desk.joined);
  });

  it("refuses options that no book has, before anything is sent", async () => {
    const desk = new TestDesk();
    await expect(openBook(desk, INFO.symbol, { depth: 7 })).rejects.toMatchObject({ field: "depth" });
    expect(desk.joined).toEqual([]);
  });
});
