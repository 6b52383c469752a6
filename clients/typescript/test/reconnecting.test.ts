/** What a client does when a connection, or the attempt at one, goes wrong in a less usual way. */

import { describe, expect, test } from "vitest";
import { connect, ConnectionLost, type Client, type Login } from "../src/index.ts";
import { INFO } from "./desk.ts";
import { heartbeat, message, QUOTES, TIME, TRADES } from "./peer.ts";
import { settle, World } from "./world.ts";

const ALICE = { account: "alice", scopes: ["read", "trade"] };
const S = INFO.symbol;
const ROWS = { bids: [["1", "10.00", "1"]], asks: [] };

/** A message of the book by order of `S`. */
function orders(type: "snapshot" | "update", seq: number, data: object): object {
  return { channel: "book_l3", symbol: S, type, seq, ts: TIME, data };
}

/** A live book by order, at seq 5. */
async function opened(world: World, client: Client) {
  const opening = client.bookL3(S);
  await world.socket.answer({ instruments: [INFO] });
  await world.socket.answer({ streams: [] });
  await world.socket.say(orders("snapshot", 5, ROWS));
  return opening;
}

/** Subscribe, and have that answered. */
async function subscribed(world: World, client: Client, channel: "trades" | "quotes", symbols: string | string[]) {
  const seen: string[] = [];
  const subscribing = client.subscribe(channel, symbols, {}, (item) => void seen.push(item.type));
  await world.socket.answer({ streams: [] });
  return { seen, subscription: await subscribing };
}

/** A client that is logged in. */
async function loggedIn(world: World, login: Login): Promise<Client> {
  const connecting = connect("ws://x/ws", world.options({ login }));
  await world.socket.accept();
  await world.socket.answer(ALICE);
  const client = await connecting;
  client.listen((event) => world.events.push(event));
  return client;
}

describe("a book", () => {
  test("whose snapshot does not fit is not resumed from there", async () => {
    const world = new World();
    const client = await world.connected();
    const book = await opened(world, client);
    await world.socket.say(orders("snapshot", 6, { bids: [...ROWS.bids, ...ROWS.bids], asks: [] }));
    const reason = "snapshot 6 does not fit: order 1 is there already, or has no size";
    expect(book.reason).toContain(reason);
    expect(world.socket.closed?.reason).toBe(`book_l3 of ${S}: ${reason}`);
    await world.pass(50);
    await world.socket.accept();
    await world.socket.answer({ instruments: [INFO] });
    expect(world.socket.sent.at(-1)?.params).toEqual({ channel: "book_l3", symbols: [S] });
    expect(book.valid).toBe(false);
    await world.socket.answer({ streams: [] });
    await world.socket.say(orders("snapshot", 7, ROWS));
    expect(book.bids()).toEqual([["10.00", "1.000"]]);
  });

  test("that a heartbeat finds behind can't be read when the same ends the connection", async () => {
    const world = new World();
    const client = await world.connected();
    const book = await opened(world, client);
    await subscribed(world, client, "quotes", "A"); // of which nothing comes
    const beat = (seq: number): object => ({
      ...heartbeat([QUOTES, 1]),
      streams: [{ channel: "book_l3", symbol: S, seq }],
    });
    for (let n = 0; n < 3; n++) await world.socket.say(beat(5));
    expect(book.valid).toBe(true);
    await world.socket.say(beat(9));
    expect(client.state).toBe("waiting");
    expect(book.reason).toContain("the heartbeat names seq 9, 5 is the last here");
  });

  test("is asked the instruments for once a connection, however many open at once", async () => {
    const world = new World();
    const client = await world.connected();
    const opening = ["A", "B", S].map((symbol) => client.instrument(symbol).then(({ venue }) => venue, String));
    expect(world.socket.sent.map(({ method }) => method)).toEqual(["instruments"]);
    await world.socket.answer({ instruments: [INFO] });
    expect(await Promise.all(opening)).toEqual([
      expect.stringContaining('no instrument "A"'),
      expect.stringContaining('no instrument "B"'),
      "SIM",
    ]);
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    const again = client.instrument(S);
    expect(world.socket.sent.map(({ method }) => method)).toEqual(["instruments"]);
    await world.socket.answer({ instruments: [{ ...INFO, venue: "NEW" }] });
    expect((await again).venue).toBe("NEW");
  });
});

describe("closing", () => {
  test.each(["connecting", "waiting", "lost"])("in a listener of %s makes no other connection", async (type) => {
    const world = new World();
    const client = await world.connected();
    client.listen((event) => {
      if (event.type === type) void client.close();
    });
    await world.socket.end();
    await world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
    expect(client).toMatchObject({ state: "closed", retryAt: null });
    expect(world.events.filter((event) => event.type === "closed")).toHaveLength(1);
    expect(world.waiting).toBe(0);
  });
});

describe("during the login", () => {
  test("a close code that forbids it ends the client", async () => {
    const world = new World();
    const client = await loggedIn(world, { token: "t" });
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    await world.socket.end(4403, "the session's key was revoked");
    expect(client.state).toBe("closed");
    expect(world.events.at(-1)).toMatchObject({ type: "closed", code: 4403 });
    expect(world.waiting).toBe(0);
  });

  test("a close reason can say how long to stay away", async () => {
    const world = new World();
    const client = await loggedIn(world, { token: "t" });
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    await world.socket.refuse("too_many_connections", true);
    await world.socket.end(4102, "too many connections of this key; retry_after=10");
    expect(client).toMatchObject({ state: "waiting", retryAt: world.nowMs + 10_000 });
    expect(world.waiting).toBe(1);
    await world.pass(9_999);
    expect(world.sockets).toHaveLength(2);
    await world.pass(1);
    expect(world.sockets).toHaveLength(3);
  });

  test("a signature that never comes holds nothing up once the connection is lost", async () => {
    const world = new World();
    let sign = (): Promise<string> => Promise.resolve("signed");
    const client = await loggedIn(world, { key: "k", sign: () => sign() });
    sign = () => new Promise(() => undefined);
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    const hanging = client.login({ key: "k", sign: () => sign() });
    await expect(hanging).rejects.toBeInstanceOf(ConnectionLost);
    await world.socket.end();
    expect(client.state).toBe("waiting");
    sign = () => Promise.resolve("signed");
    await world.pass(100);
    await world.socket.accept();
    await world.socket.answer(ALICE);
    expect(client.state).toBe("open");
  });
});

describe("streams that nobody wants", () => {
  test("those of an account that was opened in part are left", async () => {
    const world = new World();
    const client = await loggedIn(world, { token: "t" });
    const opening = client.account().catch((error: unknown) => error);
    await settle();
    await world.socket.answer({ streams: [] });
    await world.socket.answer({ streams: [] });
    const begun = world.socket.sent.slice(1, 3).map(({ params }) => params);
    await world.socket.refuse("rate_limited", true);
    expect(await opening).toMatchObject({ code: "rate_limited" });
    const left = world.socket.sent.slice(4);
    expect(left.map(({ method }) => method)).toEqual(["unsubscribe", "unsubscribe"]);
    expect(left.map(({ params }) => params)).toEqual(begun);
  });

  test("many may be closed at once: requests go on", async () => {
    const world = new World();
    const client = await world.connected();
    const all = [];
    for (let n = 0; n < 70; n++) all.push((await subscribed(world, client, "trades", `S${n}`)).subscription);
    for (const subscription of all) subscription.close();
    const ping = client.ping();
    const unsubscribed = (): string[] =>
      world.socket.sent.flatMap(({ method, params }) =>
        method === "unsubscribe" ? (params!.symbols as string[]) : [],
      );
    expect(unsubscribed()).toHaveLength(32);
    await world.socket.answer();
    expect(await ping).toBe(0);
    await world.socket.say({ id: world.socket.sent[70]!.id, result: { streams: [] } });
    expect(unsubscribed()).toEqual(Array.from({ length: 70 }, (_, n) => `S${n}`));
  });

  test("one who subscribes again at once begins with what is new", async () => {
    const world = new World();
    const client = await world.connected();
    const { subscription } = await subscribed(world, client, "trades", "A");
    subscription.close();
    const seen: string[] = [];
    const subscribing = client.subscribe("trades", "A", {}, (item) => void seen.push(item.type));
    await world.socket.say(message(TRADES, "snapshot", 5), message(TRADES, "update", 6));
    await world.socket.answer({ streams: [] });
    await subscribing;
    await world.socket.say(message(TRADES, "snapshot", 9), message(TRADES, "update", 10));
    expect(seen).toEqual(["snapshot", "update"]);
  });

  test("what is private ends when another account logs in", async () => {
    const world = new World();
    const client = await loggedIn(world, { token: "t" });
    const subscribing = client.subscribe("fills", [], {}, () => undefined);
    await world.socket.answer({ streams: [] });
    const fills = await subscribing;
    const trades = await subscribed(world, client, "trades", "A");
    const logIn = async (account: string): Promise<void> => {
      const loggingIn = client.login({ token: account });
      await settle();
      await world.socket.answer({ ...ALICE, account });
      await loggingIn;
    };
    let ended = false;
    void fills.ended.then(() => (ended = true));
    await logIn("alice");
    expect(ended).toBe(false);
    await logIn("bob");
    expect(await fills.ended).toBeNull();
    await world.socket.say(message(TRADES, "snapshot", 5));
    expect(trades.seen).toEqual(["snapshot"]);
    await world.socket.end();
    await world.pass(50);
    await world.socket.accept();
    await world.socket.answer({ ...ALICE, account: "bob" });
    expect(world.socket.sent.map(({ params }) => params?.channel)).toEqual([undefined, "trades"]);
  });
});
