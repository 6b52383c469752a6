import { afterEach, describe, expect, it, vi } from "vitest";

import { FILLS_KEPT_MAX, FillSequence, LiveAccount, openAccount } from "../src/account.ts";
import type { AccountChange } from "../src/account.ts";
import { keyOf } from "../src/channel.ts";
import type { Consumer } from "../src/consumer.ts";
import { ConnectionLost, TickwireError } from "../src/errors.ts";
import type { BalanceData, FillData, Lost, OrderData, PositionData, Resumed, StreamMessage } from "../src/generated.ts";
import { message, TestDesk } from "./desk.ts";

function order(order_id: string, status = "open", updated = 1n): OrderData {
  return { order_id, status, updated, symbol: "SIM:BTC-USDT" } as OrderData;
}

function fill(seq: number): FillData {
  return { seq, trade_id: `t${seq}`, order_id: "1" } as FillData;
}

function fills(from: number, to: number): FillData[] {
  return Array.from({ length: to - from + 1 }, (_, at) => fill(from + at));
}

const USDT: BalanceData = { asset: "USDT", available: "10", held: "1" };
const BTC: BalanceData = { asset: "BTC", available: "2", held: "0" };
const LONG = { symbol: "SIM:BTC-USDT", size: "1" } as PositionData;

const STREAMS = ["fills", "balances", "positions", "orders"] as const;
type Stream = (typeof STREAMS)[number];

function key(channel: Stream): LiveAccount["keys"][number] {
  return keyOf({ channel, symbol: "alice" });
}

function told(channel: Stream, type: "snapshot" | "update", seq: number, data: unknown): StreamMessage {
  return message(channel, type, seq, data, "alice");
}

function lost(channel: Stream, after: number, reason: string): Lost {
  return { type: "lost", channel, symbol: "alice", after, reason };
}

function resumed(channel: Stream, after: number, missed: number): Resumed {
  return { type: "resumed", channel, symbol: "alice", after, missed };
}

function snapshots(live: Consumer): void {
  live.take(told("fills", "snapshot", 5, { fills: fills(4, 5) }), 0);
  live.take(told("balances", "snapshot", 8, { balances: [USDT, BTC] }), 0);
  live.take(told("positions", "snapshot", 3, { positions: [LONG] }), 0);
  live.take(told("orders", "snapshot", 20, { orders: [order("1"), order("2", "waiting")] }), 0);
}

function begun(): { desk: TestDesk; live: LiveAccount; heard: AccountChange[] } {
  const desk = new TestDesk();
  const live = new LiveAccount(desk, "alice");
  const heard: AccountChange[] = [];
  snapshots(live);
  live.listen((change) => heard.push(change));
  return { desk, live, heard };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a live account", () => {
  it("wants the four private streams, the orders last", () => {
    expect(new LiveAccount(new TestDesk(), "alice").keys).toEqual(STREAMS.map(key));
  });

  it("is valid when all four have begun, and reads as they say", () => {
    const live = new LiveAccount(new TestDesk(), "alice");
    expect([live.valid, live.reason]).toEqual([false, "fills: it waits for its first snapshot"]);
    snapshots(live);
    expect([live.valid, live.reason, live.name]).toEqual([true, null, "alice"]);
    expect([...live.orders.keys()]).toEqual(["1", "2"]);
    expect([...live.balances]).toEqual([["USDT", USDT], ["BTC", BTC]]); // prettier-ignore
    expect([...live.positions]).toEqual([["SIM:BTC-USDT", LONG]]);
    expect(live.fills.map(({ seq }) => seq)).toEqual([4, 5]);
  });

  it("follows the orders: those that end leave, the others keep their place", () => {
    const { live } = begun();
    live.take(told("orders", "update", 21, order("3")));
    live.take(told("orders", "update", 22, order("1", "open", 7n)));
    live.take(told("orders", "update", 23, order("2", "filled")));
    live.take(told("orders", "update", 24, order("9", "canceled")));
    expect([...live.orders.values()]).toEqual([order("1", "open", 7n), order("3")]);
    live.take(told("orders", "snapshot", 30, { orders: [order("4")] }));
    expect([...live.orders.keys()]).toEqual(["4"]);
  });

  it("changes the balances and positions that are named; a snapshot is all of them", () => {
    const { live } = begun();
    const less = { ...USDT, available: "9" };
    live.take(told("balances", "update", 9, { balances: [less] }));
    expect([...live.balances.values()]).toEqual([less, BTC]);
    live.take(told("balances", "snapshot", 12, { balances: [BTC] }));
    expect([...live.balances.keys()]).toEqual(["BTC"]);
    const flat = { ...LONG, size: "0" };
    live.take(told("positions", "update", 4, { positions: [flat] }));
    expect(live.positions.get("SIM:BTC-USDT")).toBe(flat);
    live.take(told("positions", "snapshot", 9, { positions: [] }));
    expect(live.positions.size).toBe(0);
  });

  it("says what is new, each fill once", () => {
    const { live, heard } = begun();
    live.take(told("fills", "update", 6, fill(6)));
    live.take(told("balances", "update", 9, { balances: [BTC] }));
    live.take(told("positions", "update", 4, { positions: [LONG] }));
    live.take(told("orders", "update", 21, order("1", "filled")));
    live.take(told("fills", "snapshot", 8, { fills: fills(5, 8) }));
    live.take(told("fills", "snapshot", 8, { fills: fills(5, 8) }));
    expect(heard).toEqual([
      { type: "fills", fills: [fill(6)] },
      { type: "balances" },
      { type: "positions" },
      { type: "orders", orders: [order("1", "filled")] },
      { type: "fills", fills: [fill(7), fill(8)] },
    ]);
    expect(live.fills.map(({ seq }) => seq)).toEqual([4, 5, 6, 7, 8]);
  });

  it("keeps the newest fills only", () => {
    const { live } = begun();
    for (let seq = 6; seq <= FILLS_KEPT_MAX + 10; seq++) live.take(told("fills", "update", seq, fill(seq)));
    expect([live.fills.length, live.fills[0], live.fills.at(-1)]).toEqual([1_000, fill(11), fill(1_010)]);
  });

  it("is in doubt without a connection, and until every stream has caught up; it still shows what it knew", () => {
    const { live, heard } = begun();
    for (const channel of STREAMS) live.interrupt(key(channel), "gone");
    expect([live.reason, live.orders.size]).toEqual(["fills: gone; it waits for another", 2]);
    for (const channel of ["fills", "balances", "positions"] as const) live.notice(key(channel), resumed(channel, { fills: 5, balances: 8, positions: 3 }[channel], 0)); // prettier-ignore
    live.notice(key("orders"), resumed("orders", 20, 2));
    expect(live.reason).toBe("orders: it catches up with the 2 messages that it missed");
    live.take(told("orders", "update", 21, order("1", "filled")));
    expect(live.valid).toBe(false);
    live.take(told("orders", "update", 22, order("2", "canceled")));
    expect([live.valid, live.orders.size]).toEqual([true, 0]);
    expect(heard.map(({ type }) => type)).toEqual([
      "invalid", "resumed", "resumed", "resumed", "resumed", "orders", "orders", "valid",
    ]); // prettier-ignore
  });

  it("waits for a snapshot of what was lost", () => {
    const { live, heard } = begun();
    live.notice(key("balances"), { type: "gap", channel: "balances", symbol: "alice", from: 9, to: 12 });
    expect(live.reason).toBe("balances: messages were dropped; it waits for a snapshot");
    live.take(told("orders", "update", 21, order("1")));
    expect(live.valid).toBe(false);
    live.take(told("balances", "snapshot", 12, { balances: [BTC] }));
    expect([live.valid, [...live.balances.keys()]]).toEqual([true, ["BTC"]]);
    expect(heard.map(({ type }) => type)).toEqual(["invalid", "gap", "orders", "balances", "valid"]);
  });

  it("waits for a snapshot, and no further, also after a loss that was found while it caught up", () => {
    const { live } = begun();
    live.interrupt(key("orders"), "gone");
    live.notice(key("orders"), resumed("orders", 20, 900));
    live.notice(key("orders"), lost("orders", 20, "a new epoch"));
    expect(live.reason).toBe("orders: a new epoch; it waits for a snapshot");
    live.take(told("orders", "snapshot", 7, { orders: [order("8")] }));
    expect([live.valid, [...live.orders.keys()]]).toEqual([true, ["8"]]);
  });

  it("begins anew with a new epoch, where it says that fills are missing", () => {
    const { desk, live, heard } = begun();
    desk.epoch = "e2";
    for (const channel of STREAMS) live.notice(key(channel), lost(channel, 5, "the server began anew"));
    live.take(told("fills", "snapshot", 2, { fills: fills(1, 2) }));
    live.take(told("fills", "update", 3, fill(3)));
    expect(live.fills).toEqual(fills(1, 3));
    expect(heard.slice(-3)).toEqual([
      lost("fills", 5, "the server began anew; ask account.positions what is true now"),
      { type: "fills", fills: [] },
      { type: "fills", fills: [fill(3)] },
    ]);
  });

  it("says how many fills the server does not keep any more, and keeps none before the hole", () => {
    const { live, heard } = begun();
    live.notice(key("fills"), lost("fills", 5, "too long ago"));
    live.take(told("fills", "snapshot", 200, { fills: fills(101, 200) }));
    expect(live.fills).toEqual(fills(101, 200));
    expect(heard.slice(-3)).toEqual([
      lost("fills", 5, "95 fills happened that the server does not keep any more"),
      { type: "fills", fills: fills(101, 200) },
      { type: "valid", reason: null },
    ]);
  });

  it("refuses a message of a channel that is not its own", () => {
    const { live } = begun();
    expect(live.take(told("trades" as Stream, "update", 1, {}))).toBe("trades is not of the account");
  });

  it("hurts nobody when a listener throws", () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
    const { live } = begun();
    live.listen(() => {
      throw new Error("a defect");
    });
    live.take(told("orders", "update", 21, order("5")));
    expect([live.orders.has("5"), reported]).toEqual([true, [new Error("a defect")]]);
  });
});

describe("waiting for an account", () => {
  it("sees every valid state", async () => {
    const { live } = begun();
    const seen: number[] = [];
    const done = live.until((now) => seen.push(now.orders.size) && now.orders.has("4"));
    live.interrupt(key("orders"), "gone");
    live.notice(key("orders"), resumed("orders", 20, 1));
    live.take(told("orders", "update", 21, order("3")));
    live.take(told("orders", "update", 22, order("4")));
    await done;
    expect(seen).toEqual([2, 3, 4]);
  });

  it("ends when it is closed, once", async () => {
    const { desk, live, heard } = begun();
    const never = live.until(() => false);
    live.close();
    live.close();
    await expect(never).rejects.toThrow(new ConnectionLost("it is closed", 1000));
    await expect(live.until(() => true)).rejects.toMatchObject({ code: 1000 });
    expect([desk.left, live.valid, live.closed, live.reason]).toEqual([[live], false, true, "it is closed"]);
    expect(heard).toEqual([{ type: "closed", reason: "it is closed" }]);
    live.take(told("orders", "update", 21, order("3")));
    live.notice(key("orders"), resumed("orders", 20, 0));
    live.interrupt(key("orders"), "gone");
    expect([live.orders.has("3"), live.reason, heard.length]).toEqual([false, "it is closed", 1]);
  });
});

describe("opening an account", () => {
  it("waits for its streams", async () => {
    const desk = new TestDesk();
    desk.begin = (live) => snapshots(live);
    const live = await openAccount(desk);
    expect([live.name, live.valid, desk.joined]).toEqual(["alice", true, [live]]);
  });

  it("gives up, and leaves, when they don't begin", async () => {
    const desk = new TestDesk();
    const opening = openAccount(desk);
    await vi.waitFor(() => expect(desk.joined).toHaveLength(1));
    desk.timeout();
    await expect(opening).rejects.toThrow(new TickwireError("no snapshot of the account in 1000 ms"));
    expect(desk.left).toEqual(desk.joined);
  });
});

describe("a sequence of fills", () => {
  it("does not go back when a snapshot is older than what is known", () => {
    const sequence = new FillSequence(() => "e1");
    const take = (type: "snapshot" | "update", seq: number, data: unknown): unknown =>
      sequence.take(told("fills", type, seq, data) as StreamMessage<"fills">);
    take("snapshot", 5, { fills: fills(1, 5) });
    expect(take("update", 6, fill(6))).toEqual({ fills: [fill(6)], lost: null });
    expect(take("snapshot", 4, { fills: fills(1, 4) })).toEqual({ fills: [], lost: null });
    expect(take("snapshot", 7, { fills: fills(1, 7) })).toEqual({ fills: [fill(7)], lost: null });
    expect(take("snapshot", 7, null)).toEqual({ fills: [], lost: null });
  });
});
