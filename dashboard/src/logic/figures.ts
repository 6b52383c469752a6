/** The figures of one symbol as they come in: its trades and mid prices, each counted once. */
import type { Ladder, Scale } from "tickwire";
import { Flow, Returns, Ring, imbalance, spreadBasisPoints } from "./analytics.ts";
import type { Trade, Trades } from "./trades.ts";

/** How many seconds a sparkline shows. */
export const SPARK_SECONDS = 120;

/** What has a sparkline. */
export type Spark = "spread" | "mid" | "imbalance" | "trades";

interface Scales {
  readonly price: Scale;
  readonly size: Scale;
}

/** Collects what the figures are made of; all of it is bounded. */
export class Figures {
  private readonly symbol: string;
  private readonly epoch: string;
  readonly flow = new Flow();
  readonly returns = new Returns();
  readonly sparks: Readonly<Record<Spark, Ring>> = {
    spread: new Ring(SPARK_SECONDS),
    mid: new Ring(SPARK_SECONDS),
    imbalance: new Ring(SPARK_SECONDS),
    trades: new Ring(SPARK_SECONDS),
  };
  /** The newest time of a book or trade, ns: the clock of all windows. */
  now = 0n;
  private sampled = 0n; // the second of the last samples
  private from: Trades | null = null;
  private fresh = 0;
  private count = 0;
  private last: Trade | null = null;

  /** `epoch` is that of the server, which gets another one when it begins anew. */
  constructor(symbol: string, epoch: string) {
    this.symbol = symbol;
    this.epoch = epoch;
  }

  /** Whether they are over: of another market than the trades that are there now. */
  over(symbol: string, epoch: string, trades: Trades | null): boolean {
    if (symbol !== this.symbol) return true;
    const told = trades !== null && (trades !== this.from || trades.fresh !== this.fresh);
    return epoch !== this.epoch && told; // until then they are those of the server before
  }

  /** Count the trades that are new since the last call; a snapshot's that were counted are not counted again. */
  trades(trades: Trades, scales: Scales): void {
    const { rows } = trades;
    const again = trades !== this.from || trades.fresh !== this.fresh;
    const begin = again ? this.unknown(rows) : Math.max(0, rows.length - (trades.count - this.count));
    this.from = trades;
    this.fresh = trades.fresh;
    this.count = trades.count;
    for (const trade of begin === 0 ? rows : rows.slice(begin)) {
      this.flow.add(trade.ts, scales.price.parse(trade.price), scales.size.parse(trade.size), trade.side);
    }
    this.last = rows.at(-1) ?? this.last;
    if (this.last !== null && this.last.ts > this.now) this.now = this.last.ts;
  }

  /** Take the book as it is at `ts`, ns. Returns whether a second has begun, and the sparklines have moved on. */
  book(ladder: Ladder, ts: bigint): boolean {
    if (ts > this.now) this.now = ts;
    const [bid, ask] = [ladder.bids.best, ladder.asks.best];
    if (bid === null || ask === null) return false;
    this.returns.add(ts, bid + ask);
    const second = this.now / 1_000_000_000n;
    if (second <= this.sampled) return false;
    this.sampled = second;
    this.sparks.spread.push(Number(spreadBasisPoints(bid, ask)));
    this.sparks.mid.push(Number(bid + ask) / 2);
    this.sparks.imbalance.push(imbalance(ladder.bids.top(5), ladder.asks.top(5), 5) ?? 0);
    this.sparks.trades.push(this.flow.last(1, this.now - 1_000_000_000n).trades); // the second that is over
    return true;
  }

  /** Where the rows begin that are not counted yet. */
  private unknown(rows: readonly Trade[]): number {
    const { last } = this;
    if (last === null) return 0;
    const known = rows.findLastIndex((trade) => trade.id === last.id);
    if (known >= 0) return known + 1;
    const later = rows.findIndex((trade) => trade.ts > last.ts);
    return later < 0 ? rows.length : later;
  }
}
