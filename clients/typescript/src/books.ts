/** Live order books: kept in place by their streams, verified, and unreadable whenever they might be wrong. */

import { isLossless, streamKey } from "./channel.ts";
import type { StreamKey, StreamOptions } from "./channel.ts";
import { crc32 } from "./checksum.ts";
import type { Desk, Owner } from "./consumer.ts";
import { scale } from "./decimal.ts";
import type { Scale } from "./decimal.ts";
import { BookInvalid, TickwireError } from "./errors.ts";
import type { InstrumentInfo, Notice, OrderChangeData, OrderRow, PriceSize, Side, StreamMessage } from "./generated.ts";
import { L3Book } from "./l3.ts";
import { Ladder } from "./ladder.ts";
import type { BookSide, Level } from "./ladder.ts";
import { Live, opened } from "./live.ts";
import type { StateChange } from "./live.ts";

/** A message that was applied, something that its stream said, or that it can or can't be read now. */
export type BookChange<M extends StreamMessage = StreamMessage> = M | Notice | StateChange;

/** One order of a `LiveOrders`: `size` is what remains of it. */
export interface OrderOnBook {
  readonly order_id: string;
  readonly price: string;
  readonly size: string;
}

/** One order of a level: `size` and `lots` are what remains of it. */
export interface OrderAtPrice {
  readonly order_id: string;
  readonly size: string;
  readonly lots: bigint;
}

/**
 * What both kinds of live book offer.
 *
 * Every read throws `BookInvalid`, with the reason, while the book might be wrong: before its first snapshot, after a
 * loss, while there is no connection, and after one until it has caught up. It becomes valid again by itself.
 */
abstract class Book<M extends StreamMessage> extends Live<BookChange<M>> {
  /** The instrument. */
  readonly symbol: string;
  readonly keys: readonly [StreamKey];
  private prices: Scale;
  private sizes: Scale;
  private why: string | null = "it waits for its first snapshot";
  private lastSeq = 0;
  private lastTs = 0n;
  private behind = 0; // the message that it is current with again, after its connection was lost

  /** Made by `Client.book` and `Client.bookL3`. */
  constructor(owner: Owner, key: StreamKey, info: InstrumentInfo) {
    super(owner);
    this.keys = [key];
    this.symbol = key.symbol;
    this.prices = scale(info.tick_size);
    this.sizes = scale(info.lot_size);
  }

  /** What a tick of the ladder is. */
  get price(): Scale {
    return this.prices;
  }

  /** What a lot of the ladder is. */
  get size(): Scale {
    return this.sizes;
  }

  /** The `seq` of the last message applied. */
  get seq(): number {
    this.read();
    return this.lastSeq;
  }

  /** The time of the last message applied, ns since the Unix epoch. */
  get ts(): bigint {
    this.read();
    return this.lastTs;
  }

  /** The levels as they are now, in ticks and lots: not a copy, and not to be changed or kept. */
  get ladder(): Ladder {
    this.read();
    return this.levels;
  }

  /** CRC-32 of the best ten levels of both sides: see "checksum" in the protocol's documentation. */
  get checksum(): number {
    this.read();
    return this.sum();
  }

  /** The best `depth` bids as decimals, best first; all of them without it. */
  bids(depth?: number): PriceSize[] {
    return this.texts(this.ladder.bids, depth);
  }

  /** The best `depth` asks as decimals, best first; all of them without it. */
  asks(depth?: number): PriceSize[] {
    return this.texts(this.ladder.asks, depth);
  }

  /** The best bid, null when there are no bids. */
  get bestBid(): PriceSize | null {
    return this.bids(1)[0] ?? null;
  }

  /** The best ask, null when there are no asks. */
  get bestAsk(): PriceSize | null {
    return this.asks(1)[0] ?? null;
  }

  // ---- what the client calls ---------------------------------------------------------------------

  rescale(info: InstrumentInfo): boolean {
    const same = info.tick_size === this.prices.step && info.lot_size === this.sizes.step;
    this.prices = scale(info.tick_size);
    this.sizes = scale(info.lot_size);
    return !same;
  }

  override take(message: StreamMessage): string | null {
    if (this.end !== null) return null;
    const mine = message as M; // its key says so
    try {
      this.apply(mine);
    } catch (error) {
      const problem = `${message.type} ${message.seq} does not fit: ${String(error instanceof Error ? error.message : error)}`;
      this.become(problem);
      return problem;
    }
    this.lastSeq = message.seq;
    this.lastTs = message.ts;
    this.catchUp();
    this.listeners.tell(mine);
    if (this.valid) this.waiters.changed(this);
    return null;
  }

  override interrupt(_key: StreamKey, reason: string): void {
    this.become(`${reason}; it waits for another`);
  }

  override notice(_key: StreamKey, notice: Notice): void {
    if (this.end !== null) return;
    if (notice.type === "resumed") {
      this.behind = notice.after + notice.missed;
      this.become(`it catches up with the ${notice.missed} messages that it missed`);
      this.catchUp();
    } else if (notice.type !== "skipped") {
      this.behind = 0;
      const lost = notice.type === "gap" ? `messages ${notice.from} to ${notice.to} were dropped` : notice.reason;
      this.become(`${lost}; it waits for a snapshot`);
    }
    this.listeners.tell(notice);
    if (this.valid && notice.type === "resumed") this.waiters.changed(this);
  }

  // ---- inside ------------------------------------------------------------------------------------

  protected override get doubt(): string | null {
    return this.why;
  }

  protected abstract get levels(): Ladder;

  /** Throws where the message does not fit. */
  protected abstract apply(message: M): void;

  protected read(): void {
    const { reason } = this;
    if (reason !== null) throw new BookInvalid(`the book of ${this.symbol} can't be read now: ${reason}`);
  }

  protected sum(): number {
    const { asks, bids } = this.levels;
    const [price, size] = [this.prices.units, this.sizes.units];
    return crc32(asks.topText(price, size) + bids.topText(price, size));
  }

  protected lots(text: string): bigint {
    const lots = this.sizes.parse(text, "size");
    if (lots < 0n) throw new TickwireError(`size ${text} is negative`);
    return lots;
  }

  private texts(side: BookSide, depth?: number): PriceSize[] {
    return side.top(depth).map(([ticks, lots]) => [this.prices.format(ticks), this.sizes.format(lots)]);
  }

  private catchUp(): void {
    if (this.lastSeq >= this.behind) this.become(null);
  }

  private become(why: string | null): void {
    if (this.end !== null) return;
    const was = this.why;
    this.why = why;
    if ((was === null) !== (why === null)) {
      this.listeners.tell({ type: why === null ? "valid" : "invalid", reason: why });
    }
  }
}

/** A book by level (L2). The full one is checked against the server's checksum after every message. */
export class LiveBook extends Book<StreamMessage<"book">> {
  private readonly book = new Ladder();
  /** Variants are complete in every message, and their checksum is of the full book. */
  private readonly full = isLossless(this.keys[0]);

  protected override get levels(): Ladder {
    return this.book;
  }

  protected override apply(message: StreamMessage<"book">): void {
    const { data } = message;
    if (data === null) {
      this.book.clear();
      return;
    }
    const [bids, asks] = [this.ticks(data.bids), this.ticks(data.asks)];
    if (message.type === "snapshot" || !this.full) {
      this.book.replace(bids, asks);
    } else {
      for (const [ticks, lots] of bids) this.book.bids.set(ticks, lots);
      for (const [ticks, lots] of asks) this.book.asks.set(ticks, lots);
    }
    if (this.full && this.sum() !== data.checksum) {
      this.owner.stats.checksumMismatches += 1;
      throw new TickwireError(`its checksum is ${data.checksum}, the book's is ${this.sum()}`);
    }
  }

  private ticks(levels: readonly PriceSize[]): Level[] {
    return levels.map(([price, size]) => [this.price.parse(price, "price"), this.lots(size)]);
  }
}

/** A book by order (L3), with its levels beside. */
export class LiveOrders extends Book<StreamMessage<"book_l3">> {
  private readonly book = new L3Book();

  /** Every order of a side in priority order: best price first, then by place in the queue. */
  orders(side: Side): OrderOnBook[] {
    this.read();
    return Array.from(this.book.listed(side), ({ orderId, ticks, lots }) => ({
      order_id: orderId,
      price: this.price.format(ticks),
      size: this.size.format(lots),
    }));
  }

  /** The orders at a price in ticks, first in the queue first. */
  at(side: Side, ticks: bigint): OrderAtPrice[] {
    this.read();
    return Array.from(this.book.queue(side, ticks).values(), ({ orderId, lots }) => ({
      order_id: orderId,
      size: this.size.format(lots),
      lots,
    }));
  }

  protected override get levels(): Ladder {
    return this.book.ladder;
  }

  protected override apply(message: StreamMessage<"book_l3">): void {
    if (message.type === "update") {
      this.change(message.data);
      return;
    }
    this.book.clear();
    for (const row of message.data?.bids ?? []) this.add("buy", row);
    for (const row of message.data?.asks ?? []) this.add("sell", row);
  }

  private add(side: Side, [orderId, price, size]: OrderRow): void {
    const lots = this.lots(size);
    if (this.book.get(orderId) !== undefined || lots === 0n) {
      throw new TickwireError(`order ${orderId} is there already, or has no size`);
    }
    this.book.add({ orderId, side, ticks: this.price.parse(price, "price"), lots });
  }

  private change(change: OrderChangeData): void {
    const { action, order_id: orderId, side, price, size } = change;
    if (action === "add") {
      this.add(side, [orderId, price, size]);
      return;
    }
    const order = this.book.get(orderId);
    if (order?.side !== side || order.ticks !== this.price.parse(price, "price")) {
      throw new TickwireError(`order ${orderId} is not there at ${price}`);
    }
    const left = action === "cancel" ? 0n : this.lots(size);
    const filled = action === "fill" ? this.lots(change.filled ?? "0") : 0n;
    const fits = {
      cancel: true,
      modify: left > 0n && left <= order.lots,
      fill: filled > 0n && filled + left === order.lots,
    };
    if (!Object.hasOwn(fits, action)) throw new TickwireError(`there is no action "${action as string}"`);
    if (!fits[action]) {
      throw new TickwireError(`${action} of order ${orderId} to ${size} is not what the order comes to`);
    }
    this.book.reduce(order, order.lots - left);
  }
}

/**
 * A live book by level, valid when this returns.
 *
 * @throws InvalidInput no such option or instrument. Other errors as of `Client.request`.
 */
export async function openBook(desk: Desk, symbol: string, options: StreamOptions = {}): Promise<LiveBook> {
  const key = streamKey("book", symbol, options);
  return opened(desk, new LiveBook(desk, key, await desk.instrument(symbol)), symbol);
}

/** A live book by order, valid when this returns. Errors as of `openBook`. */
export async function openOrders(desk: Desk, symbol: string): Promise<LiveOrders> {
  return opened(desk, new LiveOrders(desk, streamKey("book_l3", symbol), await desk.instrument(symbol)), symbol);
}
