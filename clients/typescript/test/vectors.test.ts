/** The golden vectors in clients/vectors, which the Python client is tested with, too: what all clients agree on. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FillSequence } from "../src/account.ts";
import { LiveBook, LiveOrders } from "../src/books.ts";
import { keyOf, optionsOf } from "../src/channel.ts";
import type { Named, StreamKey } from "../src/channel.ts";
import { crc32 } from "../src/checksum.ts";
import { connect, type Client } from "../src/client.ts";
import { decode, encode } from "../src/codec.ts";
import type { Encoding } from "../src/codec.ts";
import type { Socket } from "../src/connection.ts";
import type { Owner } from "../src/consumer.ts";
import { scale } from "../src/decimal.ts";
import { BookInvalid, ConnectionLost, InvalidInput } from "../src/errors.ts";
import type { Lost, Method, Notice, Side, StreamMessage } from "../src/generated.ts";
import { backoffMs } from "../src/backoff.ts";
import { Ladder } from "../src/ladder.ts";
import { keyFile } from "../src/login.ts";
import { newStats } from "../src/outcomes.ts";
import type { Outcome, Stats } from "../src/outcomes.ts";
import { Session } from "../src/session.ts";
import type { Wire } from "../src/session.ts";
import type { Places } from "../src/streams.ts";
import { INFO } from "./desk.ts";

/** A file of vectors. */
function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
}

/** What a function throws. */
function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

/** Bytes from their hexadecimal digits. */
function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// ---- numbers, checksums, signatures, waits ---------------------------------------------------------

interface Numbers {
  parsed: { shows: string; step: string; text: string; steps: string; formatted: string }[];
  refused: { shows: string; step: string; text: string; field: string; error: string }[];
  steps: { shows: string; step: string; units?: string; decimals?: number; error?: string }[];
}

describe("numbers", () => {
  const { parsed, refused, steps } = vectors("numbers") as Numbers;

  test.each(parsed)("$shows", ({ step, text, steps, formatted }) => {
    expect(scale(step).parse(text)).toBe(BigInt(steps));
    expect(scale(step).format(BigInt(steps))).toBe(formatted);
  });

  test.each(refused)("refused: $shows", ({ step, text, field, error }) => {
    expect(thrown(() => scale(step).parse(text, field))).toEqual(new InvalidInput(error, field));
  });

  test.each(steps)("step: $shows", ({ step, units, decimals, error }) => {
    if (error === undefined) {
      expect(scale(step)).toMatchObject({ step, units: BigInt(units ?? ""), decimals });
    } else {
      expect(thrown(() => scale(step))).toEqual(new InvalidInput(error, "step"));
    }
  });
});

interface Checksum {
  shows: string;
  tick_size: string;
  lot_size: string;
  bids: [string, string][];
  asks: [string, string][];
  text: string;
  checksum: number;
}

describe("checksums", () => {
  test.each(vectors("checksums") as Checksum[])("$shows", ({ tick_size, lot_size, bids, asks, text, checksum }) => {
    const [price, size] = [scale(tick_size), scale(lot_size)];
    const ladder = new Ladder();
    for (const [ticks, lots] of bids) ladder.bids.set(price.parse(ticks), size.parse(lots));
    for (const [ticks, lots] of asks) ladder.asks.set(price.parse(ticks), size.parse(lots));
    const found = ladder.asks.topText(price.units, size.units) + ladder.bids.topText(price.units, size.units);
    expect(found).toBe(text);
    expect(crc32(found)).toBe(checksum);
  });
});

interface Logins {
  signed: { shows: string; key_file: object; challenge: string; signature: string }[];
  refused: { shows: string; key_file: object; challenge: string; error: string }[];
}

describe("logins", () => {
  const { signed, refused } = vectors("logins") as Logins;
  const sign = (key: object, challenge: string): Promise<string> => {
    const login = keyFile(JSON.stringify(key));
    if (!("sign" in login)) throw new Error("a key file signs");
    return login.sign(challenge);
  };

  test.each(signed)("$shows", async ({ key_file, challenge, signature }) => {
    expect(await sign(key_file, challenge)).toBe(signature);
  });

  test.each(refused)("refused: $shows", async ({ key_file, challenge, error }) => {
    await expect(sign(key_file, challenge)).rejects.toEqual(new InvalidInput(error, "challenge"));
  });
});

interface Reconnecting {
  waits: { shows: string; attempt: number; random: number; wait_ms: number }[];
  close_codes: { shows: string; code: number; reconnect: boolean }[];
  retry_after: { shows: string; code: number; reason: string; wait_ms: number }[];
}

describe("reconnecting", () => {
  const { waits, close_codes, retry_after } = vectors("reconnecting") as Reconnecting;

  test.each(waits)("$shows", ({ attempt, random, wait_ms }) => {
    expect(backoffMs(attempt, () => random)).toBeCloseTo(wait_ms, 6);
  });

  test.each(close_codes)("$shows", async ({ code, reconnect }) => {
    const { client, waited } = await dropped(code, "said so");
    expect(waited).toEqual(reconnect ? [50] : []);
    expect(client.state).toBe(reconnect ? "waiting" : "closed");
    if (!reconnect) await expect(client.ping()).rejects.toMatchObject({ code });
    await expect(client.ping()).rejects.toBeInstanceOf(ConnectionLost);
  });

  test.each(retry_after)("$shows", async ({ code, reason, wait_ms }) => {
    expect((await dropped(code, reason)).waited).toEqual([wait_ms]);
  });

  /** A client whose first connection was closed, and the waits that it announced. */
  async function dropped(code: number, reason: string): Promise<{ client: Client; waited: (number | null)[] }> {
    const sockets: Greeter[] = [];
    class WebSocket extends Greeter {
      constructor() {
        super();
        sockets.push(this);
      }
    }
    const waited: (number | null)[] = [];
    const client = await connect("ws://x", {
      WebSocket,
      random: () => 0.5,
      now: () => 0,
      after: () => () => undefined,
    });
    const next = new Promise<void>((resolve) => {
      client.listen((event) => {
        if (event.type === "waiting") waited.push(event.retryAt);
        if (event.type === "waiting" || event.type === "closed") resolve();
      });
    });
    sockets[0]!.drop(code, reason);
    await next;
    return { client, waited };
  }
});

/** A socket whose server says hello. */
class Greeter implements Socket {
  binaryType: BinaryType = "blob";
  readonly bufferedAmount = 0;
  readonly readyState = 1;
  readonly protocol = "tickwire.v1.json";
  onopen: Socket["onopen"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  onmessage: Socket["onmessage"] = null;

  constructor() {
    const limits = { message_bytes: 65_536, requests_per_second: 50, subscriptions: 1_024 };
    const said = { session: "s", epoch: "e", time: 1, version: "0", heartbeat_ms: 5_000, challenge: "c", limits };
    queueMicrotask(() => {
      this.call("onopen", {});
      this.call("onmessage", { data: JSON.stringify({ type: "hello", ...said, demo: false }) });
    });
  }

  send(): void {
    throw new Error("nothing is to be sent");
  }

  close(): void {
    this.drop(1005, "");
  }

  drop(code: number, reason: string): void {
    this.call("onclose", { code, reason });
  }

  private call(name: "onopen" | "onclose" | "onmessage", event: object): void {
    (this[name] as ((event: object) => void) | null)?.(event);
  }
}

// ---- messages --------------------------------------------------------------------------------------

describe("messages", () => {
  const messages = vectors("messages") as { shows: string; json: string; msgpack: string }[];

  test.each(messages)("$shows", ({ json, msgpack }) => {
    const message = decode(json) as object;
    expect(decode(bytes(msgpack))).toEqual(message);
    expect(Buffer.from(encode(message, "msgpack") as Uint8Array).toString("hex")).toBe(msgpack);
    expect(decode(encode(message, "json"))).toEqual(message);
  });
});

// ---- sessions --------------------------------------------------------------------------------------

type Expected = { kind: Outcome["kind"] } & Record<string, unknown>;

interface Step {
  do: "connect" | "receive" | "subscribe" | "unsubscribe" | "request" | "lose" | "close" | "resume";
  at_ms?: number;
  message?: object;
  raw?: Record<Encoding, string>;
  streams?: Named[];
  stream?: Named;
  method?: Method;
  params?: object;
  reason?: string;
  outcomes?: Expected[];
  sent?: object[];
  deadline_ms?: number;
  server_time?: number;
}

interface Script {
  shows: string;
  steps: Step[];
  stats: Partial<Stats>;
}

/** A stream as vectors name it. */
function named(key: StreamKey): Named {
  return { channel: key.channel, symbol: key.symbol, ...optionsOf(key) };
}

/** The same value with numbers for times: those of the vectors are small. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? Number(part) : part)));
}

/** An outcome as vectors have it. */
function told(outcome: Outcome): Record<string, unknown> {
  const { kind } = outcome;
  switch (outcome.kind) {
    case "hello":
      return { kind, epoch: outcome.hello.epoch };
    case "heartbeat":
      return { kind, time: outcome.heartbeat.time };
    case "drain":
      return { kind, deadline: outcome.drain.deadline };
    case "lagging":
      return { kind, messages: outcome.lagging.messages };
    case "delivered":
      return { kind, stream: named(outcome.key), message: outcome.message };
    case "noticed":
      return { kind, stream: named(outcome.key), notice: outcome.notice };
    case "interrupted":
      return { kind, stream: named(outcome.key), reason: outcome.reason };
    case "answered":
      return { kind, id: outcome.id };
    case "refused": {
      const { code, field, retry } = outcome.error;
      return { kind, id: outcome.id, code, field, retry };
    }
    case "ended": {
      const { code, field, retry } = outcome.error;
      return { kind, stream: named(outcome.key), code, field, retry };
    }
    case "broken":
      return { kind, code: outcome.code, reason: outcome.reason };
  }
}

/** Plays the script of a client over its connections. */
class Player {
  readonly stats = newStats();
  session: Session;
  private readonly encoding: Encoding;
  private places: Places = { epoch: "", seqs: new Map() };
  private readonly keys = new Map<string, StreamKey>();

  constructor(encoding: Encoding) {
    this.encoding = encoding;
    this.session = new Session(encoding, 0, this.stats);
  }

  /** A step's outcomes, and what is sent. */
  play(step: Step): { outcomes: unknown; sent: unknown } {
    const sent: Wire[] = [];
    const outcomes = this.step(step, sent);
    for (const outcome of outcomes) if (outcome.kind === "ended") this.keys.delete(outcome.key.id);
    sent.push(...this.session.toSend());
    return { outcomes: plain(outcomes.map(told)), sent: plain(sent.map((data) => decode(data))) };
  }

  private step(step: Step, sent: Wire[]): Outcome[] {
    const { session } = this;
    const { at_ms: now = 0, reason = "", streams = [] } = step;
    const keys = streams.map(keyOf);
    switch (step.do) {
      case "connect":
        this.places = session.places;
        this.session = new Session(this.encoding, now, this.stats);
        return [];
      case "receive":
        return session.received(this.wire(step), now);
      case "subscribe":
        for (const key of keys) this.keys.set(key.id, key);
        sent.push(session.subscribe(keys).data);
        return [];
      case "unsubscribe":
        for (const key of keys) this.keys.delete(key.id);
        session.unsubscribe(keys);
        return [];
      case "request":
        sent.push(session.request(step.method!, step.params).data);
        return [];
      case "lose":
        return session.lost(keyOf(step.stream!), reason);
      case "close":
        return session.closed(reason);
      case "resume": {
        const outcomes = session.takeUp(this.keys.values(), this.places);
        session.resume();
        return outcomes;
      }
    }
  }

  /** What is received in a step: a message, or what may be none, given in both encodings. */
  private wire({ message, raw }: Step): Wire {
    if (message !== undefined) return encode(message, this.encoding);
    return this.encoding === "json" ? raw!.json : bytes(raw!.msgpack);
  }
}

describe.each(["json", "msgpack"] as const)("sessions in %s", (encoding) => {
  test.each(vectors("sessions") as Script[])("$shows", ({ steps, stats }) => {
    const player = new Player(encoding);
    for (const [number, step] of steps.entries()) {
      const where = `step ${number}, ${step.do}`;
      const { outcomes, sent } = player.play(step);
      const expected = (step.outcomes ?? []).map((outcome) => {
        if (outcome.kind === "delivered") return { ...outcome, message: step.message };
        // why a message is malformed every language says in its own words
        return outcome.kind === "broken" ? { reason: expect.any(String) as unknown, ...outcome } : outcome;
      });
      expect(outcomes, where).toEqual(expected);
      expect(sent, where).toEqual(step.sent ?? []);
      if (step.deadline_ms !== undefined) expect(player.session.deadline, where).toBe(step.deadline_ms);
      if (step.server_time !== undefined) {
        expect(player.session.serverTime(step.at_ms!), where).toBe(BigInt(step.server_time));
      }
    }
    expect(player.stats).toEqual({ ...newStats(), bytes: player.stats.bytes, ...stats });
  });
});

// ---- books -----------------------------------------------------------------------------------------

interface BookStep {
  take?: { channel: string; type: "snapshot" | "update"; ts: number };
  notice?: Notice;
  interrupt?: string;
  problem?: string;
  /** why the book can't be read after this step; without it, what it shows: */
  reason?: string;
  bids?: [string, string][];
  asks?: [string, string][];
  orders?: Record<Side, [string, string, string][]>;
  seq?: number;
  ts?: number;
  checksum?: number;
}

interface BookVector {
  shows: string;
  stream: Named;
  tick_size: string;
  lot_size: string;
  steps: BookStep[];
  checksum_mismatches: number;
}

describe("books", () => {
  test.each(vectors("books") as BookVector[])(
    "$shows",
    ({ stream, tick_size, lot_size, steps, checksum_mismatches }) => {
      const owner: Owner = { stats: newStats(), leave: () => expect.unreachable() };
      const info = { ...INFO, symbol: stream.symbol, tick_size, lot_size };
      const key = keyOf(stream);
      const book = stream.channel === "book_l3" ? new LiveOrders(owner, key, info) : new LiveBook(owner, key, info);
      for (const [number, step] of steps.entries()) {
        if (step.take !== undefined) {
          const message = { ...step.take, ts: BigInt(step.take.ts) } as unknown as StreamMessage;
          expect(book.take(message), `step ${number}`).toBe(step.problem ?? null);
        } else if (step.notice !== undefined) {
          book.notice(key, step.notice);
        } else {
          book.interrupt(key, step.interrupt!);
        }
        shows(book, step, `step ${number}`);
      }
      expect(owner.stats.checksumMismatches).toBe(checksum_mismatches);
    },
  );

  function shows(book: LiveBook | LiveOrders, step: BookStep, where: string): void {
    expect(book.reason, where).toBe(step.reason ?? null);
    if (step.reason !== undefined) {
      const error = new BookInvalid(`the book of ${book.symbol} can't be read now: ${step.reason}`);
      for (const read of [() => book.seq, () => book.bids(), () => book.ladder, () => book.checksum]) {
        expect(thrown(read), where).toEqual(error);
      }
      return;
    }
    const { seq, ts, bids, asks, checksum } = step;
    const { seq: atSeq, ts: atTs, checksum: sum } = book;
    expect({ seq: atSeq, ts: Number(atTs), bids: book.bids(), asks: book.asks(), checksum: sum }, where).toEqual({
      seq,
      ts,
      bids,
      asks,
      checksum,
    });
    if (book instanceof LiveOrders) {
      const rows = (side: Side): string[][] => book.orders(side).map((one) => [one.order_id, one.price, one.size]);
      expect({ buy: rows("buy"), sell: rows("sell") }, where).toEqual(step.orders);
    }
  }
});

interface Fills {
  shows: string;
  steps: { epoch: string; take: object; new: number[]; lost?: Lost }[];
}

describe("fills", () => {
  test.each(vectors("fills") as Fills[])("$shows", ({ steps }) => {
    let epoch = "";
    const sequence = new FillSequence(() => epoch);
    for (const [number, step] of steps.entries()) {
      epoch = step.epoch;
      const { fills, lost } = sequence.take(decode(encode(step.take, "json")) as StreamMessage<"fills">);
      expect(lost, `step ${number}`).toEqual(step.lost ?? null);
      expect(
        fills.map(({ seq }) => seq),
        `step ${number}`,
      ).toEqual(step.new);
    }
  });
});
