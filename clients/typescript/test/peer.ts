/** The server's end of a session, played by the test: what it says, as text, and what it was asked. */

import { keyOf, optionsOf, type StreamKey } from "../src/channel.ts";
import type { Outcome, Stats } from "../src/outcomes.ts";
import { newStats } from "../src/outcomes.ts";
import { Session } from "../src/session.ts";
import type { Places } from "../src/streams.ts";

/** Nanoseconds of the server's clock when it says hello. */
export const TIME = 1_732_180_000_000_000_001n;
export const HELLO = {
  type: "hello",
  session: "s1",
  epoch: "e1",
  time: TIME,
  version: "0.1.0",
  heartbeat_ms: 5_000,
  challenge: "c1",
  limits: { message_bytes: 65_536, requests_per_second: 50, subscriptions: 1_024 },
};
export const TRADES = keyOf({ channel: "trades", symbol: "A" });
export const BOOK = keyOf({ channel: "book", symbol: "A" });
export const TOP = keyOf({ channel: "book", symbol: "A", depth: 10, interval_ms: 100 });
export const QUOTES = keyOf({ channel: "quotes", symbol: "A" });

/** JSON of what the server says; a bigint is a number there. */
export function wire(message: object): string {
  const plain = JSON.stringify(message, (_, value: unknown) => (typeof value === "bigint" ? `#${value}` : value));
  return plain.replace(/"#(\d+)"/g, "$1");
}

/** A message of a stream. */
export function message(key: StreamKey, type: "snapshot" | "update", seq: number): object {
  const data = type === "snapshot" && key.channel === "trades" ? { trades: [] } : { n: seq };
  return { channel: key.channel, symbol: key.symbol, type, seq, ts: TIME, data, ...optionsOf(key) };
}

/** What a heartbeat says of streams. */
export function heartbeat(...streams: [StreamKey, number][]): object {
  const states = streams.map(([key, seq]) => ({ channel: key.channel, symbol: key.symbol, seq, ...optionsOf(key) }));
  return { type: "heartbeat", time: TIME, streams: states };
}

/** An outcome in short: what kind, of which stream, and what counts of it. */
export function short(outcome: Outcome): unknown {
  switch (outcome.kind) {
    case "delivered":
      return `${outcome.key.channel} ${outcome.message.type} ${outcome.message.seq}`;
    case "noticed":
      return outcome.notice;
    case "interrupted":
      return `${outcome.key.channel} interrupted: ${outcome.reason}`;
    case "ended":
      return `${outcome.key.channel} of ${outcome.key.symbol} ended: ${outcome.error.message}`;
    case "broken":
      return `broken ${outcome.code}: ${outcome.reason}`;
    default:
      return outcome.kind;
  }
}

/** A session to which the test plays the server. */
export class Peer {
  readonly stats: Stats;
  readonly session: Session;

  constructor(hello: object = HELLO, stats = newStats()) {
    this.stats = stats;
    this.session = new Session("json", 0, stats);
    this.say(hello);
  }

  /** What a message of the server comes to, in short. */
  say(...messages: object[]): unknown[] {
    return messages.flatMap((one) => this.session.received(wire(one), 0)).map(short);
  }

  /** What the session sends by itself. */
  asked(): { id: number; method: string; params: Record<string, unknown> }[] {
    return this.session.toSend().map((data) => JSON.parse(data as string) as never);
  }

  /** Subscribe, and begin with snapshots at `seq`. */
  begin(seq: number, ...keys: StreamKey[]): void {
    for (const key of keys) {
      const { id } = this.session.subscribe([key]);
      this.say({ id, result: { streams: [] } }, message(key, "snapshot", seq));
    }
  }

  /** Another connection after this one was lost, on which all of `keys` is asked for again. */
  next(keys: StreamKey[], hello: object = HELLO, reason = "cut"): { peer: Peer; lost: unknown[]; taken: unknown[] } {
    const lost = this.session.closed(reason).map(short);
    const places: Places = this.session.places;
    const peer = new Peer(hello, this.stats);
    const taken = peer.session.takeUp(keys, places).map(short);
    peer.session.resume();
    return { peer, lost, taken };
  }
}
