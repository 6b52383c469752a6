/** Subscriptions: the messages of one channel, for a listener or for an iteration. */

import type { StreamKey } from "./channel.ts";
import type { Consumer, Owner } from "./consumer.ts";
import type { Channel, Lost, Notice, StreamMessage } from "./generated.ts";
import { report } from "./waiting.ts";

/** Messages that wait for one iteration: a few seconds' pause on a busy stream, in a few MB. */
export const QUEUE_MAX = 10_000;

/** What a subscription brings: messages and, where something is missing or goes on, notices. */
export type Item<C extends Channel = Channel> = StreamMessage<C> | Notice;

/**
 * The messages of a channel for one or more symbols, in order, each told to a listener as it arrives.
 *
 * Where something is missing, the listener gets a `gap` or `skipped` (the server says so) or a `lost` (found out on this
 * side); after a `gap` or `lost` the next message of that stream is a snapshot. After a lost connection every stream says
 * one of two things: `resumed`, then come exactly the messages that it missed; or `lost`, at once where the class is latest
 * and nothing could bring them back.
 */
export class Subscription implements Consumer {
  readonly keys: readonly StreamKey[];
  /** Resolves when nothing more comes: with null once it or its client is closed, or with the error that ended it. */
  readonly ended: Promise<Error | null>;
  private readonly owner: Owner;
  private readonly listener: (item: Item) => void;
  private resolveEnded: (error: Error | null) => void = () => undefined;
  private over = false;

  constructor(owner: Owner, keys: readonly StreamKey[], listener: (item: Item) => void) {
    this.owner = owner;
    this.keys = keys;
    this.listener = listener;
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  /** What it is subscribed to. */
  get symbols(): string[] {
    return this.keys.map((key) => key.symbol);
  }

  /** End it; the listener is not called again. Closing twice is no error. */
  close(): void {
    if (this.over) return;
    this.owner.leave(this);
    this.fail(null);
  }

  take(message: StreamMessage): null {
    this.tell(message);
    return null;
  }

  notice(_key: StreamKey, notice: Notice): void {
    this.tell(notice);
  }

  interrupt(): void {
    // the notice over the next connection says what came of it
  }

  fail(error: Error | null): void {
    this.over = true;
    this.resolveEnded(error);
  }

  private tell(item: Item): void {
    if (this.over) return;
    try {
      this.listener(item);
    } catch (error) {
      report(error); // a listener that throws hurts nobody else
    }
  }
}

/** What a queue needs of its client besides being a consumer's owner. */
export interface QueueOwner extends Owner {
  /** Have a stream begin anew, for a reason found outside. */
  lose(key: StreamKey, reason: string): void;
}

/**
 * Items for one reader. A browser can't stop reading its socket, so that a queue that is full leaves out what comes then;
 * when half of it was read, it says so with a `lost` for each stream that this befell, and has it begin anew.
 */
export class Queue implements Consumer {
  readonly keys: readonly StreamKey[];
  private readonly owner: QueueOwner;
  private readonly max: number;
  private items: Item[] = [];
  private read = 0;
  /** the last message in the queue, by the id of its stream */
  private readonly last = new Map<string, number>();
  private readonly dropping = new Set<StreamKey>();
  private end: { readonly error: Error | null } | null = null;
  private wake: () => void = () => undefined;

  constructor(owner: QueueOwner, keys: readonly StreamKey[], max = QUEUE_MAX) {
    this.owner = owner;
    this.keys = keys;
    this.max = max;
  }

  /** The next item; undefined after the end. @throws what ended it. */
  async next(): Promise<Item | undefined> {
    while (this.read === this.items.length) {
      if (this.end?.error != null) throw this.end.error;
      if (this.end !== null) return undefined;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const item = this.items[this.read]!;
    this.read += 1;
    if (this.read * 2 >= this.items.length) {
      this.items = this.items.slice(this.read);
      this.read = 0;
    }
    if (this.dropping.size > 0 && this.waiting <= this.max / 2) this.beginAnew();
    return item;
  }

  take(message: StreamMessage): null {
    const key = this.keys.find(({ symbol }) => symbol === message.symbol)!;
    if (this.dropping.has(key)) return null;
    if (this.waiting >= this.max) {
      this.dropping.add(key);
    } else {
      this.last.set(key.id, message.seq);
      this.put(message);
    }
    return null;
  }

  notice(key: StreamKey, notice: Notice): void {
    // at most two a stream and connection come on top; where something is left out, a `lost` of our own follows
    if (!this.dropping.has(key)) this.put(notice);
  }

  interrupt(): void {
    // the notice over the next connection says what came of it
  }

  fail(error: Error | null): void {
    this.end ??= { error };
    this.wake();
  }

  private get waiting(): number {
    return this.items.length - this.read;
  }

  private put(item: Item): void {
    this.items.push(item);
    this.wake();
  }

  private beginAnew(): void {
    const reason = `${this.max} messages waited to be read; what came then was left out`;
    for (const key of this.dropping) {
      this.owner.lose(key, reason); // what it says of that to this queue is dropped, too
      this.put(lost(key, this.last.get(key.id) ?? 0, reason));
    }
    this.dropping.clear();
  }
}

function lost({ channel, symbol, depth, intervalMs, interval }: StreamKey, after: number, reason: string): Lost {
  return {
    type: "lost",
    channel,
    symbol,
    after,
    reason,
    ...(depth === 0 ? {} : { depth }),
    ...(intervalMs === 0 ? {} : { interval_ms: intervalMs }),
    ...(interval === "" ? {} : { interval }),
  };
}
