/** Subscriptions: the messages of one channel, for a listener or for an iteration. */

import { keyId, optionsOf, type StreamKey } from "./channel.ts";
import type { Consumer, Owner } from "./consumer.ts";
import type { Channel, Lost, Notice, StreamMessage } from "./generated.ts";
import { called } from "./waiting.ts";

/** Messages that wait for one iteration: a few seconds' pause on a busy stream, in a few MB. */
export const QUEUE_MAX = 10_000;
/** The same in bytes on the wire, since the snapshot of a deep book can be as large as thousands of trades. */
export const QUEUE_BYTES_MAX = 16 * 1024 * 1024;

/** What a subscription brings: messages and, where something is missing or goes on, notices. */
export type Item<C extends Channel = Channel> = StreamMessage<C> | Notice;

/** What a subscription calls with each item. It can come before `subscribe` has resolved: hence the subscription beside. */
export type Listener<C extends Channel = Channel> = (item: Item<C>, subscription: Subscription) => void;

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
  private readonly listener: Listener;
  private resolveEnded: (error: Error | null) => void = () => undefined;
  private over = false;

  constructor(owner: Owner, keys: readonly StreamKey[], listener: Listener) {
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
    if (!this.over) called(this.listener, item, this);
  }
}

/**
 * Items for one reader. A browser can't stop reading its socket, so that a queue which is full leaves out all that comes
 * then; once the reader has come to that place, it is to `begin` anew.
 */
export class Queue implements Consumer {
  readonly keys: readonly StreamKey[];
  private items: (readonly [item: Item, bytes: number])[] = [];
  private read = 0;
  private bytes = 0;
  /** the last message in the queue, by the id of its stream */
  private readonly last = new Map<string, number>();
  private full = false;
  private end: { readonly error: Error | null } | null = null;
  private wake: () => void = () => undefined;

  constructor(keys: readonly StreamKey[]) {
    this.keys = keys;
  }

  /** The next item; undefined at the end, and where the queue was full. @throws what ended it. */
  async next(): Promise<Item | undefined> {
    while (this.read === this.items.length) {
      if (this.end?.error != null) throw this.end.error;
      if (this.end !== null || this.full) return undefined;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const [item, bytes] = this.items[this.read]!;
    this.read += 1;
    this.bytes -= bytes;
    if (this.read * 2 >= this.items.length) {
      this.items = this.items.slice(this.read);
      this.read = 0;
    }
    return item;
  }

  /** Whether it has ended: nothing more comes. */
  get ended(): boolean {
    return this.end !== null;
  }

  /** Take items again; what was left out of each stream until now. */
  begin(): Lost[] {
    this.full = false;
    const reason = "too many messages waited to be read; what came then was left out";
    return this.keys.map((key) => {
      const { channel, symbol } = key;
      return { type: "lost", channel, symbol, after: this.last.get(key.id) ?? 0, reason, ...optionsOf(key) };
    });
  }

  take(message: StreamMessage, bytes: number): null {
    if (this.put(message, bytes)) this.last.set(keyId(message), message.seq);
    return null;
  }

  notice(_key: StreamKey, notice: Notice): void {
    this.put(notice, 0);
  }

  interrupt(): void {
    // the notice over the next connection says what came of it
  }

  fail(error: Error | null): void {
    this.end ??= { error };
    this.wake();
  }

  private put(item: Item, bytes: number): boolean {
    this.full ||= this.items.length - this.read >= QUEUE_MAX || this.bytes >= QUEUE_BYTES_MAX;
    if (this.full) return false;
    this.items.push([item, bytes]);
    this.bytes += bytes;
    this.wake();
    return true;
  }
}
