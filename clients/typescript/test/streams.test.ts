import { describe, expect, test } from "vitest";
import { keyOf, optionsOf, type StreamKey } from "../src/channel.ts";
import { SYMBOLS_PER_REQUEST_MAX } from "../src/streams.ts";
import { BOOK, HELLO, heartbeat, message, Peer, QUOTES, TOP, TRADES } from "./peer.ts";

const lost = (key: StreamKey, after: number, reason: string): object => ({
  type: "lost",
  channel: key.channel,
  symbol: key.symbol,
  after,
  reason,
  ...optionsOf(key),
});
const again = (key: StreamKey): object => ({
  method: "subscribe",
  params: { channel: key.channel, symbols: [key.symbol] },
});

describe("messages of a stream", () => {
  test("a lossless stream brings every message after its snapshot", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    expect(peer.say(message(TRADES, "update", 42), message(TRADES, "update", 43))).toEqual([
      "trades update 42",
      "trades update 43",
    ]);
    expect(peer.asked()).toEqual([]);
  });

  test("updates before the first snapshot are held back", () => {
    const peer = new Peer();
    const { id } = peer.session.subscribe([TRADES]);
    peer.say({ id, result: { streams: [] } });
    expect(peer.say(message(TRADES, "update", 42))).toEqual([]);
    expect(peer.say(message(TRADES, "snapshot", 42))).toEqual(["trades snapshot 42"]);
    expect(peer.stats.lost).toBe(0);
  });

  test.each([44, 42, 41])("after 42, a lossless stream is lost at %i and begins anew", (seq) => {
    const peer = new Peer();
    peer.begin(42, TRADES);
    expect(peer.say(message(TRADES, "update", seq))).toEqual([lost(TRADES, 42, `seq ${seq} came after 42`)]);
    expect(peer.asked()).toMatchObject([again(TRADES)]);
    expect(peer.say(message(TRADES, "update", 43))).toEqual([]);
    expect(peer.say(message(TRADES, "snapshot", 50), message(TRADES, "update", 51))).toEqual([
      "trades snapshot 50",
      "trades update 51",
    ]);
    expect(peer.stats).toMatchObject({ lost: 1, malformed: 0, unexpected: 0 });
  });

  test("a latest stream may leave out messages, but never goes back", () => {
    const peer = new Peer();
    peer.begin(42, TOP);
    expect(peer.say(message(TOP, "update", 60))).toEqual(["book update 60"]);
    expect(peer.say(message(TOP, "update", 60))).toEqual([lost(TOP, 60, "seq 60 came after 60")]);
    expect(peer.asked()).toMatchObject([
      { method: "subscribe", params: { channel: "book", symbols: ["A"], depth: 10, interval_ms: 100 } },
    ]);
  });

  test("a snapshot in mid-stream stands where the stream stands, or one later for a venue's book", () => {
    const peer = new Peer();
    peer.begin(5, TRADES, BOOK, QUOTES);
    expect(
      peer.say(message(TRADES, "snapshot", 5), message(BOOK, "snapshot", 6), message(QUOTES, "snapshot", 9)),
    ).toEqual(["trades snapshot 5", "book snapshot 6", "quotes snapshot 9"]);
    expect(peer.say(message(TRADES, "snapshot", 6))).toEqual([
      lost(TRADES, 5, "a snapshot at seq 6 came after 5"),
      "trades snapshot 6",
    ]);
    expect(peer.say(message(BOOK, "snapshot", 8))).toEqual([
      lost(BOOK, 6, "a snapshot at seq 8 came after 6"),
      "book snapshot 8",
    ]);
    expect(peer.asked()).toEqual([]); // the snapshot is there
    expect(peer.stats.lost).toBe(2);
  });

  test("a gap is told, and its snapshot waited for", () => {
    const peer = new Peer();
    peer.begin(97, BOOK);
    const gap = { type: "gap", channel: "book", symbol: "A", from: 98, to: 240 };
    expect(peer.say(gap)).toEqual([gap]);
    expect(peer.say(message(BOOK, "update", 241))).toEqual([]);
    expect(peer.say(message(BOOK, "snapshot", 241))).toEqual(["book snapshot 241"]);
    expect(peer.stats).toMatchObject({ gaps: 1, lost: 0 });
    expect(peer.asked()).toEqual([]);
  });

  test("skipped messages of a latest stream are told, and it goes on", () => {
    const peer = new Peer();
    peer.begin(97, TOP, QUOTES);
    const skipped = { type: "skipped", channel: "book", symbol: "A", from: 98, to: 239, depth: 10, interval_ms: 100 };
    expect(peer.say(skipped, message(TOP, "update", 240))).toEqual([skipped, "book update 240"]);
    expect(peer.stats).toMatchObject({ skipped: 1, lost: 0 });
  });

  test("what is not subscribed to is counted and ignored", () => {
    const peer = new Peer();
    const gap = { type: "gap", channel: "trades", symbol: "A", from: 1, to: 2 };
    expect(peer.say(message(TRADES, "update", 1), gap)).toEqual([]);
    expect(peer.stats.unexpected).toBe(2);
    peer.begin(1, TRADES);
    peer.session.unsubscribe([TRADES, BOOK]);
    expect(peer.asked()).toMatchObject([{ method: "unsubscribe", params: { channel: "trades", symbols: ["A"] } }]);
    expect(peer.say(message(TRADES, "update", 2))).toEqual([]);
    expect(peer.stats.unexpected).toBe(3);
  });
});

describe("heartbeats", () => {
  test("one that names what has arrived is no news", () => {
    const peer = new Peer();
    peer.begin(7, TRADES, TOP);
    expect(peer.say(heartbeat([TRADES, 7], [TOP, 6]))).toEqual(["heartbeat"]);
    expect(peer.asked()).toEqual([]);
  });

  test("one that names more, or not at all, makes a stream begin anew", () => {
    const peer = new Peer();
    peer.begin(7, TRADES, TOP);
    expect(peer.say(heartbeat([TRADES, 8]))).toEqual([
      "heartbeat",
      lost(TRADES, 7, "the heartbeat names seq 8, 7 is the last here"),
      lost(TOP, 7, "the server does not count it among the session's streams"),
    ]);
    expect(peer.asked().map(({ params }) => params.channel)).toEqual(["trades", "book"]);
    expect(peer.stats.lost).toBe(2);
  });

  test("a stream that waits is asked for again after 2, and breaks the connection after 4", () => {
    const peer = new Peer();
    peer.session.subscribe([TRADES]);
    expect(peer.say(heartbeat([TRADES, 5]))).toEqual(["heartbeat"]);
    expect(peer.asked()).toEqual([]);
    expect(peer.say(heartbeat([TRADES, 5]))).toEqual(["heartbeat"]);
    expect(peer.asked()).toMatchObject([again(TRADES)]);
    expect(peer.say(heartbeat([TRADES, 5]))).toEqual(["heartbeat"]);
    expect(peer.asked()).toEqual([]);
    expect(peer.say(heartbeat([TRADES, 5]))).toEqual(["heartbeat", "broken 1002: trades of A does not begin"]);
    expect(peer.stats.malformed).toBe(1);
  });

  test("a server at fault is asked once between two heartbeats", () => {
    const peer = new Peer();
    peer.begin(5, TRADES);
    peer.say(message(TRADES, "update", 9));
    expect(peer.asked()).toHaveLength(1);
    peer.say(message(TRADES, "snapshot", 9), message(TRADES, "update", 12));
    expect(peer.asked()).toEqual([]);
    peer.say(heartbeat([TRADES, 12]));
    expect(peer.asked()).toMatchObject([again(TRADES)]);
    peer.say(message(TRADES, "snapshot", 12), heartbeat([TRADES, 12]), message(TRADES, "update", 14));
    expect(peer.asked()).toHaveLength(1); // it was whole at a heartbeat
  });

  test("a loss found outside is told once", () => {
    const peer = new Peer();
    peer.begin(5, BOOK);
    expect(peer.session.lost(BOOK, "checksum")).toMatchObject([{ notice: lost(BOOK, 5, "checksum") }]);
    expect(peer.session.lost(BOOK, "checksum")).toEqual([]);
    expect(peer.session.lost(TRADES, "checksum")).toEqual([]);
    expect(peer.asked()).toMatchObject([again(BOOK)]);
  });
});

describe("from one connection to the next", () => {
  test("a lossless stream is interrupted, asked for from its last message, and resumed", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: next, lost: gone, taken } = peer.next([TRADES]);
    expect(gone).toEqual(["trades interrupted: cut"]);
    expect(taken).toEqual([]);
    const [request] = next.asked();
    expect(request?.params).toEqual({ channel: "trades", symbols: ["A"], from: { epoch: "e1", seq: 41 } });
    const state = { channel: "trades", symbol: "A", seq: 44, recovered: true };
    const resumed = { type: "resumed", channel: "trades", symbol: "A", after: 41, missed: 3 };
    expect(next.say({ id: request?.id, result: { recovered: true, streams: [state] } })).toEqual([resumed]);
    expect(next.say(message(TRADES, "update", 42))).toEqual(["trades update 42"]);
    expect(peer.stats).toMatchObject({ resumed: 1, lost: 0 });
  });

  test("what is not recovered is lost, and begins with a snapshot", () => {
    const peer = new Peer();
    const other = keyOf({ channel: "trades", symbol: "B" });
    peer.begin(41, TRADES, other);
    const { peer: next } = peer.next([TRADES, other]);
    const [request] = next.asked();
    expect(request?.params.from).toEqual({ epoch: "e1", seq: { A: 41, B: 41 } });
    const streams = [
      { channel: "trades", symbol: "A", seq: 41, recovered: true },
      { channel: "trades", symbol: "B", seq: 9_000, recovered: false, reason: "not kept" },
    ];
    expect(next.say({ id: request?.id, result: { recovered: false, streams } })).toEqual([
      { type: "resumed", channel: "trades", symbol: "A", after: 41, missed: 0 },
      lost(other, 41, "not kept"),
    ]);
    expect(next.say(message(other, "update", 42), message(other, "snapshot", 9_000))).toEqual(["trades snapshot 9000"]);
  });

  test("a place beyond the server's last is lost and asked for anew", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: next } = peer.next([TRADES]);
    const [request] = next.asked();
    const streams = [{ channel: "trades", symbol: "A", seq: 40, recovered: true }];
    expect(next.say({ id: request?.id, result: { streams } })).toEqual([
      lost(TRADES, 41, "it went on from 41, but its last is 40"),
    ]);
    expect(next.asked()).toMatchObject([again(TRADES)]);
  });

  test("under another epoch everything is lost at once, and begins anew", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: next, taken } = peer.next([TRADES], { ...HELLO, epoch: "e2" });
    expect(taken).toEqual([lost(TRADES, 41, "the server began anew: its epoch is e2 now, not e1")]);
    const [request] = next.asked();
    expect(request?.params).toEqual({ channel: "trades", symbols: ["A"] });
    expect(next.say({ id: request?.id, result: { streams: [] } }, message(TRADES, "snapshot", 3))).toEqual([
      "trades snapshot 3",
    ]);
  });

  test("a latest stream, and one that somebody waits to begin, are lost with the connection", () => {
    const peer = new Peer();
    peer.begin(41, QUOTES, TRADES);
    const { id } = peer.session.subscribe([TRADES]);
    peer.say({ id, result: { streams: [] } });
    const { peer: next, lost: gone } = peer.next([QUOTES, TRADES, BOOK]);
    expect(gone).toEqual([lost(QUOTES, 41, "cut"), lost(TRADES, 41, "cut")]);
    expect(next.asked().map(({ params }) => params.from)).toEqual([undefined, undefined, undefined]);
  });

  test("what somebody has subscribed to since it was taken up is not asked for again", () => {
    const peer = new Peer();
    peer.begin(41, TRADES, BOOK);
    const { peer: next } = peer.next([]);
    next.session.takeUp([TRADES, BOOK], peer.session.places);
    const { id } = next.session.subscribe([TRADES]);
    next.session.resume();
    expect(next.asked()).toMatchObject([{ params: { channel: "book", from: { epoch: "e1", seq: 41 } } }]);
    expect(next.say({ id, result: { streams: [] } }, message(TRADES, "snapshot", 41))).toEqual([
      "answered",
      "trades snapshot 41",
    ]);
  });

  test("an interrupted stream keeps its place over a connection that never asked", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: second } = peer.next([TRADES]);
    const { peer: third, lost: gone } = second.next([TRADES]);
    expect(gone).toEqual([]); // it was said already
    expect(third.asked()[0]?.params.from).toEqual({ epoch: "e1", seq: 41 });
  });

  test("a snapshot that comes instead of what was missed is a loss", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: next } = peer.next([TRADES]);
    expect(next.say(message(TRADES, "snapshot", 50))).toEqual([
      lost(TRADES, 41, "a snapshot at seq 50 came after 41"),
      "trades snapshot 50",
    ]);
  });

  test("also right after the place: only of a stream that is whole it can be a venue's book sent anew", () => {
    const peer = new Peer();
    peer.begin(41, BOOK);
    const { peer: next } = peer.next([BOOK]);
    expect(next.say(message(BOOK, "snapshot", 42))).toEqual([
      lost(BOOK, 41, "a snapshot at seq 42 came after 41"),
      "book snapshot 42",
    ]);
  });

  test("a refusal for now is repeated after a heartbeat", () => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    const { peer: next } = peer.next([TRADES]);
    const [request] = next.asked();
    const error = { code: "rate_limited", message: "wait", retry: true };
    expect(next.say({ id: request?.id, error })).toEqual([]);
    expect(next.asked()).toEqual([]);
    expect(next.say(heartbeat())).toEqual(["heartbeat"]);
    expect(next.asked()[0]?.params.from).toEqual({ epoch: "e1", seq: 41 });
  });

  test("a refusal for good ends the stream that it names, and the others are asked for again", () => {
    const peer = new Peer();
    const other = keyOf({ channel: "trades", symbol: "B" });
    peer.begin(41, TRADES, other);
    const { peer: next } = peer.next([TRADES, other]);
    const error = { code: "unknown_symbol", message: "gone", field: "symbols[1]" };
    expect(next.say({ id: next.asked()[0]?.id, error })).toEqual(["trades of B ended: unknown_symbol: gone"]);
    const [request] = next.asked();
    expect(request?.params).toEqual({ channel: "trades", symbols: ["A"], from: { epoch: "e1", seq: 41 } });
    const all = { code: "not_entitled", message: "no", field: "symbols[7]" };
    expect(next.say({ id: request?.id, error: all })).toEqual(["trades of A ended: not_entitled: no"]);
    expect(next.asked()).toEqual([]);
  });

  test("many streams are asked for in several requests, no more at once than half of what may be in flight", () => {
    const keys = Array.from({ length: 70 * SYMBOLS_PER_REQUEST_MAX }, (_, n) =>
      keyOf({ channel: "trades", symbol: `S${n}` }),
    );
    const { peer } = new Peer().next(keys);
    const requests = peer.asked();
    expect(requests.map(({ params }) => (params.symbols as string[]).length)).toEqual(Array(32).fill(256));
    expect(requests[1]?.params.symbols).toEqual(keys.slice(256, 512).map(({ symbol }) => symbol));
    peer.say({ id: requests[0]?.id, result: { streams: [] } });
    expect(peer.asked()).toHaveLength(1);
  });
});
