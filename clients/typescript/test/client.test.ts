import { describe, expect, test } from "vitest";
import { connect } from "../src/index.ts";
import { settle, World } from "./world.ts";

const BUY = { symbol: "A", side: "buy", size: "1", price: "1" } as const;
/** Requests of the caller that a connection has in flight at most. */
const SLOTS = 32;

/** A client that is logged in, with so many requests in flight. */
async function trader(world: World, asking: number) {
  const client = await world.connected({ requestTimeoutMs: 1_000 }, { demo: true });
  const login = client.login({ demo: true });
  await settle();
  await world.socket.answer({ account: "demo", scopes: ["read", "trade"] });
  await login;
  for (let at = 0; at < asking; at++) client.request("time").catch(() => undefined);
  await settle();
  return client;
}

function methods(world: World): string[] {
  return world.socket.sent.map(({ method }) => method).filter((method) => method.startsWith("order."));
}

describe("an order that waits to be sent", () => {
  test("it is given up with its time, which says that it was not sent, and is never sent", async () => {
    const world = new World();
    const client = await trader(world, SLOTS);
    const placing = client.place(BUY, 500);
    const failed = expect(placing).rejects.toMatchObject({
      name: "TickwireError",
      message: "no reply to order.place within 500 ms: it was not sent",
      sent: false,
    });
    await world.pass(500);
    await failed;
    await world.socket.say(...world.socket.sent.slice(-SLOTS).map(({ id }) => ({ id, result: {} })));
    expect(methods(world)).toEqual([]);
    void client.close();
  });

  test("it is lost with its connection, which says that it was not sent", async () => {
    const world = new World();
    const client = await trader(world, SLOTS);
    const placing = client.place(BUY);
    const failed = expect(placing).rejects.toMatchObject({ name: "ConnectionLost", sent: false });
    await world.socket.end();
    await failed;
    void client.close();
  });
});

test("an order that was sent says so when there is no reply", async () => {
  const world = new World();
  const client = await trader(world, 0);
  const asking = client.request("order.place", { ...BUY, type: "limit" }).catch((error: unknown) => error);
  const other = client.request("time").catch((error: unknown) => error);
  await world.pass(1_000);
  expect(await asking).toMatchObject({ name: "TickwireError", sent: true });
  const placing = client.place(BUY, 60_000).catch((error: unknown) => error);
  await world.socket.end();
  void client.close();
  expect([await other, await placing]).toMatchObject([{ sent: true }, { name: "OutcomeUnknown", sent: true }]);
});

test("after a pause of the process, what was received meanwhile comes before the end of a request", async () => {
  const world = new World();
  const client = await world.connected({ requestTimeoutMs: 1_000 });
  const [asking, mute] = [client.request("time"), client.ping().catch((error: unknown) => error)];
  const [id] = world.socket.sent.map((sent) => sent.id);
  world.nowMs += 10_000; // asleep
  await world.pass(0); // its timers come first
  await world.socket.say({ id, result: { time: 1 } });
  expect(await asking).toEqual({ time: 1n });
  await world.pass(250);
  expect(await mute).toMatchObject({ sent: true });
  void client.close();
});

describe("connecting", () => {
  test.each<[field: string, options: object, url?: string]>([
    ["url", {}, "ws://x/ws#there"],
    ["url", {}, "http://x/ws"],
    ["url", {}, "nowhere"],
    ["requestTimeoutMs", { requestTimeoutMs: 0 }],
    ["requestTimeoutMs", { requestTimeoutMs: 2 ** 31 }],
    ["requestTimeoutMs", { requestTimeoutMs: "10" }],
    ["request_timeout", { request_timeout: 10 }],
    ["encoding", { encoding: "xml" }],
  ])("%s is wrong: it is named", async (field, options, url = "ws://x/ws") => {
    const world = new World();
    const connecting = connect(url, world.options(options));
    await expect(connecting).rejects.toMatchObject({ name: "InvalidInput", field });
    expect(world.sockets).toEqual([]);
  });

  test("a signal ends it, while it connects and between two attempts", async () => {
    for (const lost of [false, true]) {
      const world = new World();
      const control = new AbortController();
      const connecting = connect("ws://x/ws", world.options({ keepTrying: true, signal: control.signal }));
      const failed = expect(connecting).rejects.toThrow("enough");
      if (lost) await world.socket.end();
      control.abort(new Error("enough"));
      await settle();
      await world.socket.end();
      await failed;
      await world.pass(60_000);
      expect([world.sockets.length, world.waiting]).toEqual([1, 0]);
    }
  });

  test("one that was aborted before does not dial", async () => {
    const world = new World();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(connect("ws://x/ws", world.options({ signal }))).rejects.toThrow("enough");
    expect(world.sockets).toEqual([]);
  });

  test("once connected, the signal has no say", async () => {
    const world = new World();
    const control = new AbortController();
    const client = await world.connected({ signal: control.signal });
    control.abort();
    await settle();
    expect(client.state).toBe("open");
    void client.close();
  });
});
