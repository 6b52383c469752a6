/**
 * The client and a real server, each holding the other to what it promises. `tests/integration/test_typescript.py` runs
 * it; without the Python, and the folder of the server with two key files, that it names, nothing is done here.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { connect, ConnectionLost, keyFile } from "../src/index.ts";
import type { AccountChange, Client, ClientOptions, FillData, Item, LiveBook, StreamMessage } from "../src/index.ts";

const PYTHON = process.env.TICKWIRE_PYTHON;
const folder = process.env.TICKWIRE_FOLDER ?? "";
const SYMBOL = "SIM:BTC-USDT";
const SECONDS_MAX = 60;

let url = "";
const servers: ChildProcess[] = [];
const clients: Client[] = [];
const proxies: Server[] = [];

/** A server, with its tape in the folder so that another one can go on; where it listens. */
async function serve(port: string): Promise<string> {
  const options = ["--port", port, "--data-dir", folder, "--log-level", "warning", "--drain-seconds", "0"];
  const server = spawn(PYTHON ?? "", ["-m", "tickwire", "serve", ...options], { stdio: ["ignore", "ignore", "pipe"] });
  servers.push(server);
  return new Promise<string>((resolve, reject) => {
    let said = "";
    server.stderr.on("data", (part: Buffer) => {
      said += part.toString();
      const [, found] = /serves (\S+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    server.once("exit", () => reject(new Error(`the server has ended: ${said}`)));
  });
}

/** A connection that has gone mute. */
interface Muted {
  /** Cut it for the client, once that has said something. */
  readonly drop: () => Promise<void>;
  /** Let that come after all, and then the end; resolves when the server has seen both. */
  readonly release: () => Promise<void>;
}

/** A way to the server that can be cut, or go mute towards it with neither end being told. */
async function proxy(): Promise<{ url: string; cut: () => void; mute: () => Muted }> {
  const port = Number(new URL(url).port);
  const pairs: { near: Socket; far: Socket; held: Buffer[] | null }[] = [];
  const server = createServer((near) => {
    const far = createConnection(port, "127.0.0.1");
    const pair: (typeof pairs)[number] = { near, far, held: null };
    pairs.push(pair);
    for (const end of [near, far]) end.on("error", () => end.destroy());
    near.on("data", (data: Buffer) => {
      if (pair.held === null) far.write(data);
      else pair.held.push(data);
    });
    far.on("data", (data: Buffer) => near.write(data));
    near.on("close", () => {
      if (pair.held === null) far.destroy();
    });
    far.on("close", () => near.destroy());
  });
  proxies.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    cut: () => {
      for (const { near } of pairs) near.destroy();
    },
    mute: () => {
      const pair = pairs.at(-1)!;
      const { near, far } = pair;
      const held: Buffer[] = (pair.held = []);
      const gone = new Promise<void>((resolve) => far.once("close", resolve));
      const said = new Promise<void>((resolve) => near.once("data", () => resolve()));
      return {
        drop: async () => {
          await said;
          near.destroy();
        },
        release: async () => {
          if (!far.destroyed) for (const data of held) far.write(data);
          far.end();
          await gone;
        },
      };
    },
  };
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
  beforeAll(async () => {
    url = await serve("0");
  }, SECONDS_MAX * 1_000);

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((one) => one.close()));
    for (const one of proxies.splice(0)) one.close();
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => end(server, "SIGTERM")));
  });

  it.each([
    ["ed25519", "json"],
    ["hmac", "msgpack"],
  ] as const)("a key file of kind %s logs in, by %s", async (kind, encoding) => {
    const login = keyFile(readFileSync(join(folder, `${kind}.key`), "utf8"));
    const alice = await client(url, { encoding, login });
    expect([alice.accountName, alice.scopes, alice.state]).toEqual(["alice", ["read", "trade"], "open"]);
    expect(await alice.ping()).toBeGreaterThan(0);
    expect(await alice.cancelAll()).toEqual([]);
  });

  it.each(["json", "msgpack"] as const)("an order lives and dies before everyone's eyes, by %s", async (encoding) => {
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
    expect(order.created).toBeGreaterThan(1_700_000_000_000_000_000n);
    const { client_order_id } = order;
    await expect(trader.place({ symbol: SYMBOL, side: "buy", price, size: "0.05", client_order_id })).rejects.toMatchObject({ code: "duplicate_id" }); // prettier-ignore
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

  it("after a cut it goes on with every trade and nothing else, its book and its account", async () => {
    const way = await proxy();
    const trader = await client(way.url);
    const [book, orders, account] = [await trader.book(SYMBOL), await trader.bookL3(SYMBOL), await trader.account()];
    const [seqs, others, events]: [number[], Item[], string[]] = [[], [], []];
    let came = (): void => undefined;
    await trader.subscribe("trades", SYMBOL, {}, (item) => {
      if (item.type === "update") seqs.push(item.seq);
      else others.push(item);
      came();
    });
    trader.listen(({ type }) => type !== "heartbeat" && events.push(type));
    way.cut();
    await new Promise<void>((resolve) => (came = () => others.length > 1 && seqs.length > 0 && resolve()));
    await Promise.all([book.until(() => true), orders.until(() => true), account.until(() => true)]);
    expect(events).toEqual(["lost", "waiting", "connecting", "login", "open"]);
    expect(others).toMatchObject([{ type: "snapshot" }, { type: "resumed" }]);
    expect(seqs).toEqual(seqs.map((_, at) => (others[0] as StreamMessage).seq + 1 + at));
    await expectSame(book, trader);
    // book, book_l3, trades and four of the account
    expect(trader.stats).toMatchObject({ connections: 2, resumed: 7, lost: 0, gaps: 0, skipped: 0, checksumMismatches: 0, unknown: 0, malformed: 0 }); // prettier-ignore
  });

  it("an order of which the server has not heard is not placed later: the old connection is closed", async () => {
    const way = await proxy();
    const trader = await client(way.url);
    const { drop, release } = way.mute();
    const order = { symbol: SYMBOL, side: "buy", price: "96000.00", size: "0.01", client_order_id: "late" } as const;
    const placing = trader.place(order);
    const failed = expect(placing).rejects.toMatchObject({ name: "OrderNotPlaced" });
    await drop();
    await failed;
    await release();
    await expect(trader.order({ client_order_id: "late" })).rejects.toMatchObject({ code: "unknown_order" });
  });

  it("a server that is killed and started again is gone on with", async () => {
    const trader = await client(url);
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
    await end(servers[0]!, "SIGKILL");
    await lost;
    expect([book.valid, orders.valid, account.valid]).toEqual([false, false, false]);
    await expect(trader.place({ symbol: SYMBOL, side: "buy", price, size: "0.05" })).rejects.toThrow(ConnectionLost);
    await serve(new URL(url).port);
    await book.until(() => true);
    await orders.until((now) => now.orders("buy").some(({ order_id }) => order_id === order.order_id));
    await account.until((now) => now.orders.get(order.order_id)?.price === price);
    expect([told, book.ladder.bids.get(book.price.parse(price)) >= 5_000n]).toEqual([["invalid", "resumed", "valid"], true]); // prettier-ignore
    await expectSame(book, trader);
    expect((await trader.cancel({ order_id: order.order_id })).order.status).toBe("canceled");
    expect(trader.stats).toMatchObject({ connections: 2, resumed: 6, lost: 0, gaps: 0, checksumMismatches: 0 });
  });
});
