/** What a message of the server can come to at the client's end of the protocol. */

import type { StreamKey } from "./channel.ts";
import type { RequestRefused } from "./errors.ts";
import type { Drain, Heartbeat, Hello, Lagging, Notice, StreamMessage } from "./generated.ts";

/** One step that a received message, or the end of a connection, leads to; to be acted on in order. */
export type Outcome =
  | { readonly kind: "hello"; readonly hello: Hello }
  | { readonly kind: "heartbeat"; readonly heartbeat: Heartbeat }
  | { readonly kind: "drain"; readonly drain: Drain }
  | { readonly kind: "lagging"; readonly lagging: Lagging }
  /** The next message of a stream, `bytes` long on the wire. */
  | { readonly kind: "delivered"; readonly key: StreamKey; readonly message: StreamMessage; readonly bytes: number }
  | { readonly kind: "noticed"; readonly key: StreamKey; readonly notice: Notice }
  /** A lossless stream's connection is gone: `lost` or `resumed` comes over the next one. */
  | { readonly kind: "interrupted"; readonly key: StreamKey; readonly reason: string }
  | { readonly kind: "answered"; readonly id: number; readonly result: unknown }
  | { readonly kind: "refused"; readonly id: number; readonly error: RequestRefused }
  /** A stream can't be had any more: the server refused to resume it. */
  | { readonly kind: "ended"; readonly key: StreamKey; readonly error: RequestRefused }
  /** The server broke the protocol: close with this code, then connect anew. */
  | { readonly kind: "broken"; readonly code: number; readonly reason: string };

/** Counters of a client over all its connections. */
export interface Stats {
  messages: number;
  /** Of these messages, as they were once the socket had decompressed them; of text, characters. */
  bytes: number;
  lost: number;
  /** Streams that went on over another connection with nothing missing. */
  resumed: number;
  gaps: number;
  skipped: number;
  /** How often the server said that this client is behind. */
  lagging: number;
  checksumMismatches: number;
  /** Messages of a type or channel that this version does not know; ignored. */
  unknown: number;
  /** Messages of streams not (or no longer) subscribed to, and replies to nothing in flight; ignored. */
  unexpected: number;
  malformed: number;
  connections: number;
}

/** Counters that stand at 0. */
export function newStats(): Stats {
  return {
    messages: 0, bytes: 0, lost: 0, resumed: 0, gaps: 0, skipped: 0, lagging: 0, checksumMismatches: 0, unknown: 0,
    unexpected: 0, malformed: 0, connections: 0,
  }; // prettier-ignore
}
