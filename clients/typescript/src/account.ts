/** The account as it stands: its open orders, balances, positions and newest fills, kept by the private streams. */

import { streamKey } from "./channel.ts";
import type { StreamKey } from "./channel.ts";
import type { Desk } from "./consumer.ts";
import type {
  BalanceData,
  FillData,
  Lost,
  Notice,
  OrderData,
  PositionData,
  PrivateChannel,
  StreamMessage,
} from "./generated.ts";
import { Live, opened } from "./live.ts";
import type { StateChange } from "./live.ts";

/** Fills that a `LiveAccount` keeps: as many as the server names after a lost connection. */
export const FILLS_KEPT_MAX = 1_000;

/** In the order of subscribing: when the orders are there again, the fills and what they led to are, too. */
const CHANNELS = ["fills", "balances", "positions", "orders"] as const;

const OPEN: ReadonlySet<string> = new Set(["open", "waiting"]);

/** What happened to a `LiveAccount`. Fills come once each, whatever happens to the connection. */
export type AccountChange =
  /** These orders have changed; after a snapshot all that are open, and what is no longer in `orders` has ended. */
  | { readonly type: "orders"; readonly orders: readonly OrderData[] }
  /** These are new, oldest first. */
  | { readonly type: "fills"; readonly fills: readonly FillData[] }
  | { readonly type: "balances" | "positions" }
  | Notice
  | StateChange;

/** What a message of `fills` brings for the first time; `lost` where fills before it can't be had any more. */
interface NewFills {
  readonly fills: readonly FillData[];
  readonly lost: Lost | null;
}

/** Puts updates and snapshots of `fills` together by the `seq` of the fills: none missed, and none twice. */
export class FillSequence {
  private readonly epoch: () => string;
  private at: { readonly epoch: string; readonly seq: number } | null = null;

  /** `epoch` tells that of the connection; a `seq` says nothing about another one. */
  constructor(epoch: () => string) {
    this.epoch = epoch;
  }

  /** What is new in a message. Those of the first snapshot are not: they happened before anybody asked. */
  take(message: StreamMessage<"fills">): NewFills {
    const before = this.at;
    this.at = { epoch: this.epoch(), seq: message.seq };
    if (before === null) return { fills: [], lost: null };
    const lost = (reason: string): Lost => {
      return { type: "lost", channel: "fills", symbol: message.symbol, after: before.seq, reason };
    };
    if (before.epoch !== this.at.epoch) {
      return { fills: [], lost: lost("the server began anew; ask account.positions what is true now") };
    }
    if (message.seq <= before.seq) {
      this.at = before;
      return { fills: [], lost: null };
    }
    const fills = fillsOf(message).filter((fill) => fill.seq > before.seq);
    const missing = message.seq - before.seq - fills.length;
    const reason = `${missing} fills happened that the server does not keep any more`;
    return { fills, lost: missing === 0 ? null : lost(reason) };
  }
}

/**
 * Open orders, balances, positions and newest fills of the account. The streams' `seq` proves that nothing is missing.
 *
 * `valid` is false while any of it might be wrong: after a loss, while there is no connection, and after one until it
 * has caught up. It then shows what was known last. It becomes valid again by itself.
 */
export class LiveAccount extends Live<AccountChange> {
  /** The account's name. */
  readonly name: string;
  readonly keys: readonly StreamKey[];
  private readonly wrong = new Map<PrivateChannel, string>();
  private readonly seqs = new Map<PrivateChannel, number>();
  private readonly behind = new Map<PrivateChannel, number>(); // the message that each is current with again
  private readonly openOrders = new Map<string, OrderData>();
  private readonly byAsset = new Map<string, BalanceData>();
  private readonly bySymbol = new Map<string, PositionData>();
  private readonly newest: FillData[] = [];
  private readonly sequence: FillSequence;

  /** Made by `Client.account`. */
  constructor(desk: Desk, name: string) {
    super(desk);
    this.name = name;
    this.keys = CHANNELS.map((channel) => streamKey(channel, name));
    this.sequence = new FillSequence(() => desk.epoch);
    for (const channel of CHANNELS) this.wrong.set(channel, "it waits for its first snapshot");
  }

  /** Whether it will not change any more. */
  get closed(): boolean {
    return this.end !== null;
  }

  /** Open and waiting orders by `order_id`, oldest first; those of other sessions, too. */
  get orders(): ReadonlyMap<string, OrderData> {
    return this.openOrders;
  }

  /** Balances by asset. */
  get balances(): ReadonlyMap<string, BalanceData> {
    return this.byAsset;
  }

  /** Positions by symbol. */
  get positions(): ReadonlyMap<string, PositionData> {
    return this.bySymbol;
  }

  /** The newest fills, at most `FILLS_KEPT_MAX`, oldest first; to begin with, the last hundred before it was opened. */
  get fills(): readonly FillData[] {
    return this.newest;
  }

  // ---- what the client calls ---------------------------------------------------------------------

  override take(message: StreamMessage): string | null {
    if (this.end !== null) return null;
    const change = this.apply(message);
    if (change === null) return `${message.channel} is not of the account`;
    const channel = message.channel as PrivateChannel;
    this.seqs.set(channel, message.seq);
    const was = this.valid;
    this.catchUp(channel);
    for (const one of change) this.listeners.tell(one);
    this.settled(was);
    return null;
  }

  override interrupt(key: StreamKey, reason: string): void {
    this.suspect(key.channel as PrivateChannel, `${reason}; it waits for another`);
  }

  override notice(key: StreamKey, notice: Notice): void {
    if (this.end !== null) return;
    const channel = key.channel as PrivateChannel;
    if (notice.type === "resumed") {
      const was = this.valid;
      this.behind.set(channel, notice.after + notice.missed);
      this.wrong.set(channel, `it catches up with the ${notice.missed} messages that it missed`);
      this.catchUp(channel);
      this.listeners.tell(notice);
      this.settled(was);
    } else if (notice.type !== "skipped") {
      this.behind.delete(channel);
      const reason = notice.type === "lost" ? notice.reason : "messages were dropped";
      this.suspect(channel, `${reason}; it waits for a snapshot`);
      this.listeners.tell(notice);
    }
  }

  // ---- inside ------------------------------------------------------------------------------------

  protected override get doubt(): string | null {
    for (const [channel, reason] of this.wrong) return `${channel}: ${reason}`;
    return null;
  }

  /** What a message has changed; null where it is of no channel of the account. */
  private apply(message: StreamMessage): readonly AccountChange[] | null {
    switch (message.channel) {
      case "fills":
        return this.takeFills(message);
      case "orders":
        return [{ type: "orders", orders: this.takeOrders(message) }];
      case "balances":
        if (message.type === "snapshot") this.byAsset.clear();
        for (const row of message.data?.balances ?? []) this.byAsset.set(row.asset, row);
        return [{ type: "balances" }];
      case "positions":
        if (message.type === "snapshot") this.bySymbol.clear();
        for (const row of message.data?.positions ?? []) this.bySymbol.set(row.symbol, row);
        return [{ type: "positions" }];
      default:
        return null;
    }
  }

  private takeOrders(message: StreamMessage<"orders">): readonly OrderData[] {
    if (message.type === "snapshot") this.openOrders.clear();
    const orders = message.type === "update" ? [message.data] : (message.data?.orders ?? []);
    for (const order of orders) {
      if (OPEN.has(order.status)) this.openOrders.set(order.order_id, order);
      else this.openOrders.delete(order.order_id);
    }
    return orders;
  }

  private takeFills(message: StreamMessage<"fills">): readonly AccountChange[] {
    const first = !this.seqs.has("fills");
    const { fills, lost } = this.sequence.take(message);
    const anew = first || lost !== null; // what is kept would have a hole, and that nobody can see
    if (anew) this.newest.length = 0;
    this.newest.push(...(anew ? fillsOf(message) : fills));
    this.newest.splice(0, Math.max(0, this.newest.length - FILLS_KEPT_MAX));
    const changes: AccountChange[] = lost === null ? [] : [lost];
    if (anew || fills.length > 0) changes.push({ type: "fills", fills });
    return changes;
  }

  private catchUp(channel: PrivateChannel): void {
    if ((this.seqs.get(channel) ?? 0) >= (this.behind.get(channel) ?? 0)) this.wrong.delete(channel);
  }

  /** Tell that it is valid, where it was not, and those who wait how it stands. */
  private settled(was: boolean): void {
    if (!this.valid) return;
    if (!was) this.listeners.tell({ type: "valid", reason: null });
    this.waiters.changed(this);
  }

  private suspect(channel: PrivateChannel, reason: string): void {
    if (this.end !== null) return;
    const was = this.valid;
    this.wrong.set(channel, reason);
    if (was) this.listeners.tell({ type: "invalid", reason: this.reason });
  }
}

/** The live account, valid when this returns. Errors as of `Requester.request`, and InvalidInput without a login. */
export async function openAccount(desk: Desk): Promise<LiveAccount> {
  return opened(desk, new LiveAccount(desk, desk.account()), "the account");
}

function fillsOf(message: StreamMessage<"fills">): readonly FillData[] {
  return message.type === "update" ? [message.data] : (message.data?.fills ?? []);
}
