import { describe, expect, it, vi } from "vitest";

import { ConnectionLost, OrderNotPlaced, OutcomeUnknown, RequestRefused, TickwireError } from "../src/errors.ts";
import type { Method, OrderResult, PlaceParams } from "../src/generated.ts";
import { Trading } from "../src/trading.ts";
import { connection, message, TestDesk } from "./desk.ts";
import type { Answer } from "./desk.ts";

const BUY: PlaceParams = { symbol: "SIM:BTC-USDT", side: "buy", size: "0.010", price: "97000.00" };
const PLACED = { order: { order_id: "7", status: "open" }, fills: [] } as unknown as OrderResult;
const UNKNOWN = new RequestRefused("unknown_order", "no such order");
const never = new Promise<never>(() => undefined);

/** Answers to one method after the other; what is not listed is never answered. */
function answers(table: Partial<Record<Method, unknown[]>>): Answer {
  return (method) => {
    const next = table[method]?.shift();
    if (next === undefined) return never;
    return next instanceof Error ? Promise.reject(next) : next;
  };
}

function trading(table: Parameters<typeof answers>[0]): {
  desk: TestDesk;
  trader: Trading;
  first: ReturnType<typeof connection>;
} {
  const first = connection(answers(table));
  const desk = new TestDesk(first);
  return { desk, trader: new Trading(desk), first };
}

/** Wait until so much was asked on a connection. */
async function asked(on: ReturnType<typeof connection>, count: number): Promise<void> {
  await vi.waitFor(() => expect(on.asked).toHaveLength(count), { interval: 1 });
}

describe("placing an order", () => {
  it("makes an id, says what type it is, and returns the order", async () => {
    const { trader, first } = trading({ "order.place": [PLACED, PLACED, PLACED] });
    expect(await trader.place(BUY)).toBe(PLACED);
    await trader.place({ symbol: "SIM:BTC-USDT", side: "sell", size: "1" });
    await trader.place({ ...BUY, client_order_id: "mine", type: "stop_limit", stop_price: "1" });
    expect(first.asked).toEqual([
      ["order.place", { ...BUY, type: "limit", client_order_id: "id-1" }],
      ["order.place", { symbol: "SIM:BTC-USDT", side: "sell", size: "1", type: "market", client_order_id: "id-2" }],
      ["order.place", { ...BUY, type: "stop_limit", stop_price: "1", client_order_id: "mine" }],
    ]);
  });

  it("refuses a size that is a number, and sends nothing", async () => {
    const { trader, first } = trading({});
    const size = 0.1 as unknown as string;
    await expect(trader.place({ ...BUY, size })).rejects.toMatchObject({
      name: "InvalidInput",
      field: "size",
      message: 'size must be a decimal string such as "0.1", not a number',
    });
    await expect(trader.amend({ order_id: "1", price: size })).rejects.toMatchObject({ field: "price" });
    const params = { ...BUY, stop_price: size };
    await expect(trader.batch([{ method: "place", params }])).rejects.toMatchObject({ field: "stop_price" });
    expect(first.asked).toEqual([]);
  });

  it("says what the server refuses, at once", async () => {
    const refusal = new RequestRefused("insufficient_balance", "too little");
    const { trader, first } = trading({ "order.place": [refusal] });
    await expect(trader.place(BUY)).rejects.toBe(refusal);
    expect(first.asked).toHaveLength(1);
  });

  it("says that nothing was sent without a connection", async () => {
    const { trader, first } = trading({});
    first.lose();
    await expect(trader.place(BUY)).rejects.toThrow(new ConnectionLost("not connected now; nothing was sent"));
  });

  it.each([
    new ConnectionLost("the connection is lost; the request was not sent"),
    new TickwireError("no reply in time: it was not sent"),
  ])("says that nothing was sent when it waited in vain to be, and asks nothing", async (error) => {
    const { trader, first } = trading({ "order.place": [error] });
    await expect(trader.place(BUY)).rejects.toBe(error);
    expect(first.asked).toHaveLength(1);
  });

  it.each([0, -1, NaN, Infinity, 2 ** 31])("takes no timeout of %d ms", async (timeoutMs) => {
    const { trader, first } = trading({});
    await expect(trader.place(BUY, timeoutMs)).rejects.toMatchObject({ name: "InvalidInput", field: "timeoutMs" });
    expect(first.asked).toEqual([]);
  });

  it.each([
    ["before it asks", true],
    ["while it asks", false],
  ])("can't know what another account says of it, that was logged in to %s", async (_, before) => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    if (before) desk.login = "bob";
    const second = connection(() => {
      desk.login = "bob";
      throw UNKNOWN;
    });
    desk.next(second);
    await expect(placing).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(second.asked).toHaveLength(before ? 0 : 1);
  });

  it("asks on the next connection what became of it: it was placed", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    const second = connection(answers({ "order.get": [PLACED] }));
    desk.next(second);
    expect(await placing).toBe(PLACED);
    expect([first.asked.length, second.asked]).toEqual([1, [["order.get", { client_order_id: "id-1" }]]]);
  });

  it("asks on the next connection what became of it: it was not", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    desk.next(connection(answers({ "order.get": [UNKNOWN] })));
    await expect(placing).rejects.toThrow(new OrderNotPlaced("order id-1 was not placed: the connection is gone"));
  });

  it("asks again when that connection is lost as well, and after a pause when the server is busy", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    const second = connection(answers({}));
    desk.next(second);
    await asked(second, 1);
    second.lose();
    const third = connection(answers({ "order.get": [new RequestRefused("busy", "later", null, true), PLACED] }));
    desk.next(third);
    expect(await placing).toBe(PLACED);
    expect([desk.pauses, third.asked.length]).toEqual([1, 2]);
  });

  it("asks on the same connection when only the answer failed; there an unknown order may be under way", async () => {
    const failed = new RequestRefused("outcome_unknown", "the server failed");
    const known = trading({ "order.place": [failed], "order.get": [PLACED] });
    expect(await known.trader.place(BUY)).toBe(PLACED);
    const unknown = trading({ "order.place": [failed], "order.get": [UNKNOWN] });
    await expect(unknown.trader.place(BUY)).rejects.toThrow(
      new OutcomeUnknown(
        "whether order id-1 was placed is unknown: outcome_unknown: the server failed; then unknown_order: no such order",
      ),
    );
  });

  it("can't know what another epoch says of it", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    const second = connection(answers({ "order.get": [UNKNOWN] }));
    desk.next(second, "e2");
    await expect(placing).rejects.toThrow(
      new OutcomeUnknown("whether order id-1 was placed is unknown: the connection is gone; then the server has begun a new epoch"), // prettier-ignore
    );
    expect(second.asked).toEqual([]);
  });

  it("can't know when there is no other connection, or no answer there", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    desk.next(null);
    await expect(placing).rejects.toThrow(OutcomeUnknown);
    const silent = trading({
      "order.place": [new TickwireError("no reply", { sent: true })],
      "order.get": [new TickwireError("none")],
    });
    await expect(silent.trader.place(BUY)).rejects.toThrow(/no reply; then none$/);
  });

  it("can't know when its time is over, and asks nothing after that", async () => {
    const { desk, trader, first } = trading({});
    const placing = trader.place(BUY);
    first.lose();
    desk.timeout();
    await expect(placing).rejects.toThrow(
      new OutcomeUnknown("no reply to order.place in time; whether id-1 was placed is unknown"),
    );
    const second = connection(answers({ "order.get": [PLACED] }));
    desk.next(second);
    await new Promise(setImmediate);
    expect(second.asked).toEqual([]);
  });
});

describe("other requests of a trader", () => {
  it("go out as they are named", async () => {
    const portfolio = { currency: "USDT", total: "7" };
    const { trader, first } = trading({
      "order.amend": [PLACED],
      "order.cancel": [PLACED],
      "order.get": [PLACED],
      "order.cancel_all": [{ order_ids: ["1", "2"] }, { order_ids: [] }],
      "account.portfolio": [portfolio],
    });
    expect(await trader.amend({ order_id: "7", price: "5" })).toBe(PLACED);
    expect(await trader.cancel({ client_order_id: "a" })).toBe(PLACED);
    expect(await trader.order({ order_id: "7" })).toBe(PLACED);
    expect(await trader.cancelAll()).toEqual(["1", "2"]);
    expect(await trader.cancelAll("SIM:BTC-USDT")).toEqual([]);
    expect(await trader.portfolio("USDT")).toBe(portfolio);
    expect(first.asked).toEqual([
      ["order.amend", { order_id: "7", price: "5" }],
      ["order.cancel", { client_order_id: "a" }],
      ["order.get", { order_id: "7" }],
      ["order.cancel_all", { symbol: "" }],
      ["order.cancel_all", { symbol: "SIM:BTC-USDT" }],
      ["account.portfolio", { currency: "USDT" }],
    ]);
  });

  it("tell of a batch what each operation came to", async () => {
    const error = { code: "would_take", message: "it would match", field: "price" };
    const { trader, first } = trading({ "order.batch": [{ results: [{ result: PLACED }, { error }] }] });
    const operations = [
      { method: "place", params: BUY },
      { method: "cancel", params: { order_id: "1" } },
    ] as const;
    expect(await trader.batch(operations)).toEqual([
      PLACED,
      new RequestRefused("would_take", "it would match", "price"),
    ]);
    expect(first.asked).toEqual([["order.batch", { operations }]]);
  });

  it("need a login", async () => {
    const { desk, trader, first } = trading({});
    desk.login = null;
    const all = [
      trader.place(BUY), trader.amend({}), trader.cancel({}), trader.cancelAll(), trader.batch([]), trader.order({}),
      trader.portfolio("USDT"), trader.account(), trader.cancelOnDisconnect("account"), trader.deadMan(5_000),
    ]; // prettier-ignore
    for (const one of all) await expect(one).rejects.toThrow("not logged in");
    expect(first.asked).toEqual([]);
  });
});

describe("guards", () => {
  it("are kept for later connections while they are armed", async () => {
    const { desk, trader } = trading({
      "session.cancel_on_disconnect": [{}, {}, {}],
      "session.dead_man": [{}, {}],
    });
    await trader.cancelOnDisconnect("connection");
    await trader.cancelOnDisconnect("account");
    await trader.deadMan(5_000);
    expect(desk.guards).toEqual({
      "session.cancel_on_disconnect": { scope: "account" },
      "session.dead_man": { timeout_ms: 5_000 },
    });
    await trader.cancelOnDisconnect("off");
    await trader.deadMan(0);
    expect(desk.guards).toEqual({});
  });

  it("are not kept when the server refuses them", async () => {
    const { desk, trader } = trading({ "session.dead_man": [new RequestRefused("invalid_params", "too short")] });
    await expect(trader.deadMan(1)).rejects.toThrow("too short");
    expect(desk.guards).toEqual({});
  });
});

describe("the account of a trader", () => {
  function opens(desk: TestDesk): void {
    desk.begin = (live) => {
      for (const channel of ["fills", "balances", "positions", "orders"]) {
        live.take(message(channel, "snapshot", 1, { [channel]: [] }, "alice"), 0);
      }
    };
  }

  it("is the same one until it is closed", async () => {
    const { desk, trader } = trading({});
    opens(desk);
    const [one, two] = await Promise.all([trader.account(), trader.account()]);
    expect([two, await trader.account()]).toEqual([one, one]);
    one.close();
    const [three, four] = await Promise.all([trader.account(), trader.account()]);
    expect([three === one, four === three, desk.joined.length]).toEqual([false, true, 2]);
  });

  it("can be opened after it failed", async () => {
    const { desk, trader } = trading({});
    desk.login = null;
    await expect(trader.account()).rejects.toThrow("not logged in");
    desk.login = "alice";
    opens(desk);
    expect((await trader.account()).name).toBe("alice");
  });
});
