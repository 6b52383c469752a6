/**
 * A client of a real server, which tests/integration/test_typescript.py watches: it says what it sees on standard output,
 * one JSON object a line, and goes on when a line comes on standard input.
 *
 *     node live.js URL ENCODING KEY_FILE
 */

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { connect, keyFile, RequestRefused, type Encoding, type Item, type LiveBook } from "../src/index.ts";

const SYMBOL = "SIM:BTC-USDT";
/** States of a book that are kept to be compared. */
const STATES_MAX = 5_000;

const [url = "", encoding = "", path = ""] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(what: object): void {
  const text = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
  process.stdout.write(`${JSON.stringify(what, text)}\n`);
}

/** All that a book shows, by `seq`. */
function states(book: LiveBook): Map<number, string> {
  const kept = new Map<number, string>();
  const keep = (): void => {
    if (book.valid) kept.set(book.seq, JSON.stringify([book.bids(), book.asks(), book.checksum]));
    const [oldest] = kept.keys();
    if (kept.size > STATES_MAX && oldest !== undefined) kept.delete(oldest);
  };
  keep();
  book.listen(keep);
  return kept;
}

const client = await connect(url, { encoding: encoding as Encoding, login: keyFile(await readFile(path, "utf8")) });
const events: string[] = [];
client.listen(({ type }) => {
  if (type !== "heartbeat") events.push(type);
});
say({ account: client.accountName, scopes: client.scopes, state: client.state, ping: (await client.ping()) > 0 });

const book = await client.book(SYMBOL);
const kept = states(book);
const orders = await client.bookL3(SYMBOL);
const account = await client.account();
const trades: [type: string, seq: number][] = [];
const notices: Item[] = [];
let tradeCame = (): void => undefined;
await client.subscribe("trades", SYMBOL, {}, (item) => {
  if ("seq" in item) trades.push([item.type, item.seq]);
  else notices.push(item);
  tradeCame();
});

/** The server's own word for the book, and what the live one showed at the same `seq`. */
async function compare(): Promise<object> {
  const { seq, data } = await client.snapshot("book", SYMBOL);
  await book.until(() => book.seq >= seq);
  return {
    seq,
    server: data === null ? null : [data.bids, data.asks, data.checksum],
    live: JSON.parse(kept.get(seq)!) as unknown,
  };
}
say({ compared: await compare(), balances: [...account.balances.values()] });

const placed = await client.place({
  symbol: SYMBOL,
  side: "buy",
  size: "0.01",
  price: "96000.00",
  client_order_id: "one",
});
const id = placed.order.order_id;
const held = (): string | undefined => account.balances.get("USDT")?.held;
await account.until(() => account.orders.get(id)?.status === "open" && held() !== "0");
await orders.until(() => orders.at("buy", orders.price.parse("96000.00")).some((order) => order.order_id === id));
say({ placed: placed.order, held: held() });
const amended = await client.amend({ order_id: id, size: "0.005" });
const canceled = await client.cancel({ client_order_id: "one" });
await account.until(() => account.orders.size === 0 && held() === "0");
say({ amended: amended.order.size, canceled: canceled.order, held: held() });
const bought = await client.place({ symbol: SYMBOL, side: "buy", size: "0.001" });
await account.until(() => account.fills.length === bought.fills.length);
say({ bought: bought.order, fills: bought.fills, told: account.fills });
const refusal = await client
  .place({ symbol: SYMBOL, side: "buy", size: "0.02", price: "96000.00", client_order_id: "one" })
  .catch((error: unknown) => (error instanceof RequestRefused ? error.code : String(error)));
say({ refusal });

say({ ready: "to be cut" });
await lines.next();
await book.until(() => client.stats.connections === 2);
await orders.until(() => true);
await account.until(() => true);
await new Promise<void>((resolve) => {
  tradeCame = resolve;
});
say({ compared: await compare(), events, notices, trades, stats: client.stats, valid: [orders.valid, account.valid] });

await client.close();
say({ state: client.state, end: book.reason });
process.stdin.destroy();
