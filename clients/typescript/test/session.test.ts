import { describe, expect, test } from "vitest";
import { encode } from "../src/codec.ts";
import { InvalidInput, RequestRefused, TickwireError } from "../src/errors.ts";
import { newStats } from "../src/outcomes.ts";
import { HEARTBEAT_MS_MAX, HELLO_TIMEOUT_MS, REQUESTS_MAX, Session } from "../src/session.ts";
import { HELLO, heartbeat, message, Peer, TIME, TRADES, wire } from "./peer.ts";

describe("hello and time", () => {
  test("the hello is handed on, its time exact, without a demonstration account unless it says so", () => {
    const session = new Session("json", 0, newStats());
    expect(session.received(wire(HELLO), 5)).toEqual([{ kind: "hello", hello: { ...HELLO, demo: false } }]);
    expect(session.hello?.time).toBe(TIME);
    session.received(wire({ ...HELLO, demo: true }), 5);
    expect(session.hello?.demo).toBe(true);
  });

  test("the server's clock goes on from its last word", () => {
    const session = new Session("json", 0, newStats());
    session.received(wire(HELLO), 1_000);
    expect(session.serverTime(1_000.5)).toBe(TIME + 500_000n);
    session.received(wire({ ...heartbeat(), time: TIME + 10_000_000_000n }), 11_002);
    expect(session.serverTime(11_002)).toBe(TIME + 10_000_000_000n);
  });

  test("the deadline is 10 s for the hello, whatever else comes, then 2.5 heartbeats after each message", () => {
    const session = new Session("json", 100, newStats());
    expect(session.deadline).toBe(100 + HELLO_TIMEOUT_MS);
    session.received(wire(heartbeat()), 5_000);
    expect(session.deadline).toBe(100 + HELLO_TIMEOUT_MS);
    session.received(wire(HELLO), 6_000);
    expect(session.deadline).toBe(6_000 + 12_500);
    session.received(wire({ type: "news" }), 9_000);
    expect(session.deadline).toBe(9_000 + 12_500);
    expect(session.receivedMs).toBe(9_000);
  });

  test.each([0, -1, HEARTBEAT_MS_MAX + 1])("a heartbeat of %i ms breaks the protocol", (beat) => {
    const reason = `heartbeat_ms is ${beat}, not 1 to ${HEARTBEAT_MS_MAX}`;
    expect(new Peer().say({ ...HELLO, heartbeat_ms: beat })).toEqual([`broken 1002: ${reason}`]);
  });
});

describe("requests", () => {
  test("an answer and a refusal bear the id of their request", () => {
    const peer = new Peer();
    const { id, data } = peer.session.request("order.cancel", { order_id: "7" });
    expect(JSON.parse(data as string)).toEqual({ id: 1, method: "order.cancel", params: { order_id: "7" } });
    const other = peer.session.request("ping", undefined);
    expect(JSON.parse(other.data as string)).toEqual({ id: 2, method: "ping" });
    const answered = { kind: "answered", id: 2, result: { rate: 1 } };
    expect(peer.session.received(wire({ id: other.id, result: { rate: 1 } }), 0)).toEqual([answered]);
    const error = { code: "unknown_order", message: "no such order", field: "order_id" };
    const refusal = new RequestRefused("unknown_order", "no such order", "order_id", false);
    expect(peer.session.received(wire({ id, error }), 0)).toEqual([{ kind: "refused", id, error: refusal }]);
  });

  test("a reply to nothing in flight is counted and ignored", () => {
    const peer = new Peer();
    const { id } = peer.session.request("ping", undefined);
    peer.session.forget(id);
    expect(
      peer.say({ id, result: {} }, { id: 99, result: {} }, { id: null, error: { code: "a", message: "b" } }),
    ).toEqual([]);
    expect(peer.stats.unexpected).toBe(3);
  });

  test("too many in flight, and too large a one, are refused before they are sent", () => {
    const peer = new Peer({ ...HELLO, limits: { ...HELLO.limits, message_bytes: 60 } });
    expect(() => peer.session.request("order.cancel", { order_id: "ü".repeat(20) })).toThrow(
      new InvalidInput("the request is 97 bytes, the server takes 60; split it", "params"),
    );
    for (let n = 0; n < REQUESTS_MAX; n++) peer.session.request("ping", undefined);
    expect(() => peer.session.request("ping", undefined)).toThrow(TickwireError);
  });

  test("they are binary in MessagePack, and so may the answer be", () => {
    const session = new Session("msgpack", 0, newStats());
    session.received(encode(HELLO, "msgpack"), 0);
    const { id, data } = session.request("ping", undefined);
    expect(data).toEqual(encode({ id, method: "ping" }, "msgpack"));
    const reply = encode({ id, result: { time: TIME } }, "msgpack") as Uint8Array;
    expect(session.received(reply, 0)).toEqual([{ kind: "answered", id, result: { time: TIME } }]);
  });
});

describe("what else comes", () => {
  test("drain and lagging are handed on", () => {
    const peer = new Peer();
    const drain = { type: "drain", deadline: TIME };
    expect(peer.session.received(wire(drain), 0)).toEqual([{ kind: "drain", drain }]);
    const lagging = { type: "lagging", messages: 2_480 };
    expect(peer.session.received(wire(lagging), 0)).toEqual([{ kind: "lagging", lagging }]);
    expect(peer.stats.lagging).toBe(1);
  });

  test("types and channels of later versions are counted and ignored", () => {
    const peer = new Peer();
    const later = { ...message(TRADES, "update", 1), channel: "weather" };
    expect(
      peer.say({ type: "news", text: 5 }, later, {}, { ...message(TRADES, "update", 1), channel: "toString" }),
    ).toEqual([]);
    expect(peer.stats).toMatchObject({ unknown: 4, malformed: 0, messages: 5 });
  });

  test.each([
    ["a message is no object", []],
    ["`channel` is no text", { type: "update" }],
    ["`seq` is no integer", { ...message(TRADES, "update", 42), seq: 42.5 }],
    ["`ts` is no time", { ...message(TRADES, "update", 42), ts: "now" }],
    ["`data` is no object", { ...message(TRADES, "update", 42), data: null }],
    ["`time` is no time", { type: "heartbeat", streams: [] }],
    ["`streams` is no list", { type: "heartbeat", time: TIME, streams: {} }],
    ["`seq` is no integer", { type: "heartbeat", time: TIME, streams: [{ channel: "trades", symbol: "A" }] }],
    ["`challenge` is no text", { ...HELLO, challenge: 5 }],
    ["`limits` is no object", { ...HELLO, limits: null }],
    ["`deadline` is no time", { type: "drain" }],
    ["`messages` is no integer", { type: "lagging", messages: "many" }],
    ["`from` is no integer", { type: "gap", channel: "trades", symbol: "A", to: 5 }],
    ["`error` is no object", { id: 2, error: "no" }],
    ["`code` is no text", { id: 2, error: {} }],
  ])("%s: broken", (reason, wrong) => {
    const peer = new Peer();
    peer.begin(41, TRADES);
    peer.session.request("ping", undefined);
    expect(peer.say(wrong)).toEqual([`broken 1002: a message has the wrong shape: ${reason}`]);
    expect(peer.stats.malformed).toBe(1);
    expect(peer.say(message(TRADES, "update", 42))).toEqual(["trades update 42"]); // it did not move the stream
  });

  test.each(["", "{", '{"type":"heartbeat"'])("what is no JSON breaks the connection: %j", (text) => {
    const peer = new Peer();
    const [outcome] = peer.session.received(text, 0);
    expect(outcome).toMatchObject({ kind: "broken", code: 1007 });
  });
});
