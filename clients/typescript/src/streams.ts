/**
 * Where the streams of a client stand, and what each message and each loss of a connection means for them. Pure.
 *
 * Rules of a stream, which this module holds the server to:
 *
 * - It begins with a snapshot. A later snapshot, at any moment, replaces the state.
 * - Lossless: an update's `seq` is the last one plus 1, and so is that of a venue's book that was sent anew. Any other
 *   snapshot stands where the stream stands; one that does not skips messages. Latest: `seq` only rises.
 * - A heartbeat names the last `seq` of every stream of the session. The transport is ordered, so whatever was published
 *   before the heartbeat has arrived before it, or is lost. What it names and nobody wants is unsubscribed from.
 *
 * A stream that broke a rule is `lost`: its updates are held back and it is subscribed to again, which makes the server
 * send a snapshot. A lossless stream that was whole when its connection was lost is `interrupted`, and asked for from its
 * last message on over the next one. Then it is either `resumed`, and exactly what it missed follows, or `lost`, and a
 * snapshot follows.
 */

import { byRequest, isLossless, keyId, keyOf, optionsOf, type StreamKey } from "./channel.ts";
import type { Gap, Heartbeat, Position, Skipped, StreamState } from "./generated.ts";
import type { Outcome, Stats } from "./outcomes.ts";

/** Symbols of one re-subscription: keeps it below any sensible `message_bytes`. */
export const SYMBOLS_PER_REQUEST_MAX = 256;
/** Heartbeats that a stream may wait for its snapshot before it is asked for again: one may have been on its way. */
const WAITED_ASK = 2;
/** The same before the connection is given up. */
const WAITED_BROKEN = 4;
/** Channels of which a message in mid-stream can be a snapshot: a venue's book was sent anew. */
const REPLACED_CHANNELS: ReadonlySet<string> = new Set(["book", "book_l3"]);

/** The last message of each lossless stream that can go on from there, by `StreamKey.id`. */
export interface Places {
  readonly epoch: string;
  readonly seqs: ReadonlyMap<string, number>;
}

/** Streams that differ in the symbol only, to unsubscribe from or to subscribe to again, from a position or anew. */
export interface StreamRequest {
  readonly method: "subscribe" | "unsubscribe";
  readonly keys: StreamKey[];
  readonly position: Position | undefined;
}

interface Stream {
  readonly key: StreamKey;
  readonly lossless: boolean;
  /** null: it waits, for its snapshot or to be resumed */
  seq: number | null;
  /** its last message on an earlier connection, until it goes on from there or begins anew */
  place: number | null;
  /** the server has agreed to it: what comes before is of a subscription that has ended */
  granted: boolean;
  /** somebody's subscription was agreed to, and its snapshot is to follow */
  fresh: boolean;
  /** heartbeats since it waits */
  waited: number;
  /** subscribed to again since the last heartbeat that found it whole */
  asked: boolean;
}

/** The streams of one connection. */
export class Streams {
  /** The server's, once it has said hello. */
  epoch = "";
  private readonly stats: Stats;
  private readonly streams = new Map<string, Stream>();
  /** to be subscribed to again, by id */
  private readonly ask = new Map<string, StreamKey>();
  /** to be unsubscribed from, by id: none of them is tracked */
  private readonly unwanted = new Map<string, StreamKey>();

  /** @param stats counters to add to. */
  constructor(stats: Stats) {
    this.stats = stats;
  }

  /** The key of a stream of which messages are expected, undefined for any other. */
  find(id: string): StreamKey | undefined {
    const stream = this.streams.get(id);
    return stream?.granted === true ? stream.key : undefined;
  }

  /** Somebody subscribes to these. */
  track(keys: Iterable<StreamKey>): void {
    for (const key of keys) {
      if (!this.streams.has(key.id)) this.streams.set(key.id, newStream(key, null, false));
      this.unwanted.delete(key.id);
    }
  }

  /** The server has agreed to that: snapshots follow. */
  granted(keys: Iterable<StreamKey>): void {
    for (const key of keys) {
      const stream = this.streams.get(key.id);
      if (stream !== undefined) stream.granted = stream.fresh = true;
    }
  }

  /** Nobody wants these any more: `requests` ends them. */
  drop(keys: Iterable<StreamKey>): void {
    for (const key of keys) {
      if (!this.streams.has(key.id)) continue;
      this.untrack([key]);
      this.unwanted.set(key.id, key);
    }
  }

  /** Expect nothing more of these streams. */
  untrack(keys: Iterable<StreamKey>): void {
    for (const key of keys) {
      this.streams.delete(key.id);
      this.ask.delete(key.id);
    }
  }

  // ---- messages ----------------------------------------------------------------------------------

  /** Whether an update of a tracked stream is to be delivered; or that the stream is lost, in one outcome. */
  update(key: StreamKey, seq: number): boolean | Outcome {
    const stream = this.streams.get(key.id)!;
    const last = stream.seq;
    if (last === null) return false; // between a loss and its snapshot nothing can be placed
    if (stream.lossless ? seq !== last + 1 : seq <= last) {
      return this.lose(stream, last, `seq ${seq} came after ${last}`);
    }
    stream.seq = seq;
    return true;
  }

  /** A snapshot of a tracked stream has come: what it skips without a word is lost. */
  snapshot(key: StreamKey, seq: number): Outcome[] {
    const stream = this.streams.get(key.id)!;
    const last = lastOf(stream);
    const replaced = REPLACED_CHANNELS.has(key.channel) && stream.seq === seq - 1;
    const skips = stream.lossless && last !== null && last !== seq && !replaced;
    const outcomes = skips ? [this.missing(stream, last, `a snapshot at seq ${seq} came after ${last}`)] : [];
    stream.seq = seq;
    stream.place = null;
    stream.fresh = false;
    stream.waited = 0;
    return outcomes;
  }

  /** The server left something out. */
  noticed(notice: Gap | Skipped): Outcome[] {
    const stream = this.streams.get(keyId(notice));
    if (stream?.granted !== true) {
      this.stats.unexpected += 1;
      return [];
    }
    if (notice.type === "gap") {
      this.stats.gaps += 1;
      stream.seq = null;
    } else {
      this.stats.skipped += 1;
    }
    return [{ kind: "noticed", key: stream.key, notice }];
  }

  /** Compare with what has arrived. */
  heartbeat(heartbeat: Heartbeat): Outcome[] {
    const published = new Map(heartbeat.streams.map((state) => [keyId(state), state.seq]));
    // this tells, too, which request to unsubscribe was refused; what it does not name has ended
    this.unwanted.clear();
    for (const state of heartbeat.streams) {
      if (!this.streams.has(keyId(state))) this.unwanted.set(keyId(state), keyOf(state));
    }
    const outcomes: Outcome[] = [];
    for (const [id, stream] of this.streams) {
      const last = stream.seq;
      if (last === null) {
        stream.waited += 1;
        if (stream.waited === WAITED_ASK) {
          this.ask.set(id, stream.key);
        } else if (stream.waited >= WAITED_BROKEN) {
          this.stats.malformed += 1;
          const { channel, symbol } = stream.key;
          return [...outcomes, { kind: "broken", code: 1002, reason: `${channel} of ${symbol} does not begin` }];
        }
        continue;
      }
      stream.asked = false;
      const seq = published.get(id);
      if (seq === undefined) {
        outcomes.push(this.lose(stream, last, "the server does not count it among the session's streams"));
      } else if (seq > last) {
        outcomes.push(this.lose(stream, last, `the heartbeat names seq ${seq}, ${last} is the last here`));
      }
    }
    return outcomes;
  }

  /** Treat a stream as lost, for a reason found outside (a checksum). No news when it is already. */
  lost(key: StreamKey, reason: string): Outcome[] {
    const stream = this.streams.get(key.id);
    const last = stream === undefined ? null : lastOf(stream);
    return stream === undefined || last === null ? [] : [this.lose(stream, last, reason)];
  }

  // ---- from one connection to the next -----------------------------------------------------------

  /** The connection is gone: every stream that was whole is interrupted, or lost where its past is not kept. */
  closed(reason: string): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const stream of this.streams.values()) {
      const last = lastOf(stream);
      if (last !== null && (stream.fresh || !stream.lossless)) outcomes.push(this.missing(stream, last, reason));
      else if (stream.seq !== null) outcomes.push({ kind: "interrupted", key: stream.key, reason });
    }
    return outcomes;
  }

  /** Where the lossless streams stand, after `closed`. */
  get places(): Places {
    const seqs = new Map<string, number>();
    for (const [id, stream] of this.streams) {
      const last = lastOf(stream);
      if (stream.lossless && last !== null) seqs.set(id, last);
    }
    return { epoch: this.epoch, seqs };
  }

  /** Track what an earlier connection was subscribed to, before anything else is. `resume` asks for it. */
  takeUp(keys: Iterable<StreamKey>, places: Places): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const key of keys) {
      const stream = newStream(key, places.seqs.get(key.id) ?? null, true);
      this.streams.set(key.id, stream);
      if (stream.place !== null && places.epoch !== this.epoch) {
        const reason = `the server began anew: its epoch is ${this.epoch} now, not ${places.epoch}`;
        outcomes.push(this.missing(stream, stream.place, reason));
      }
    }
    return outcomes;
  }

  // ---- subscribing again -------------------------------------------------------------------------

  /** Ask for what was taken up, except for `asked`, the ids of what somebody subscribes to just now. */
  resume(asked: ReadonlySet<string>): void {
    for (const [id, stream] of this.streams) {
      if (stream.seq === null && !stream.fresh && !asked.has(id)) this.ask.set(id, stream.key);
    }
  }

  /** What is to be asked for, at most `max` requests. What was taken counts as sent. */
  requests(max: number): StreamRequest[] {
    const taken: StreamRequest[] = [];
    const take = (method: StreamRequest["method"], from: Map<string, StreamKey>, keys: StreamKey[]): void => {
      for (const group of byRequest(keys)) {
        for (let start = 0; start < group.length && taken.length < max; start += SYMBOLS_PER_REQUEST_MAX) {
          const part = group.slice(start, start + SYMBOLS_PER_REQUEST_MAX);
          for (const key of part) from.delete(key.id);
          taken.push({ method, keys: part, position: this.position(part) });
        }
      }
    };
    const goesOn = (key: StreamKey): boolean => this.streams.get(key.id)!.place !== null;
    const keys = [...this.ask.values()];
    take("unsubscribe", this.unwanted, [...this.unwanted.values()]);
    take("subscribe", this.ask, keys.filter(goesOn));
    take("subscribe", this.ask, keys.filter((key) => !goesOn(key))); // prettier-ignore
    return taken;
  }

  /** Whether the answer to a request says of these streams whether they go on. */
  asksToGoOn(keys: readonly StreamKey[]): boolean {
    return keys.some((key) => (this.streams.get(key.id)?.place ?? null) !== null);
  }

  /** Which of the streams that were asked for go on. */
  answered(states: readonly StreamState[]): Outcome[] {
    const outcomes: Outcome[] = [];
    for (const state of states) {
      const { channel, symbol, seq, recovered } = state;
      const stream = this.streams.get(keyId({ channel, symbol }));
      const place = stream?.place ?? null;
      if (stream === undefined || place === null || typeof recovered !== "boolean") continue;
      if (!recovered) {
        outcomes.push(this.missing(stream, place, state.reason ?? ""));
      } else if (seq < place) {
        outcomes.push(this.lose(stream, place, `it went on from ${place}, but its last is ${seq}`));
      } else {
        this.stats.resumed += 1;
        stream.seq = place;
        stream.place = null;
        stream.waited = 0;
        const notice = { type: "resumed", channel, symbol, after: place, missed: seq - place } as const;
        outcomes.push({ kind: "noticed", key: stream.key, notice });
      }
    }
    return outcomes;
  }

  /** A request was refused that may work later: the next heartbeat has its streams asked for again. */
  refusedForNow(keys: readonly StreamKey[]): void {
    for (const key of keys) {
      const stream = this.streams.get(key.id);
      if (stream !== undefined) stream.waited = WAITED_ASK - 1;
    }
  }

  /**
   * A request was refused for good, for the stream at `index` or, where that is null, for all. Returns those that have
   * ended; the others are asked for again.
   */
  refused(keys: readonly StreamKey[], index: number | null): StreamKey[] {
    const known = (key: StreamKey): boolean => this.streams.has(key.id);
    const ended = (index === null ? keys : [keys[index]!]).filter(known);
    if (index !== null) {
      for (const key of keys) {
        if (key !== keys[index] && known(key)) this.ask.set(key.id, key);
      }
    }
    this.untrack(ended);
    return ended;
  }

  // ---- inside ------------------------------------------------------------------------------------

  private position(keys: readonly StreamKey[]): Position | undefined {
    const seqs: [string, number][] = [];
    for (const key of keys) {
      const place = this.streams.get(key.id)?.place ?? null;
      if (place !== null) seqs.push([key.symbol, place]);
    }
    const [first] = seqs;
    if (first === undefined) return undefined;
    return { epoch: this.epoch, seq: seqs.length > 1 ? Object.fromEntries(seqs) : first[1] };
  }

  /** Messages are missing that can't be asked for; a snapshot is to follow. */
  private missing(stream: Stream, after: number, reason: string): Outcome {
    this.stats.lost += 1;
    stream.seq = stream.place = null;
    const { key } = stream;
    const { channel, symbol } = key;
    return { kind: "noticed", key, notice: { type: "lost", channel, symbol, after, reason, ...optionsOf(key) } };
  }

  /** A stream broke a rule: have it begin anew. */
  private lose(stream: Stream, after: number, reason: string): Outcome {
    stream.waited = 0;
    if (stream.asked) {
      // twice between two heartbeats: ask at the next, so that a server at fault isn't asked in a loop
      stream.waited = WAITED_ASK - 1;
    } else {
      stream.asked = true;
      this.ask.set(stream.key.id, stream.key);
    }
    return this.missing(stream, after, reason);
  }
}

function newStream(key: StreamKey, place: number | null, granted: boolean): Stream {
  return { key, lossless: isLossless(key), seq: null, place, granted, fresh: false, waited: 0, asked: false };
}

/** The last message that was delivered, on whichever connection. */
function lastOf(stream: Stream): number | null {
  return stream.seq ?? stream.place;
}
