/** The newest trades of one symbol. */
import type { Notice, StreamMessage, TradeData } from "tickwire";

/** How many trades are kept at most: as many as the server's history has of an instrument. */
export const TRADES_MAX = 1_000;

/** A trade, with the server's time of it in nanoseconds. */
export interface Trade extends TradeData {
  ts: bigint;
}

/** The newest trades, oldest first. */
export interface Trades {
  readonly rows: readonly Trade[];
  /** How many have come since it was opened: what has been added since one last looked is `rows.slice(last - count)`. */
  readonly count: number;
  /** How often all rows were replaced, by a snapshot. */
  readonly fresh: number;
  close(): unknown;
}

/** Keeps the rows of `Trades`, message by message. */
export class TradeRows {
  rows: Trade[] = [];
  count = 0;
  fresh = 0;

  /** Take a message of the stream `trades`. A notice changes nothing: what was missed follows, or a snapshot. */
  take(message: StreamMessage<"trades"> | Notice): void {
    if (message.type === "snapshot") {
      const trades = message.data === null ? [] : message.data.trades.slice(-TRADES_MAX);
      this.rows = trades.map((trade) => ({ ...trade, ts: trade.ts_event > 0n ? trade.ts_event : message.ts }));
      this.count += trades.length;
      this.fresh += 1;
    } else if (message.type === "update") {
      this.rows.push({ ...message.data, ts: message.ts });
      this.count += 1;
      // in whole batches, for taking the first off an array moves all others
      if (this.rows.length > 2 * TRADES_MAX) this.rows = this.rows.slice(-TRADES_MAX);
    }
  }
}
