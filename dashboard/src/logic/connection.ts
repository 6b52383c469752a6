/**
 * How the connection is, said within a second of any change.
 *
 * A cut cable closes no socket: nothing comes any more, and that is all. So the server is asked four times a second, and
 * where an answer is missing for `STALE_MS`, what the page shows counts as stale.
 */
import type { Client, ClientEvent } from "tickwire";
import { Source } from "../frame.ts";

/** How often the state is judged, ms. */
export const TICK_MS = 50;
/** How often the server is asked, ms: a twelfth of the requests that a session may make. */
export const PING_MS = 250;
/** How long a question may go unanswered, ms. With the two above: 800 ms from the cut to the banner at the latest. */
const STALE_MS = 500;
/** Of how many of the newest measurements the percentiles are: one minute of pings. */
export const SAMPLES_MAX = 240;
const RATE_WINDOW_MS = 2_000;
const LAG_EVERY_MS = 100;

/**
 * `live`: all is well. `stale`: an answer is missing, or the device says that it is offline. `lost`: the socket is gone;
 * the next try is at `retryAt`. `reconnecting`: it is being tried. `draining`: the server has said when it will close.
 * `ended`: there will be no other try.
 */
export type ConnectionState = "live" | "stale" | "lost" | "reconnecting" | "draining" | "ended";

/** What the state is judged by. */
export interface Facts {
  client: Client["state"];
  /** How long the oldest unanswered question has been waiting, ms; 0 for none. */
  unansweredMs: number;
  /** How long the answers took lately, ms: the median. */
  usualMs: number;
  /** What the browser says of the network. */
  online: boolean;
  draining: boolean;
}

/** The state by the facts. */
export function judge(facts: Facts): ConnectionState {
  switch (facts.client) {
    case "closed":
      return "ended";
    case "waiting":
      return "lost";
    case "connecting":
      return "reconnecting";
    case "open":
      // over a slow line every answer takes long: what is unusual for it says that something is wrong
      if (!facts.online || facts.unansweredMs >= Math.max(STALE_MS, 3 * facts.usualMs)) return "stale";
      return facts.draining ? "draining" : "live";
  }
}

/** The newest measurements of something, in ms. */
export class Samples {
  private readonly values: number[] = [];
  private next = 0;

  /** Add one; beyond `SAMPLES_MAX` it replaces the oldest. */
  add(value: number): void {
    this.values[this.next % SAMPLES_MAX] = value;
    this.next += 1;
  }

  /** The newest one; null without any. */
  get last(): number | null {
    return this.values[(this.next - 1) % SAMPLES_MAX] ?? null;
  }

  /** The smallest value that at least this share of them does not exceed (nearest rank); null without any. */
  percentile(share: number): number | null {
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  }

  /** All of them, oldest first. */
  list(): number[] {
    const oldest = this.next % SAMPLES_MAX;
    return this.next <= SAMPLES_MAX
      ? [...this.values]
      : [...this.values.slice(oldest), ...this.values.slice(0, oldest)];
  }
}

/** What a monitor needs of its surroundings; all times in ms of a clock that only goes forward. */
export interface Surroundings {
  now(): number;
  /** Whether the browser thinks that there is a network. */
  online(): boolean;
}

/** The part of the client that is watched. */
export type Watched = Pick<
  Client,
  "state" | "stats" | "draining" | "retryAt" | "silenceMs" | "ping" | "serverTime" | "listen"
>;

/** Watches the connection. `tick` is to be called every `TICK_MS`, and when the browser's network comes or goes. */
export class Monitor {
  /** The state, or any of the figures, has changed. */
  readonly source = new Source();
  state: ConnectionState = "live";
  /** Why the last connection was lost, in words; empty if none was. */
  reason = "";
  readonly latency = new Samples();
  /** How old messages were on arrival, by the server's clock. */
  readonly lag = new Samples();
  messagesPerSecond = 0;
  kilobytesPerSecond = 0;
  private readonly client: Watched;
  private readonly around: Surroundings;
  private readonly turned: (state: ConnectionState, before: ConnectionState) => void;
  private asked: number[] = []; // when the questions were put that are not answered; at most a few
  private pingAt = -Infinity;
  private tickAt: number;
  private excused = false;
  private lagAt = -Infinity;
  private usual = 0;
  private counts: { at: number; messages: number; bytes: number }[] = [];

  /** @param turned told at once of each change of the state */
  constructor(
    client: Watched,
    around: Surroundings,
    turned: (state: ConnectionState, before: ConnectionState) => void,
  ) {
    this.client = client;
    this.around = around;
    this.turned = turned;
    this.tickAt = around.now();
    client.listen((event: ClientEvent) => {
      if (event.type === "lost" || event.type === "closed") {
        this.reason = event.reason;
        this.asked = [];
      }
      if (event.type === "open") this.asked = [];
      if (event.type !== "heartbeat" && event.type !== "lagging") this.look();
    });
  }

  /** Judge, and ask the server if it is time. */
  tick(): void {
    const now = this.around.now();
    // the page itself stood still (hidden, or the device slept): the answers wait to be read, so one tick is not judged
    this.excused = now - this.tickAt > STALE_MS / 2 && !this.excused;
    this.tickAt = now;
    if (this.client.state === "open" && now - this.pingAt >= PING_MS && this.asked.length < 20) this.ask(now);
    this.count(now);
    if (!this.excused) this.look();
  }

  /**
   * A message with this `ts` (ns) has come. The server's time is known from what it said, so without the way here: half of
   * the fastest answer is added for that.
   */
  saw(ts: bigint): void {
    const now = this.around.now();
    if (now - this.lagAt < LAG_EVERY_MS) return;
    this.lagAt = now;
    const way = (this.latency.percentile(0) ?? 0) / 2;
    this.lag.add(Math.max(0, Number(this.client.serverTime() - ts) / 1e6) + way);
  }

  /** How long until the next try, ms; null where none is planned. */
  get retryInMs(): number | null {
    return this.client.retryAt === null ? null : Math.max(0, this.client.retryAt - this.around.now());
  }

  /** How long until the server closes this connection, ms; null if it has not said so. */
  get drainInMs(): number | null {
    const deadline = this.client.draining;
    return deadline === null ? null : Math.max(0, Number(deadline - this.client.serverTime()) / 1e6);
  }

  /** How long the oldest question has been waiting for its answer, ms; 0 for none. */
  get unansweredMs(): number {
    const now = this.around.now();
    return now - (this.asked[0] ?? now);
  }

  private ask(now: number): void {
    this.pingAt = now;
    this.asked.push(now);
    const answered = (): void => {
      this.asked = this.asked.slice(1); // answers come in the order of the questions
      if (this.state === "stale") this.look();
    };
    this.client.ping().then((ms) => {
      this.latency.add(ms);
      this.usual = this.latency.percentile(0.5) ?? 0;
      answered();
    }, answered);
  }

  private count(now: number): void {
    const last = this.counts.at(-1);
    if (last !== undefined && now - last.at < PING_MS) return;
    const { messages, bytes } = this.client.stats;
    this.counts.push({ at: now, messages, bytes });
    while ((this.counts[0]?.at ?? now) < now - RATE_WINDOW_MS) this.counts.shift();
    const first = this.counts[0];
    if (first !== undefined && now > first.at) {
      const seconds = (now - first.at) / 1_000;
      this.messagesPerSecond = (messages - first.messages) / seconds;
      this.kilobytesPerSecond = (bytes - first.bytes) / seconds / 1_000;
    }
    this.source.changed();
  }

  private look(): void {
    const before = this.state;
    this.state = judge({
      client: this.client.state,
      unansweredMs: this.unansweredMs,
      usualMs: this.usual,
      online: this.around.online(),
      draining: this.client.draining !== null,
    });
    if (this.state !== before) {
      this.turned(this.state, before);
      this.source.changed();
    }
  }
}
