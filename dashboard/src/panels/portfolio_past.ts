/** Fetches what the reconstruction of a portfolio's past needs: closes of the instruments that its assets trade in. */
import type { LiveAccount } from "tickwire";
import type { Desk } from "../desk.ts";
import { amountOf } from "../logic/amount.ts";
import { beginning, curve, type Market, type Point, type Span, SPAN_STEPS, SPANS } from "../logic/equity.ts";

/** Instruments that are asked for at most; of a portfolio with more kinds of assets the curve says less. */
const MARKETS_MAX = 16;

/** Intervals before the beginning that are looked for a close in, for what is traded rarely. */
const LEAD_STEPS = 60n;

/** Between two pages, ms: a page counts as up to eight of the 50 requests of a second. */
const PAUSE_MS = 300;

/** The curve of a span until now; empty after `signal`. Throws what the client throws. */
export async function pastOf(
  desk: Desk,
  account: LiveAccount,
  currency: string,
  span: Span,
  signal: AbortSignal,
): Promise<Point[]> {
  const { client } = desk;
  const [interval, step] = SPAN_STEPS[span];
  const length = SPANS.find((one) => one[0] === span)![2];
  const until = client.serverTime();
  const from = beginning(account.fills, until, length);
  const start = from - (from % step) - LEAD_STEPS * step;
  const markets = new Map<string, Market>();
  for (const info of marketsOf(desk, account, currency)) {
    const { symbol, base, quote } = info;
    const limit = Math.min(1_000, Number((until - start) / step) + 1);
    const messages = await client.history({ channel: "candles", symbol, interval, start, limit });
    if (signal.aborted) return [];
    const marks = messages.flatMap(({ data }) =>
      data !== null && "close" in data ? [{ ts: data.start + step, price: data.close }] : [],
    );
    markets.set(symbol, { base, quote, marks });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  // read last, together, so that the balances and the fills are of the same time
  const balances = new Map(
    [...account.balances.values()].map((row) => [row.asset, amountOf(row.available) + amountOf(row.held)]),
  );
  return curve({ balances, fills: account.fills, markets, currency, from, until, step });
}

/** The instruments that the account's assets are valued by: those it traded, and those that lead to the currency. */
function marketsOf(desk: Desk, account: LiveAccount, currency: string): Desk["instruments"] {
  const assets = new Set([currency]);
  for (const { asset, available, held } of account.balances.values())
    if (amountOf(available) + amountOf(held) !== 0n) assets.add(asset);
  const traded = new Set(account.fills.map((fill) => fill.symbol));
  return desk.instruments
    .filter((info) => info.channels.includes("candles"))
    .filter((info) => traded.has(info.symbol) || (assets.has(info.base) && assets.has(info.quote)))
    .slice(0, MARKETS_MAX);
}
