/** The seam between the connection and what lives on its streams: subscriptions, live books, the live account. */

import type { StreamKey } from "./channel.ts";
import type { ConnectionLost } from "./errors.ts";
import type { InstrumentInfo, Method, Notice, Params, Results, StreamMessage } from "./generated.ts";
import type { Stats } from "./outcomes.ts";

/** Something that takes the messages of streams. Everything is called synchronously, in the order of the wire. */
export interface Consumer {
  /** The streams it wants; given to `Owner.leave` when it wants them no more. */
  readonly keys: readonly StreamKey[];
  /** Take a message; a string says what is wrong with it, which makes the stream begin anew. */
  take(message: StreamMessage, bytes: number): string | null;
  /** Something was left out, or a stream goes on after its connection was lost. */
  notice(key: StreamKey, notice: Notice): void;
  /** A lossless stream's connection is gone; `lost` or `resumed` follows over the next one. */
  interrupt(key: StreamKey, reason: string): void;
  /** Nothing more comes; null where the client was simply closed or logged out. Called once by the owner. */
  fail(error: Error | null): void;
  /**
   * Only of what counts in an instrument's steps: they as they are after a reconnection. Returns whether they are others
   * now, so that it must begin anew.
   */
  readonly rescale?: (info: InstrumentInfo) => boolean;
}

/** What a consumer needs of its client. */
export interface Owner {
  readonly stats: Stats;
  /** End the consumer's streams, unless another one has them too. `fail` is not called. */
  leave(consumer: Consumer): void;
}

/** A connection as far as requests go; it is never open again once it is lost. */
export interface Requester {
  readonly open: boolean;
  /**
   * Ask the server something.
   *
   * @throws RequestRefused the server says no, and why.
   * @throws ConnectionLost the connection is gone; `sent` says whether the request was sent.
   * @throws TickwireError no answer in time, for which `timeoutMs` replaces the client's; `sent` as well.
   */
  request<M extends Method>(method: M, params: Params[M] | undefined, timeoutMs?: number): Promise<Results[M]>;
}

/** What trading and the live account need of their client, besides being a consumer's owner. */
export interface Desk extends Owner {
  /** The connection. @throws ConnectionLost there is none now. */
  connection(): Requester;
  /** The connection that was used before if it is still open, or else the next one. @throws ConnectionLost there will be none. */
  again(before: Pick<Requester, "open">): Promise<Requester>;
  /** Wait a second, as `retry` in an error asks for. */
  pause(): Promise<void>;
  /** Subscribe to a consumer's streams, which begin with a snapshot. Errors as of `Requester.request`. */
  join(consumer: Consumer): Promise<void>;
  /** The epoch of the newest connection, "" before the first. */
  readonly epoch: string;
  /** The error that ended the client for good, null while it lives. */
  readonly ended: ConnectionLost | null;
  /** Whom the server takes the client for. @throws InvalidInput it is not logged in. */
  account(): string;
  /** One instrument, from the list that is asked for once a connection. @throws InvalidInput there is none. */
  instrument(symbol: string): Promise<InstrumentInfo>;
  /** How long a reply may take, ms. */
  readonly requestTimeoutMs: number;
  /** An id for an order, new every time. */
  newId(): string;
  /** `run`, unless that takes longer than `ms`. @throws what `late` makes. */
  within<T>(ms: number, run: Promise<T>, late: () => Error): Promise<T>;
}
