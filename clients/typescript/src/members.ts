/** Who takes which stream: several consumers may share one, and it is subscribed to once. */

import type { StreamKey } from "./channel.ts";
import type { Consumer } from "./consumer.ts";
import type { Notice, StreamMessage } from "./generated.ts";
import { said } from "./session.ts";

interface Member {
  readonly consumer: Consumer;
  /** It has had no snapshot yet: what comes before is of somebody else's subscription. */
  waits: boolean;
}

/** The consumers of a client, by stream. To each, a stream begins with a snapshot. */
export class Members {
  private readonly streams = new Map<string, { readonly key: StreamKey; readonly list: readonly Member[] }>();

  /** All streams that somebody takes. */
  get keys(): StreamKey[] {
    return Array.from(this.streams.values(), ({ key }) => key);
  }

  /** Every consumer once. */
  get all(): Set<Consumer> {
    return new Set([...this.streams.values()].flatMap(({ list }) => list.map(({ consumer }) => consumer)));
  }

  /** Who takes a stream. */
  of(key: StreamKey): Consumer[] {
    return this.list(key).map(({ consumer }) => consumer);
  }

  /** A consumer takes its streams from now on. */
  add(consumer: Consumer): void {
    for (const key of consumer.keys) {
      this.streams.set(key.id, { key, list: [...this.list(key), { consumer, waits: true }] });
    }
  }

  /** Forget a consumer; returns the streams that nobody takes now. */
  remove(consumer: Consumer): StreamKey[] {
    const unwanted: StreamKey[] = [];
    for (const key of consumer.keys) {
      const list = this.list(key).filter((member) => member.consumer !== consumer);
      if (list.length > 0) this.streams.set(key.id, { key, list });
      else if (this.streams.delete(key.id)) unwanted.push(key);
    }
    return unwanted;
  }

  /** The next message of a stream; returns what is wrong with it, null for nothing. */
  deliver(key: StreamKey, message: StreamMessage, bytes: number): string | null {
    let wrong: string | null = null;
    for (const member of this.list(key)) {
      if (member.waits && message.type === "update") continue;
      member.waits = false;
      try {
        wrong = member.consumer.take(message, bytes) ?? wrong;
      } catch (error) {
        wrong = `it can't be taken: ${said(error)}`;
      }
    }
    return wrong;
  }

  /** Something of a stream was left out, or it goes on. */
  notice(key: StreamKey, notice: Notice): void {
    for (const { consumer, waits } of this.list(key)) if (!waits) consumer.notice(key, notice);
  }

  /** A lossless stream's connection is gone. */
  interrupt(key: StreamKey, reason: string): void {
    for (const { consumer, waits } of this.list(key)) if (!waits) consumer.interrupt(key, reason);
  }

  private list(key: StreamKey): readonly Member[] {
    return this.streams.get(key.id)?.list ?? [];
  }
}
