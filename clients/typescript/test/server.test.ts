/**
 * The client and a real server, each holding the other to what it promises. `tests/integration/test_typescript_client.py`
 * runs it; without the Python that it names nothing is done here.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { connect, ConnectionLost } from "../src/index.ts";
import type { AccountChange, Client, ClientOptions, FillData, LiveBook } from "../src/index.ts";

const PYTHON = process.env.TICKWIRE_PYTHON;
const SYMBOL = "SIM:BTC-USDT";
const SECONDS_MAX = 60;

let folder = "";
const servers: ChildProcess[] = [];
const clients: Client[] = [];

/** A server of its own, with its tape in a folder so that another one can go on; where it listens. */
async function serve(port: string): Promise<{ url: string; server: ChildProcess }> {
  const options = ["--port", port, "--data-dir", folder, "--log-level", "warning", "--drain-seconds", "0"];
  const server = spawn(PYTHON ?? "", ["-m", "tickwire", "serve", ...options], { stdio: ["ignore", "ignore", "pipe"] });
  servers.push(server);
  const url = await new Promise<string>((resolve, reject) => {
    let said = "";
    server.stderr.on("data", (part: Buffer) => {
      said += part.toString();
      const [, found] = /serves (\S+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    server.once("exit", () => reject(new Error(`the server has ended: ${said}`)));
  });
  return { url, server };
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill(signal);
  await gone;
}

async function client(url: string, options: ClientOptions = {}): Promise<Client> {
  const one = await connect(url, { login: { demo: true }, ...options });
  clients.push(one);
  return one;
}

/** Compare a live book with what the server says of the same moment. */
async function expectSame(live: LiveBook, from: Client): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const { seq, data } = await from.snapshot("book", SYMBOL);
    if (seq !== live.seq) continue; // more has come meanwhile
    expect({ bids: live.bids(), asks: live.asks(), checksum: live.checksum }).toEqual(data);
    return;
  }
  throw new Error("the book never stood still");
}

describe.skipIf(PYTHON === undefined)("with a real server", { timeout: SECONDS_MAX * 1_000 }, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tickwire-"));
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((one) => one.close()));
    await Promise.all(servers.splice(0).map((server) => end(server, "SIGTERM")));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(["json", "msgpack"] as const)("an order lives and dies before everyone's eyes, by %s", async (encoding) => {
    const { url } = await serve("0");
    const trader = await client(url, { encoding });
    const watcher = await client(url, { encoding });
    const [book, orders, account] = [await watcher.book(SYMBOL), await watcher.bookL3(SYMBOL), await trader.account()];
    const told: AccountChange[] = [];
    account.listen((change) => told.push(change));
    expect([trader.accountName, trader.scopes, account.valid]).toEqual(["demo", ["read", "trade"], true]);

    // placed below the market: in the book by order, in the level's sum, in the account, and its money held
    const ticks = book.ladder.bids.best! - 5_000n;
    const [price, lower] = [book.price.format(ticks), book.price.format(ticks - 1n)];
    const { order, fills } = await trader.place({ symbol: SYMBOL, side: "buy", price, size: "0.05", post_only: true });
    const { order_id: id } = order;
    expect([order.status, order.remaining, fills]).toEqual(["open", "0.05000", []]);
    await orders.until((now) => now.at("buy", ticks).some(({ order_id }) => order_id === id));
    expect(orders.at("buy", ticks).find(({ order_id }) => order_id === id)).toEqual({
      order_id: id,
      size: "0.05000",
      lots: 5_000n,
    });
    expect(orders.ladder.bids.get(ticks)).toBe(orders.at("buy", ticks).reduce((sum, { lots }) => sum + lots, 0n));
    await book.until((now) => now.ladder.bids.get(ticks) >= 5_000n);
    await account.until((now) => now.orders.get(id)?.price === price && now.balances.get("USDT")?.held !== "0");

    // amended: it leaves its level and joins another
    expect((await trader.amend({ order_id: id, price: lower })).order.price).toBe(lower);
    await orders.until((now) => now.at("buy", ticks - 1n).some(({ order_id }) => order_id === id));
    expect(orders.at("buy", ticks).map(({ order_id }) => order_id)).not.toContain(id);
    await account.until((now) => now.orders.get(id)?.price === lower);

    // canceled: gone everywhere, and its money is back
    expect((await trader.cancel({ order_id: id })).order.status).toBe("canceled");
    await orders.until((now) => !now.orders("buy").some(({ order_id }) => order_id === id));
    await account.until((now) => now.orders.size === 0 && now.balances.get("USDT")?.held === "0");
    expect((await trader.order({ client_order_id: order.client_order_id })).order.status).toBe("canceled");

    // at the market: filled, each fill told once, and paid for
    const had = account.balances.get("BTC")?.available;
    const market = await trader.place({ symbol: SYMBOL, side: "sell", size: "0.02" });
    expect([market.order.type, market.order.status, market.order.filled]).toEqual(["market", "filled", "0.02000"]);
    await account.until((now) => now.balances.get("BTC")?.available !== had && now.fills.length >= market.fills.length);
    await account.until((now) => now.positions.has(SYMBOL));
    const news: FillData[] = told.flatMap((change) => (change.type === "fills" ? change.fills : []));
    expect(news.filter(({ order_id }) => order_id === market.order.order_id)).toEqual(market.fills);
    expect((await trader.portfolio("USDT")).holdings.find(({ asset }) => asset === "BTC")?.amount).toBe(
      account.balances.get("BTC")?.available,
    );

    const [placed, refused] = await trader.batch([
      { method: "place", params: { symbol: SYMBOL, side: "buy", price: lower, size: "0.01" } },
      { method: "cancel", params: { order_id: id } },
    ]);
    expect([placed, refused]).toMatchObject([{ order: { status: "open" } }, { code: "order_closed" }]);
    expect(await trader.cancelAll(SYMBOL)).toHaveLength(1);
    await expectSame(book, watcher);
    expect(watcher.stats).toMatchObject({ lost: 0, gaps: 0, checksumMismatches: 0, unexpected: 0, malformed: 0 });

    await trader.logout();
    expect([account.valid, account.reason, trader.accountName]).toEqual([false, "it is closed", null]);
    await trader.login({ demo: true });
    expect((await trader.account()).balances.get("BTC")).toEqual(account.balances.get("BTC"));
  });

  it("a server that is killed and started again is gone on with", async () => {
    const first = await serve("0");
    const trader = await client(first.url);
    const [book, orders, account] = [await trader.book(SYMBOL), await trader.bookL3(SYMBOL), await trader.account()];
    const price = book.price.format(book.ladder.bids.best! - 5_000n);
    const { order } = await trader.place({ symbol: SYMBOL, side: "buy", price, size: "0.05" });
    const told: string[] = [];
    book.listen((change) => {
      if (change.type !== "update") told.push(change.type);
    });
    const lost = new Promise<void>((resolve) => {
      trader.listen(({ type }) => type === "lost" && resolve());
    });
    await end(first.server, "SIGKILL");
    await lost;
    expect([book.valid, orders.valid, account.valid]).toEqual([false, false, false]);
    await expect(trader.place({ symbol: SYMBOL, side: "buy", price, size: "0.05" })).rejects.toThrow(ConnectionLost);
    await serve(new URL(first.url).port);
    await book.until(() => true);
    await orders.until((now) => now.orders("buy").some(({ order_id }) => order_id === order.order_id));
    await account.until((now) => now.orders.get(order.order_id)?.price === price);
    expect([told, book.ladder.bids.get(book.price.parse(price)) >= 5_000n]).toEqual([["invalid", "resumed", "valid"], true]); // prettier-ignore
    await expectSame(book, trader);
    expect((await trader.cancel({ order_id: order.order_id })).order.status).toBe("canceled");
    expect(trader.stats).toMatchObject({ connections: 2, resumed: 6, lost: 0, gaps: 0, checksumMismatches: 0 });
  });
});
