import { describe, expect, test, vi } from "vitest";
import {
  ConnectionLost,
  InvalidInput,
  RequestRefused,
  TickwireError,
  connect,
  type Item,
  type Login,
} from "../src/index.ts";
import { backoffMs } from "../src/backoff.ts";
import { heartbeat, HELLO, message, QUOTES, TIME, TRADES } from "./peer.ts";
import { settle, World } from "./world.ts";

const KEY: Login = { key: "k1", sign: (challenge) => Promise.resolve(`signed-${challenge}`) };
const ALICE = { account: "alice", scopes: ["read", "trade"] };

/** What a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as Error,
  );
}

/** Trades of "A" from seq 41 on, and what the listener was told, in short. */
async function trades(world: World, client: Awaited<ReturnType<World["connected"]>>) {
  const seen: unknown[] = [];
  const listener = (item: Item<"trades">): void => void seen.push("seq" in item ? `${item.type} ${item.seq}` : item);
  const subscribing = client.subscribe("trades", "A", {}, listener);
  await world.socket.answer({ streams: [] });
  await world.socket.say(message(TRADES, "snapshot", 41));
  return { seen, subscription: await subscribing };
}

test("the wait is anywhere below a bound that doubles up to 10 s", () => {
  expect([0, 1, 2, 6, 7, 1_000].map((attempt) => backoffMs(attempt, () => 0.5))).toEqual([
    50, 100, 200, 3_200, 5_000, 5_000,
  ]);
  expect(backoffMs(3, () => 0)).toBe(0);
});

describe("the first connection", () => {
  test("it is there after hello", async () => {
    const world = new World();
    const connecting = connect("ws://x/ws", world.options());
    expect(world.socket).toMatchObject({
      url: "ws://x/ws",
      protocols: ["tickwire.v1.json"],
      binaryType: "arraybuffer",
    });
    await world.socket.accept({ demo: true });
    const client = await connecting;
    expect(client.hello).toEqual({ ...HELLO, demo: true });
    expect(client).toMatchObject({ state: "open", accountName: null, retryAt: null, draining: null, silenceMs: 0 });
    expect(client.stats).toMatchObject({ connections: 1, messages: 1 });
    world.nowMs += 7;
    expect(client.silenceMs).toBe(7);
    expect(client.serverTime()).toBe(TIME + 7_000_000n);
  });

  test("when it fails, connect says what to check", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options()));
    await world.socket.end();
    const error = await connecting;
    expect(error).toBeInstanceOf(ConnectionLost);
    expect(error.message).toContain("can't connect to ws://x/ws: is the server running");
    expect(world.waiting).toBe(0);
  });

  test("it has failed as well when the socket says that there is an error, and no more", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options()));
    world.socket.onerror?.call(world.socket as never, {} as Event);
    await world.pass(0);
    expect((await connecting).message).toContain("can't connect to ws://x/ws: is the server running");
    expect(world.waiting).toBe(0);
  });

  test("told to keep trying, it does, each time after a longer wait", async () => {
    const world = new World();
    const connecting = connect("ws://x/ws", world.options({ keepTrying: true }));
    await world.socket.end();
    await world.pass(49);
    expect(world.sockets).toHaveLength(1);
    await world.pass(1);
    expect(world.sockets).toHaveLength(2);
    await world.socket.end();
    await world.pass(99);
    expect(world.sockets).toHaveLength(2);
    await world.pass(1);
    await world.socket.accept();
    expect((await connecting).state).toBe("open");
  });

  test("a server that says nothing is given up after 10 s", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options()));
    await world.pass(10_249);
    expect(world.socket.closed).toBeNull();
    await world.pass(1);
    expect((await connecting).message).toContain("ws://x/ws does not answer");
    expect(world.socket.closed?.code).toBe(1000);
  });

  test("so is one that says anything but hello", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options()));
    world.socket.onopen?.call(world.socket as never, {} as Event);
    for (let n = 0; n < 103; n++) {
      await world.socket.say(heartbeat());
      await world.pass(100);
    }
    expect((await connecting).message).toContain("nothing was heard from the server for too long");
  });

  test("another subprotocol is refused, none stands for JSON", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options({ encoding: "msgpack" })));
    expect(world.socket.protocols).toEqual(["tickwire.v1.msgpack"]);
    world.socket.onopen?.call(world.socket as never, {} as Event);
    expect((await connecting).message).toContain("does not speak tickwire.v1.msgpack");
    const plain = connect("ws://x/ws", world.options());
    world.socket.onopen?.call(world.socket as never, {} as Event);
    await world.socket.say(HELLO);
    expect((await plain).state).toBe("open");
  });
});

describe("a lost connection", () => {
  test("it is made anew, and streams go on from where they stood", async () => {
    const world = new World();
    const client = await world.connected();
    const { seen } = await trades(world, client);
    await world.socket.end(1012, "restart");
    expect(client).toMatchObject({ state: "waiting", retryAt: 1_050 });
    await world.pass(50);
    expect(client.state).toBe("connecting");
    await world.socket.accept();
    expect(client.state).toBe("open");
    expect(world.socket.sent).toEqual([
      { id: 1, method: "subscribe", params: { channel: "trades", symbols: ["A"], from: { epoch: "e1", seq: 41 } } },
    ]);
    await world.socket.answer({ streams: [{ channel: "trades", symbol: "A", seq: 42, recovered: true }] });
    await world.socket.say(message(TRADES, "update", 42));
    expect(seen).toEqual([
      "snapshot 41",
      { type: "resumed", channel: "trades", symbol: "A", after: 41, missed: 1 },
      "update 42",
    ]);
    expect(world.events).toEqual([
      { type: "lost", code: 1012, reason: "the connection is lost (1012: restart)" },
      { type: "waiting", reason: "the connection is lost (1012: restart)", retryAt: 1_050 },
      { type: "connecting" },
      { type: "open" },
    ]);
    expect(client.stats).toMatchObject({ connections: 2, resumed: 1, lost: 0 });
  });

  test("a mute one is cut after 2.5 heartbeats, once what waits to be read was read", async () => {
    const world = new World();
    const client = await world.connected();
    await world.pass(12_500);
    expect(client.state).toBe("open");
    await world.socket.say(heartbeat()); // it came while nothing ran
    await world.pass(12_749);
    expect(client.state).toBe("open");
    await world.pass(1);
    expect(client.state).toBe("waiting");
    expect(world.events.at(-1)).toMatchObject({ reason: expect.stringContaining("nothing was heard") as string });
    expect(world.socket.closed?.code).toBe(1000);
  });

  test("waits grow until a heartbeat has come", async () => {
    const world = new World();
    const client = await world.connected();
    const waits: number[] = [];
    const lose = async (): Promise<void> => {
      await world.socket.end();
      waits.push(client.retryAt! - world.nowMs);
      await world.pass(client.retryAt! - world.nowMs);
      await world.socket.accept();
    };
    for (let n = 0; n < 3; n++) await lose();
    await world.socket.say(heartbeat());
    await lose();
    await world.socket.say({ type: "drain", deadline: TIME });
    expect(client.draining).toBe(TIME);
    await lose();
    expect(client.draining).toBeNull();
    expect(waits).toEqual([50, 100, 200, 50, 50]);
  });

  test("the browser is online again: it tries at once", async () => {
    const listeners = new Map<string, () => void>();
    vi.stubGlobal("addEventListener", (name: string, listener: () => void) => listeners.set(name, listener));
    vi.stubGlobal("removeEventListener", (name: string) => listeners.delete(name));
    const world = new World();
    const client = await world.connected();
    await world.socket.end();
    expect(world.sockets).toHaveLength(1);
    listeners.get("online")!();
    await settle();
    expect(world.sockets).toHaveLength(2);
    await world.socket.accept();
    const closing = client.close();
    await world.socket.end(1000);
    await closing;
    expect(listeners.size).toBe(0);
    expect(world.waiting).toBe(0);
    vi.unstubAllGlobals();
  });

  test.each([4400, 4401, 4403, 4409, 4499])("after %i there is no other", async (code) => {
    const world = new World();
    const client = await world.connected();
    const { subscription } = await trades(world, client);
    await world.socket.end(code, "why");
    const error = await subscription.ended;
    expect(error).toBeInstanceOf(ConnectionLost);
    expect(error).toMatchObject({ code });
    expect(client.state).toBe("closed");
    expect(world.waiting).toBe(0);
    expect(await failure(client.request("time"))).toMatchObject({
      code,
      message: `the connection is lost (${code}: why)`,
    });
  });

  test.each([4001, 4101, 4102, 4103, 4500])("after %i there is", async (code) => {
    const world = new World();
    const client = await world.connected();
    await world.socket.end(code);
    expect(client.state).toBe("waiting");
  });

  test("told not to reconnect, the client is closed with it", async () => {
    const world = new World();
    const client = await world.connected({ reconnect: false });
    const { subscription } = await trades(world, client);
    await world.socket.end();
    expect(client.state).toBe("closed");
    expect(await subscription.ended).toBeInstanceOf(ConnectionLost);
  });

  test("a server that breaks the protocol is left", async () => {
    const world = new World();
    const client = await world.connected();
    await world.socket.say({ type: "heartbeat" });
    expect(world.socket.closed).toEqual({ code: 1000, reason: "a message has the wrong shape: `time` is no time" });
    expect(world.events[0]).toMatchObject({ type: "lost", code: 1002 });
    expect(client.stats.malformed).toBe(1);
  });

  test("so is one that does not read", async () => {
    const world = new World();
    const client = await world.connected();
    world.socket.bufferedAmount = 2 ** 20 + 1;
    expect((await failure(client.request("time"))).message).toContain("the server does not read what it is sent");
    expect(client.state).toBe("waiting");
  });

  test("nothing is said on a socket that is closing", async () => {
    const world = new World();
    const client = await world.connected();
    const asking = failure(client.request("time"));
    const before = world.socket.sent.length;
    world.socket.readyState = 2; // closing
    const late = failure(client.request("time"));
    expect(world.socket.sent).toHaveLength(before);
    await world.socket.end(1012);
    for (const error of [await asking, await late]) expect(error).toBeInstanceOf(ConnectionLost);
  });
});

describe("requests", () => {
  test("one without a reply says whether it was sent", async () => {
    const world = new World();
    const client = await world.connected({ requestTimeoutMs: 3_000 });
    const asking = Array.from({ length: 33 }, () => failure(client.request("time")));
    expect(world.socket.sent).toHaveLength(32); // the other half is for re-subscriptions
    await world.pass(3_000);
    const errors = await Promise.all(asking);
    expect(errors[0]).toBeInstanceOf(TickwireError);
    expect(errors[0]?.message).toBe(
      "no reply to time within 3000 ms: it was sent, so whether it was carried out is unknown",
    );
    await world.socket.say({ id: 1, result: {} });
    expect(client.stats.unexpected).toBe(1);
  });

  test("one that waits for its turn is sent when there is room", async () => {
    const world = new World();
    const client = await world.connected();
    const asking = Array.from({ length: 34 }, () => client.request("time"));
    await world.socket.say({ id: 1, result: { time: 5 } });
    expect(await asking[0]).toEqual({ time: 5n });
    expect(world.socket.sent.map(({ id }) => id)).toEqual(Array.from({ length: 33 }, (_, n) => n + 1));
    const rest = asking.slice(1).map(failure);
    await world.socket.end();
    expect((await rest[0])?.message).toContain("whether the request was carried out is unknown");
    expect((await rest[32])?.message).toContain("the request was not sent");
    expect((await failure(client.request("time"))).message).toBe("not connected to ws://x/ws now; nothing was sent");
  });

  test("a refusal says why", async () => {
    const world = new World();
    const client = await world.connected();
    const asking = failure(client.instruments({ venue: "X" }));
    expect(world.socket.sent.at(-1)).toMatchObject({ method: "instruments", params: { venue: "X" } });
    await world.socket.refuse("rate_limited", true);
    expect(await asking).toEqual(new RequestRefused("rate_limited", "no", null, true));
  });

  test("instruments are asked for once a connection", async () => {
    const world = new World();
    const client = await world.connected();
    const asking = client.instrument("A");
    await world.socket.answer({ instruments: [{ symbol: "A", tick_size: "0.5" }] });
    expect(await asking).toEqual({ symbol: "A", tick_size: "0.5" });
    expect(await client.instrument("A")).toEqual({ symbol: "A", tick_size: "0.5" });
    expect(world.socket.sent).toHaveLength(1);
    const other = failure(client.instrument("B"));
    await world.socket.answer({ instruments: [] });
    expect(await other).toMatchObject({ field: "symbol" });
  });
});

describe("logging in", () => {
  test("it comes before everything else, on every connection, and closes the session before", async () => {
    const world = new World();
    const connecting = connect("ws://x/ws", world.options({ login: KEY }));
    await world.socket.accept();
    expect(world.socket.sent).toEqual([{ id: 1, method: "auth.login", params: { key: "k1", signature: "signed-c1" } }]);
    await world.socket.answer(ALICE);
    const client = await connecting;
    expect(client).toMatchObject({ accountName: "alice", scopes: ["read", "trade"] });
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept({ session: "s2", challenge: "c2" });
    const params = { key: "k1", signature: "signed-c2", takeover: "s1" };
    expect(world.socket.sent).toEqual([{ id: 1, method: "auth.login", params }]);
    await world.socket.answer(ALICE);
    expect(client.state).toBe("open");
  });

  test("a refused login ends it, one that is refused for now does not", async () => {
    const world = new World();
    const connecting = failure(connect("ws://x/ws", world.options({ login: { token: "t" }, keepTrying: true })));
    await world.socket.accept();
    expect(world.socket.sent[0]?.params).toEqual({ token: "t" });
    await world.socket.refuse("rate_limited", true);
    await world.pass(1_049);
    expect(world.sockets).toHaveLength(1);
    await world.pass(1);
    expect(world.sockets).toHaveLength(2);
    await world.socket.accept();
    await world.socket.refuse("login_failed");
    expect(await connecting).toMatchObject({ code: 4401, message: "the server refused the login: login_failed: no" });
    expect(world.waiting).toBe(0);
  });

  test("what can't be signed ends it, too", async () => {
    const world = new World();
    const sign = (): Promise<string> => Promise.reject(new InvalidInput("do not trust this server", "challenge"));
    const connecting = failure(connect("ws://x/ws", world.options({ login: { key: "k", sign }, keepTrying: true })));
    await world.socket.accept();
    expect(await connecting).toMatchObject({ code: 4401 });
  });

  test("later: kept for later connections, and given up by a logout with what was the account's", async () => {
    const world = new World();
    const client = await world.connected();
    expect(() => client.messages("orders")).toThrow(InvalidInput);
    await expect(client.subscribe("fills", [], {}, () => undefined)).rejects.toBeInstanceOf(InvalidInput);
    const loggingIn = client.login({ demo: true });
    await settle();
    expect(world.socket.sent.at(-1)).toMatchObject({ method: "auth.login", params: { demo: true } });
    await world.socket.answer(ALICE);
    expect(await loggingIn).toEqual(ALICE);
    const subscribing = client.subscribe("fills", [], {}, () => undefined);
    expect(world.socket.sent.at(-1)).toMatchObject({ method: "subscribe", params: { channel: "fills" } });
    await world.socket.answer({ streams: [] });
    const fills = await subscribing;
    expect(fills.symbols).toEqual(["alice"]);
    const guarding = client.cancelOnDisconnect("connection");
    await settle();
    await world.socket.answer();
    await guarding;

    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    await world.socket.answer(ALICE);
    await world.socket.answer(); // the guard
    expect(world.socket.sent.map(({ method, params }) => [method, params])).toEqual([
      ["auth.login", { demo: true, takeover: "s1" }],
      ["session.cancel_on_disconnect", { scope: "connection" }],
      ["subscribe", { channel: "fills" }],
    ]);

    const loggingOut = client.logout();
    await world.socket.answer();
    await loggingOut;
    expect(await fills.ended).toBeNull();
    expect(client.accountName).toBeNull();
    expect(world.events.at(-1)).toEqual({ type: "logout" });
    await world.socket.end();
    await world.pass(100);
    await world.socket.accept();
    expect(world.socket.sent).toEqual([]);
    expect(client.state).toBe("open");
  });

  test("a logout holds also without a connection, and while the next one logs in", async () => {
    const world = new World();
    const client = await world.connected();
    const login = async (): Promise<void> => {
      const loggingIn = client.login({ demo: true });
      await settle();
      await world.socket.answer(ALICE);
      await loggingIn;
    };
    await login();
    await world.socket.end();
    await client.logout();
    expect(client.accountName).toBeNull();
    expect(world.events.at(-1)).toEqual({ type: "logout" });
    await world.pass(50);
    await world.socket.accept();
    expect(world.socket.sent).toEqual([]);

    await login();
    await world.socket.end();
    await world.pass(100);
    await world.socket.accept();
    expect(world.socket.sent).toMatchObject([{ method: "auth.login" }]);
    await client.logout();
    await world.socket.answer(ALICE);
    expect(client.accountName).toBeNull();
    await world.socket.end();
    await world.pass(5_000);
    await world.socket.accept();
    expect(world.socket.sent).toEqual([]);
    expect(client.state).toBe("open");
    expect(client.accountName).toBeNull();
  });
});

describe("subscriptions", () => {
  test("streams that two share are ended with the second", async () => {
    const world = new World();
    const client = await world.connected();
    const first = await trades(world, client);
    const other: unknown[] = [];
    const subscribing = client.subscribe("trades", "A", {}, (item) => other.push(item.type));
    await world.socket.say(message(TRADES, "update", 42)); // before its snapshot, so it is the first one's alone
    await world.socket.answer({ streams: [] });
    await world.socket.say(message(TRADES, "snapshot", 42), message(TRADES, "update", 43));
    const second = await subscribing;
    expect(first.seen).toEqual(["snapshot 41", "update 42", "snapshot 42", "update 43"]);
    expect(other).toEqual(["snapshot", "update"]);
    first.subscription.close();
    first.subscription.close();
    expect(world.socket.sent.at(-1)?.method).toBe("subscribe");
    await world.socket.say(message(TRADES, "update", 44));
    expect(first.seen).toHaveLength(4);
    expect(other).toHaveLength(3);
    second.close();
    expect(world.socket.sent.at(-1)).toMatchObject({
      method: "unsubscribe",
      params: { channel: "trades", symbols: ["A"] },
    });
    expect(await first.subscription.ended).toBeNull();
  });

  test("one that is refused leaves nothing behind", async () => {
    const world = new World();
    const client = await world.connected();
    const subscribing = failure(client.subscribe("trades", ["A", "B", "A"], {}, () => undefined));
    expect(world.socket.sent.at(-1)?.params).toEqual({ channel: "trades", symbols: ["A", "B"] });
    await world.socket.refuse("unknown_symbol");
    expect(await subscribing).toMatchObject({ code: "unknown_symbol" });
    await world.socket.say(message(TRADES, "snapshot", 1));
    expect(client.stats.unexpected).toBe(1);
    expect(world.socket.sent).toHaveLength(1);
  });

  test.each([
    ["trades", [], {}, "symbols"],
    ["weather" as "trades", "A", {}, "channel"],
    ["trades", "A", { depth: 10 }, "depth"],
    ["trades", "A", { intervalMs: 100 }, "intervalMs"],
    ["book", "A", { depth: 7 }, "depth"],
    ["book", "A", { intervalMs: 7 }, "intervalMs"],
    ["book", "A", { interval: "1m" }, "interval"],
    ["candles", "A", { interval: "2m" }, "interval"],
  ] as const)("%s of %j with %j is refused before anything is sent", async (channel, symbols, options, field) => {
    const world = new World();
    const client = await world.connected();
    const error = await failure(client.subscribe(channel, symbols, options, () => undefined));
    expect(error).toBeInstanceOf(InvalidInput);
    expect(error).toMatchObject({ field });
    expect(world.socket.sent).toEqual([]);
  });

  test("one that the server does not resume ends with why", async () => {
    const world = new World();
    const client = await world.connected();
    const { subscription } = await trades(world, client);
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    await world.socket.refuse("not_entitled");
    expect(await subscription.ended).toMatchObject({ code: "not_entitled" });
    await world.socket.end();
    await world.pass(100);
    await world.socket.accept();
    expect(world.socket.sent).toEqual([]);
  });

  test("a listener that throws is reported and hurts nobody", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const world = new World();
    const client = await world.connected();
    const subscribing = client.subscribe("quotes", "A", {}, () => {
      throw new Error("oops");
    });
    await world.socket.answer({ streams: [] });
    await subscribing;
    await world.socket.say(message(QUOTES, "snapshot", 1));
    expect(errors.mock.calls).toEqual([[new Error("oops")]]);
    expect(client.state).toBe("open");
    errors.mockRestore();
  });

  test("an iteration ends with the client, and leaves its streams when it is left", async () => {
    const world = new World();
    const client = await world.connected();
    const iteration = client.messages("trades", "A");
    const first = iteration.next();
    await world.socket.answer({ streams: [] });
    await world.socket.say(message(TRADES, "snapshot", 5));
    expect(await first).toMatchObject({ done: false, value: { type: "snapshot", seq: 5 } });
    await iteration.return();
    expect(world.socket.sent.at(-1)?.method).toBe("unsubscribe");

    const other = client.messages("quotes", "A");
    const next = other.next();
    await world.socket.answer({ streams: [] });
    const closing = client.close();
    expect(await next).toEqual({ done: true, value: undefined });
    await world.socket.end(1000);
    await closing;
    await client.close();
  });
});

test("closing between two attempts makes no other", async () => {
  const world = new World();
  const client = await world.connected();
  await world.socket.end();
  await client.close();
  expect(client).toMatchObject({ state: "closed", retryAt: null });
  expect(world.waiting).toBe(0);
  await world.pass(60_000);
  expect(world.sockets).toHaveLength(1);
});

test("closing takes a second at most, and nothing waits afterwards", async () => {
  const world = new World();
  const client = await world.connected();
  const asking = failure(client.request("time"));
  const closing = client.close();
  expect(world.socket.closed).toEqual({ code: 1000, reason: "" });
  expect(await asking).toBeInstanceOf(ConnectionLost);
  await world.pass(1_000);
  await closing;
  expect(client.state).toBe("closed");
  expect(world.waiting).toBe(0);
  expect(world.events.map(({ type }) => type)).toEqual(["closed"]);
});
