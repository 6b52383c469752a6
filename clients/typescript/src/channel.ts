/** Streams by name: a channel of a symbol, with the options that make it another stream. */

import { InvalidInput } from "./errors.ts";
import { BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS, CHANNELS } from "./generated.ts";
import type { Position, StreamParams } from "./generated.ts";

/** Options of a stream; `depth` and `intervalMs` belong to `book`, `interval` to `candles` (without it "1m"). */
export interface StreamOptions {
  /** Only the best levels: one of `BOOK_DEPTHS`. */
  readonly depth?: number | undefined;
  /** At most one message in so many ms: one of `BOOK_INTERVALS_MS`. */
  readonly intervalMs?: number | undefined;
  /** A name of `CANDLE_INTERVALS`. */
  readonly interval?: string | undefined;
}

const OPTIONS: Record<keyof StreamOptions, true> = { depth: true, intervalMs: true, interval: true };

/** Names one stream. `symbol` is the account for a private channel; 0 and "" are options that are not set. */
export interface StreamKey {
  /** The same for equal keys, and for these only. */
  readonly id: string;
  readonly channel: string;
  readonly symbol: string;
  readonly depth: number;
  readonly intervalMs: number;
  readonly interval: string;
}

/** The part of a message that names its stream. */
export interface Named {
  readonly channel: string;
  readonly symbol: string;
  readonly depth?: number | undefined;
  readonly interval_ms?: number | undefined;
  readonly interval?: string | undefined;
}

/** `StreamKey.id` of the stream that a message names. */
export function keyId(named: Named): string {
  return `${named.channel}/${named.depth ?? 0}/${named.interval_ms ?? 0}/${named.interval ?? ""}/${named.symbol}`;
}

/** The key of the stream that a message names. */
export function keyOf(named: Named): StreamKey {
  const { channel, symbol, depth = 0, interval_ms: intervalMs = 0, interval = "" } = named;
  return { id: keyId(named), channel, symbol, depth, intervalMs, interval };
}

/**
 * A checked key. The symbol is not looked up here.
 *
 * @throws InvalidInput no such channel, or an option that it does not take.
 */
export function streamKey(channel: string, symbol: string, options: StreamOptions = {}): StreamKey {
  checkOptions(options, OPTIONS);
  const { depth, intervalMs } = options;
  let { interval } = options;
  if (!isChannel(channel)) {
    throw new InvalidInput(`no channel "${channel}"; there are ${Object.keys(CHANNELS).join(", ")}`, "channel");
  }
  if (channel !== "book" && (depth !== undefined || intervalMs !== undefined)) {
    const field = depth === undefined ? "intervalMs" : "depth";
    throw new InvalidInput(`${field} belongs to the channel book, not to ${channel}`, field);
  }
  if (depth !== undefined && !BOOK_DEPTHS.some((known) => known === depth)) {
    throw new InvalidInput(`depth must be one of ${BOOK_DEPTHS.join(", ")}`, "depth");
  }
  if (intervalMs !== undefined && !BOOK_INTERVALS_MS.some((known) => known === intervalMs)) {
    throw new InvalidInput(`intervalMs must be one of ${BOOK_INTERVALS_MS.join(", ")}`, "intervalMs");
  }
  if (channel === "candles") {
    interval ??= "1m";
    if (!Object.hasOwn(CANDLE_INTERVALS, interval)) {
      throw new InvalidInput(`interval must be one of ${Object.keys(CANDLE_INTERVALS).join(", ")}`, "interval");
    }
  } else if (interval !== undefined) {
    throw new InvalidInput(`interval belongs to the channel candles, not to ${channel}`, "interval");
  }
  return keyOf({ channel, symbol, depth, interval_ms: intervalMs, interval });
}

/** @throws InvalidInput an option is none of those that are known. */
export function checkOptions(options: object, known: object): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new InvalidInput(`no option "${name}"; there are ${Object.keys(known).join(", ")}`, name);
  }
}

/** Whether this version knows the channel. */
export function isChannel(channel: string): channel is keyof typeof CHANNELS {
  return Object.hasOwn(CHANNELS, channel);
}

/** Whether a channel is the account's: it takes no symbol. */
export function isPrivate(channel: string): boolean {
  return isChannel(channel) && CHANNELS[channel] === "private";
}

/** True when every message counts; false when only the newest does. */
export function isLossless(key: StreamKey): boolean {
  return isChannel(key.channel) && CHANNELS[key.channel] !== "latest" && key.depth === 0 && key.intervalMs === 0;
}

/** Streams in groups that differ in the symbol only, as one request can name them. */
export function byRequest(keys: Iterable<StreamKey>): StreamKey[][] {
  const groups = new Map<string, StreamKey[]>();
  for (const key of keys) {
    const name = keyId({ ...optionsOf(key), channel: key.channel, symbol: "" });
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [key]);
    else group.push(key);
  }
  return [...groups.values()];
}

/** Parameters of `subscribe` and `unsubscribe` for streams (at least one) that differ in the symbol only. */
export function streamParams(keys: readonly StreamKey[], from?: Position): StreamParams {
  const first = keys[0]!;
  return {
    channel: first.channel,
    ...(isPrivate(first.channel) ? {} : { symbols: keys.map((key) => key.symbol) }),
    ...optionsOf(first),
    ...(from === undefined ? {} : { from }),
  } as StreamParams;
}

/** The options of a stream as its messages carry them: those that are set. */
export function optionsOf(key: StreamKey): { depth?: number; interval_ms?: number; interval?: string } {
  return {
    ...(key.depth === 0 ? {} : { depth: key.depth }),
    ...(key.intervalMs === 0 ? {} : { interval_ms: key.intervalMs }),
    ...(key.interval === "" ? {} : { interval: key.interval }),
  };
}
