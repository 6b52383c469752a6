/**
 * The client's end of the protocol without I/O: messages in, outcomes out. Pure.
 *
 * Requests and replies, hellos and heartbeats; what a message means for its stream, `streams.ts` says.
 *
 * The caller's duties: hand every message to `received` with the current time, act on the outcomes in order, send what
 * `toSend` gives after every call that may have filled it, and close the connection when `deadline` has passed or an
 * outcome is `broken`. After a loss: `takeUp` where the last session stood as soon as the hello is there, then `resume`.
 */

import { isChannel, keyId, streamParams, type StreamKey } from "./channel.ts";
import { decode, encode, type Encoding } from "./codec.ts";
import { InvalidInput, RequestRefused, TickwireError } from "./errors.ts";
import type {
  Drain,
  ErrorCode,
  Gap,
  Heartbeat,
  Hello,
  Lagging,
  Method,
  Skipped,
  StreamMessage,
  StreamState,
} from "./generated.ts";
import type { Outcome, Stats } from "./outcomes.ts";
import { Streams, type Places } from "./streams.ts";

/** Requests in flight: more than a page or a program has use for, fewer than a server must keep for one client. */
export const REQUESTS_MAX = 64;
/** How long the server may take to say hello: it has nothing to do first but accept. */
export const HELLO_TIMEOUT_MS = 10_000;
/** The longest heartbeat a client goes along with: beyond 10 minutes it can't tell a dead server from a calm one. */
export const HEARTBEAT_MS_MAX = 600_000;
/** Heartbeats after which a mute server counts as dead. */
const HEARTBEATS_MUTE = 2.5;

/** Those that the session makes by itself: the other half is for its user. */
const OWN_REQUESTS_MAX = REQUESTS_MAX / 2;

const SYMBOL_FIELD = /^symbols\[(\d{1,4})\]$/;

/** A message as the socket takes it. */
export type Wire = string | Uint8Array<ArrayBuffer>;

/** A request that waits to be sent, and the id that its answer bears. */
export interface Made {
  readonly id: number;
  readonly data: Wire;
}

type Fields = Readonly<Record<string, unknown>>;

/** A message is readable but not what the protocol says. */
class WrongShape extends Error {}

/** One connection's state. */
export class Session {
  hello: Hello | null = null;
  /** When something was received last, ms. */
  receivedMs: number;
  private readonly stats: Stats;
  private readonly encoding: Encoding;
  private readonly streams: Streams;
  private heardMs: number;
  private serverAhead = 0n;
  private nextId = 1;
  /** the user's: id -> the streams that it subscribes to */
  private readonly requests = new Map<number, readonly StreamKey[]>();
  /** the session's own: id -> the streams that it asks for again */
  private readonly own = new Map<number, readonly StreamKey[]>();

  /**
   * @param encoding what the connection negotiated.
   * @param openedMs when it did, on any clock that only rises; the same clock as in `received`.
   * @param stats counters to add to.
   */
  constructor(encoding: Encoding, openedMs: number, stats: Stats) {
    this.encoding = encoding;
    this.receivedMs = this.heardMs = openedMs;
    this.stats = stats;
    this.streams = new Streams(stats);
  }

  // ---- time --------------------------------------------------------------------------------------

  /** When the connection counts as dead unless something is received before, ms. */
  get deadline(): number {
    const wait = this.hello === null ? HELLO_TIMEOUT_MS : this.hello.heartbeat_ms * HEARTBEATS_MUTE;
    return this.heardMs + wait;
  }

  /** The server's clock, ns since the Unix epoch, by what it said last: behind by what that took on its way. */
  serverTime(nowMs: number): bigint {
    return nanoseconds(nowMs) + this.serverAhead;
  }

  // ---- out ---------------------------------------------------------------------------------------

  /**
   * A request to send. Its `answered` or `refused` bears the same id.
   *
   * @throws TickwireError too many requests are in flight; nothing was sent.
   * @throws InvalidInput the request is larger than the server takes, or can't be encoded.
   */
  request(method: Method, params: object | undefined): Made {
    return this.made(method, params, []);
  }

  private made(method: Method, params: object | undefined, keys: readonly StreamKey[]): Made {
    if (this.requests.size + this.own.size >= REQUESTS_MAX) {
      throw new TickwireError(`${REQUESTS_MAX} requests are in flight; wait for an answer first (nothing was sent)`);
    }
    const data = this.encoded(method, params);
    const max = this.hello?.limits.message_bytes ?? Infinity;
    const bytes = typeof data === "string" ? new TextEncoder().encode(data).length : data.length;
    if (bytes > max) {
      throw new InvalidInput(`the request is ${bytes} bytes, the server takes ${max}; split it`, "params");
    }
    const id = this.nextId++;
    this.requests.set(id, keys);
    return { id, data };
  }

  /** Stop waiting for a reply; should it come, it is counted as unexpected. */
  forget(id: number): void {
    this.requests.delete(id);
  }

  /** A request for streams that differ in the symbol only. They are tracked from now on, unless it is refused. */
  subscribe(keys: readonly StreamKey[]): Made {
    const request = this.made("subscribe", streamParams(keys), keys);
    this.streams.track(keys);
    return request;
  }

  /** End streams, with requests in `toSend`: what still comes of them is ignored from now on. */
  unsubscribe(keys: readonly StreamKey[]): void {
    this.streams.drop(keys);
  }

  /** Expect nothing more of these streams. */
  untrack(keys: Iterable<StreamKey>): void {
    this.streams.untrack(keys);
  }

  /** Where the lossless streams stand, for `takeUp` of the next session; to be asked for after `closed`. */
  get places(): Places {
    return this.streams.places;
  }

  /** Track what an earlier connection was subscribed to, from where it stood, before anything else is. */
  takeUp(keys: Iterable<StreamKey>, places: Places): Outcome[] {
    return this.streams.takeUp(keys, places);
  }

  /** Ask for what was taken up, unless somebody has subscribed to it since. */
  resume(): void {
    this.streams.resume(this.asked());
  }

  /** Messages that the session wants sent by itself, in order. */
  toSend(): Wire[] {
    const room = Math.min(OWN_REQUESTS_MAX, REQUESTS_MAX - this.requests.size) - this.own.size;
    return this.streams.requests(room).map(({ method, keys, position }) => {
      const data = this.encoded(method, streamParams(keys, position));
      // to unsubscribe is asked for again when a heartbeat says that it was refused
      this.own.set(this.nextId++, method === "subscribe" ? keys : []);
      return data;
    });
  }

  // ---- in ----------------------------------------------------------------------------------------

  /** What one message of the server comes to. Never throws for anything in `data`. */
  received(data: string | Uint8Array, nowMs: number): Outcome[] {
    this.receivedMs = nowMs;
    if (this.hello !== null) this.heardMs = nowMs; // until then nothing but a hello will do
    this.stats.messages += 1;
    this.stats.bytes += data.length;
    let message: unknown;
    try {
      message = decode(data);
    } catch (error) {
      return this.broken(1007, `a message can't be decoded: ${said(error)}`);
    }
    try {
      return this.read(fieldsOf(message, "a message"), data.length, nowMs);
    } catch (error) {
      if (error instanceof WrongShape) return this.broken(1002, `a message has the wrong shape: ${error.message}`);
      throw error;
    }
  }

  /** Treat a stream as lost, for a reason found outside (a checksum). No news when it is already. */
  lost(key: StreamKey, reason: string): Outcome[] {
    return this.streams.lost(key, reason);
  }

  /** The connection is gone: every stream that was whole is interrupted, or lost where its past is not kept. */
  closed(reason: string): Outcome[] {
    return this.streams.closed(reason);
  }

  // ---- inside ------------------------------------------------------------------------------------

  private encoded(method: string, params: object | undefined): Wire {
    const request = { id: this.nextId, method, ...(params === undefined ? {} : { params }) };
    return encode(request, this.encoding);
  }

  /** The ids of the streams that the user subscribes to just now. */
  private asked(): Set<string> {
    return new Set([...this.requests.values()].flat().map((key) => key.id));
  }

  private read(message: Fields, bytes: number, nowMs: number): Outcome[] {
    switch (message.type) {
      case "update":
      case "snapshot":
        return this.streamMessage(message, bytes);
      case "heartbeat":
      case "hello":
      case "drain":
      case "lagging":
      case "gap":
      case "skipped":
        return this.control(message as unknown as Control, message, nowMs);
      case undefined:
      case "":
        if ("id" in message) return this.reply(message);
    }
    this.stats.unknown += 1;
    return [];
  }

  private streamMessage(fields: Fields, bytes: number): Outcome[] {
    const channel = text(fields, "channel");
    if (!isChannel(channel)) {
      this.stats.unknown += 1;
      return [];
    }
    naming(fields);
    const named = fields as unknown as StreamMessage;
    const key = this.streams.find(keyId(named));
    if (key === undefined) {
      this.stats.unexpected += 1;
      return [];
    }
    const seq = count(fields, "seq");
    time(fields, "ts");
    const { type, data } = named;
    if (typeof data !== "object" || (data === null && type === "update")) throw new WrongShape("`data` is no object");
    const delivered = { kind: "delivered", key, message: named, bytes } as const;
    if (type === "snapshot") return [...this.streams.snapshot(key, seq), delivered];
    const taken = this.streams.update(key, seq);
    if (taken === true) return [delivered];
    return taken === false ? [] : [taken];
  }

  private control(message: Control, fields: Fields, nowMs: number): Outcome[] {
    switch (message.type) {
      case "heartbeat":
        this.serverAhead = time(fields, "time") - nanoseconds(nowMs);
        states(fields);
        return [{ kind: "heartbeat", heartbeat: message }, ...this.streams.heartbeat(message)];
      case "hello":
        return this.greeted(message, fields, nowMs);
      case "drain":
        time(fields, "deadline");
        return [{ kind: "drain", drain: message }];
      case "lagging":
        count(fields, "messages");
        this.stats.lagging += 1;
        return [{ kind: "lagging", lagging: message }];
      case "gap":
      case "skipped":
        naming(fields);
        count(fields, "from");
        count(fields, "to");
        return this.streams.noticed(message);
    }
  }

  private greeted(hello: Hello, fields: Fields, nowMs: number): Outcome[] {
    const ahead = time(fields, "time") - nanoseconds(nowMs);
    for (const name of ["session", "epoch", "challenge", "version"]) text(fields, name);
    count(fieldsOf(fields.limits, "`limits`"), "message_bytes");
    const beat = count(fields, "heartbeat_ms");
    if (beat < 1 || beat > HEARTBEAT_MS_MAX) {
      return this.broken(1002, `heartbeat_ms is ${beat}, not 1 to ${HEARTBEAT_MS_MAX}`);
    }
    this.hello = { ...hello, demo: fields.demo === true };
    this.streams.epoch = hello.epoch;
    this.heardMs = nowMs;
    this.serverAhead = ahead;
    return [{ kind: "hello", hello: this.hello }];
  }

  private reply(message: Fields): Outcome[] {
    const error = message.error ?? null;
    const id = typeof message.id === "number" ? message.id : 0;
    const keys = this.requests.get(id);
    const own = this.own.get(id);
    if (keys !== undefined) {
      this.requests.delete(id);
      if (error === null) {
        this.streams.granted(keys);
        return [{ kind: "answered", id, result: message.result }];
      }
      const asked = this.asked();
      this.untrack(keys.filter((key) => this.streams.find(key.id) === undefined && !asked.has(key.id)));
      return [{ kind: "refused", id, error: refusalOf(error) }];
    }
    if (own === undefined) {
      this.stats.unexpected += 1;
      return [];
    }
    this.own.delete(id);
    if (error === null) {
      return this.streams.asksToGoOn(own) ? this.streams.answered(states(fieldsOf(message.result, "`result`"))) : [];
    }
    const refusal = refusalOf(error);
    if (refusal.retry) {
      this.streams.refusedForNow(own);
      return [];
    }
    const index = Number(SYMBOL_FIELD.exec(refusal.field ?? "")?.[1] ?? own.length);
    const ended = this.streams.refused(own, index < own.length ? index : null);
    return ended.map((key) => ({ kind: "ended", key, error: refusal }));
  }

  private broken(code: number, reason: string): Outcome[] {
    this.stats.malformed += 1;
    return [{ kind: "broken", code, reason }];
  }
}

type Control = Heartbeat | Hello | Drain | Lagging | Gap | Skipped;

/** A request's error as what is thrown for it. @throws WrongShape it is none. */
function refusalOf(error: unknown): RequestRefused {
  const fields = fieldsOf(error, "`error`");
  const field = fields.field ?? null;
  return new RequestRefused(
    text(fields, "code") as ErrorCode,
    text(fields, "message"),
    typeof field === "string" ? field : null,
    fields.retry === true,
  );
}

/** What an error says of itself. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1e6));
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new WrongShape(`${what} is no object`);
  return value as Fields;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new WrongShape(`\`${name}\` is no text`);
  return value;
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new WrongShape(`\`${name}\` is no integer`);
  return value;
}

function time(fields: Fields, name: string): bigint {
  const value = fields[name];
  if (typeof value !== "bigint") throw new WrongShape(`\`${name}\` is no time`);
  return value;
}

/** Check what names a stream. */
function naming(fields: Fields): void {
  for (const name of ["channel", "symbol"]) text(fields, name);
  for (const name of ["depth", "interval_ms"]) if (fields[name] !== undefined) count(fields, name);
  if (fields.interval !== undefined) text(fields, "interval");
}

function states(fields: Fields): StreamState[] {
  const list = fields.streams;
  if (!Array.isArray(list)) throw new WrongShape("`streams` is no list");
  for (const state of list) {
    const named = fieldsOf(state, "one of `streams`");
    naming(named);
    count(named, "seq");
    if (named.reason !== undefined) text(named, "reason");
  }
  return list as StreamState[];
}
