/** Fetches what the reconstruction of a portfolio's past needs: closes of the instruments that its assets trade in. */
import type { LiveAccount } from "tickwire";
import type { Desk } from "../desk.ts";
import { amountOf, ONE } from "../logic/amount.ts";
import { beginning, curve, type Market, type Point, type Span, SPAN_STEPS, SPANS, worths } from "../logic/equity.ts";

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
  const asked = marketsOf(desk, account, currency);
  const markets = new Map<string, Market>();
  for (const { symbol, base, quote } of asked) {
    const limit = Math.min(1_000, Number((until - start) / step) + 1);
    const messages = await client.history({ channel: "candles", symbol, interval, start, limit });
    if (signal.aborted) return [];
    const marks = messages.flatMap(({ data }) =>
      data !== null && "close" in data ? [{ ts: data.start + step, price: data.close }] : [],
    );
    markets.set(symbol, { base, quote, marks });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  if (asked.length < MARKETS_MAX) {
    // all that lead to the currency are there: fills of others move nothing that counts
    for (const { symbol, base, quote } of desk.instruments)
      if (!markets.has(symbol)) markets.set(symbol, { base, quote, marks: [] });
  }
  // read last, together, so that the balances and the fills are of the same time
  const balances = new Map(
    [...account.balances.values()].map((row) => [row.asset, amountOf(row.available) + amountOf(row.held)]),
  );
  return curve({ balances, fills: account.fills, markets, currency, from, until, step });
}

/**
 * The instruments that lead to the currency: those that the account has traded or that are of its assets, then others,
 * over which one may lead.
 */
function marketsOf(desk: Desk, account: LiveAccount, currency: string): Desk["instruments"] {
  const candles = desk.instruments.filter((info) => info.channels.includes("candles"));
  const all = new Map(candles.map(({ symbol, base, quote }) => [symbol, { base, quote, marks: [] }]));
  const reached = worths(all, new Map(candles.map((info) => [info.symbol, ONE])), currency);
  const traded = new Set(account.fills.map((fill) => fill.symbol));
  const near = (info: Desk["instruments"][number]): boolean =>
    traded.has(info.symbol) || account.balances.has(info.base);
  const leading = candles.filter((info) => reached.has(info.base));
  return [...leading.filter(near), ...leading.filter((info) => !near(info))].slice(0, MARKETS_MAX);
}
