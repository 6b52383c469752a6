/** A client for what lives on streams, played by the test. */

import type { Consumer, Requester } from "../src/consumer.ts";
import { ConnectionLost } from "../src/errors.ts";
import type { InstrumentInfo, Method, Params, StreamMessage } from "../src/generated.ts";
import { newStats } from "../src/outcomes.ts";
import type { TradingDesk } from "../src/trading.ts";

/** What the test makes of a request: its result, or an error to throw. */
export type Answer = (method: Method, params: unknown) => unknown;

/** An instrument of ticks of 0.50 and lots of 0.001. */
export const INFO: InstrumentInfo = {
  symbol: "SIM:BTC-USDT", venue: "SIM", base: "BTC", quote: "USDT", asset_class: "crypto", kind: "matched",
  tick_size: "0.50", lot_size: "0.001", channels: ["book", "book_l3"],
  status: { instrument: "open", feed: "live", reason: "" },
  maker_fee: "0", taker_fee: "0", price_band: "", size_max: "", notional_min: "", notional_max: "",
}; // prettier-ignore

/** A connection that answers as the test says; `lose` ends it and all that is in flight. */
export function connection(answer: Answer): Requester & { lose(): void; asked: [Method, unknown][] } {
  const waiting = new Set<(error: Error) => void>();
  const one = {
    open: true,
    asked: [] as [Method, unknown][],
    lose(): void {
      one.open = false;
      for (const reject of waiting) reject(new ConnectionLost("the connection is gone", 1006, { sent: true }));
    },
    async request<M extends Method>(method: M, params: Params[M] | undefined): Promise<never> {
      one.asked.push([method, params]);
      return new Promise<never>((resolve, reject) => {
        waiting.add(reject);
        Promise.resolve(answer(method, params)).then(resolve as (value: unknown) => void, reject);
      });
    },
  };
  return one;
}

/** A desk with one connection; `next` replaces it. `sent` and `left` tell what was asked of it. */
export class TestDesk implements TradingDesk {
  readonly stats = newStats();
  readonly guards = {};
  readonly requestTimeoutMs = 1_000;
  readonly joined: Consumer[] = [];
  readonly left: Consumer[] = [];
  epoch = "e1";
  ended: ConnectionLost | null = null;
  login: string | null = "alice";
  pauses = 0;
  /** Called when a consumer joins. */
  begin: (consumer: Consumer) => void = () => undefined;
  private ids = 0;
  private late: (() => void) | null = null;
  private newest: Requester | null;
  private hope: ((next: Requester | null) => void) | null = null;

  constructor(first: Requester | null = null) {
    this.newest = first;
  }

  leave(consumer: Consumer): void {
    this.left.push(consumer);
  }

  connection(): Requester {
    if (this.newest?.open !== true) throw new ConnectionLost("not connected now; nothing was sent");
    return this.newest;
  }

  async again(before: Requester): Promise<Requester> {
    if (before.open) return before;
    if (this.newest === before) {
      await new Promise<void>((resolve) => (this.hope = () => resolve()));
    }
    if (this.ended !== null) throw this.ended;
    return this.connection();
  }

  next(connected: Requester | null, epoch = this.epoch): void {
    this.epoch = epoch;
    this.newest = connected;
    if (connected === null) this.ended = new ConnectionLost("the client is closed", 1000);
    this.hope?.(connected);
  }

  pause(): Promise<void> {
    this.pauses += 1;
    return Promise.resolve();
  }

  join(consumer: Consumer): Promise<void> {
    this.joined.push(consumer);
    this.begin(consumer);
    return Promise.resolve();
  }

  account(): string {
    if (this.login === null) throw new ConnectionLost("not logged in");
    return this.login;
  }

  instrument(): Promise<InstrumentInfo> {
    return Promise.resolve(INFO);
  }

  newId(): string {
    this.ids += 1;
    return `id-${this.ids}`;
  }

  within<T>(_ms: number, run: Promise<T>, late: () => Error): Promise<T> {
    return Promise.race([run, new Promise<T>((_, reject) => (this.late = () => reject(late())))]);
  }

  /** The time that `within` allows is over. */
  timeout(): void {
    this.late?.();
  }
}

/** A message of a stream, of the time `seq` seconds. */
export function message(
  channel: string,
  type: string,
  seq: number,
  data: unknown,
  symbol = INFO.symbol,
): StreamMessage {
  return { channel, symbol, type, seq, ts: BigInt(seq) * 1_000_000_000n, data } as StreamMessage;
}
