/** What live books and the live account have in common: listeners, waiting for a state, and an end. */

import type { StreamKey } from "./channel.ts";
import type { Consumer, Desk, Owner } from "./consumer.ts";
import { ConnectionLost, TickwireError } from "./errors.ts";
import type { Notice, StreamMessage } from "./generated.ts";
import { Listeners, Waiters } from "./waiting.ts";

/** Something live can be read from now on, can't for a reason, or never will again. */
export interface StateChange {
  readonly type: "valid" | "invalid" | "closed";
  readonly reason: string | null;
}

/** A state that its streams keep true. After a loss it becomes valid again by itself. */
export abstract class Live<Change> implements Consumer {
  abstract readonly keys: readonly StreamKey[];
  protected readonly owner: Owner;
  protected readonly listeners = new Listeners<Change | StateChange>();
  protected readonly waiters = new Waiters<this>();
  protected end: Error | null = null;

  constructor(owner: Owner) {
    this.owner = owner;
  }

  /** Whether all of it is true now. */
  get valid(): boolean {
    return this.reason === null;
  }

  /** Why it is not; null while it is. */
  get reason(): string | null {
    return this.end === null ? this.doubt : this.end.message;
  }

  /** Hear of every change, right after it, until the returned function is called. A listener that throws is reported. */
  listen(listener: (change: Change | StateChange) => void): () => void {
    return this.listeners.add(listener);
  }

  /**
   * Wait for a state: until `predicate`, called on the valid state after each message, is true. Rejects with what it
   * throws.
   *
   * @throws ConnectionLost this or its client is closed for good.
   * @throws RequestRefused the server refused a stream after a reconnection.
   */
  async until(predicate: (state: this) => unknown): Promise<void> {
    if (this.valid && predicate(this)) return;
    if (this.end !== null) throw this.end;
    await this.waiters.wait(predicate);
  }

  /** End it. Closing twice is no error. */
  close(): void {
    if (this.end !== null) return;
    this.fail(null);
    this.owner.leave(this);
  }

  // ---- what the client calls ---------------------------------------------------------------------

  abstract take(message: StreamMessage): string | null;

  abstract notice(key: StreamKey, notice: Notice): void;

  abstract interrupt(key: StreamKey, reason: string): void;

  fail(error: Error | null): void {
    if (this.end !== null) return;
    this.end = error ?? new ConnectionLost("it is closed", 1000);
    this.listeners.end({ type: "closed", reason: this.end.message });
    this.waiters.fail(this.end);
  }

  /** Why it might be wrong, as long as it has not ended; null where it can't be. */
  protected abstract get doubt(): string | null;
}

/** What can be opened: a `Live` of any kind. */
type Opening = Consumer & { until(predicate: () => unknown): Promise<void>; close(): void };

/** Have `live` join its streams, and wait until it is valid; `name` is for the error. Errors as of `Requester.request`. */
export async function opened<L extends Opening>(desk: Desk, live: L, name: string): Promise<L> {
  await desk.join(live);
  const ms = desk.requestTimeoutMs;
  try {
    await desk.within(ms, live.until(() => true), () => new TickwireError(`no snapshot of ${name} in ${ms} ms`)); // prettier-ignore
  } catch (error) {
    live.close();
    throw error;
  }
  return live;
}
