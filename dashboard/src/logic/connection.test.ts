import type { ClientEvent, Stats } from "tickwire";
import { beforeEach, expect, test, vi } from "vitest";
import {
  type ConnectionState,
  type Facts,
  judge,
  Monitor,
  PING_MS,
  Samples,
  SAMPLES_MAX,
  TICK_MS,
  type Watched,
} from "./connection.ts";

beforeEach(() => vi.stubGlobal("requestAnimationFrame", () => 0));

/** A client on a line that can be cut without a sound, and a clock that is wound by hand. */
function setUp(latencyMs = 5) {
  const world = { now: 1_000, online: true, cut: false };
  const due: { at: number; run: () => void }[] = [];
  let tell: (event: ClientEvent) => void = () => undefined;
  const client = {
    state: "open" as Watched["state"],
    stats: { messages: 0, bytes: 0 } as Stats,
    draining: null as bigint | null,
    retryAt: null as number | null,
    silenceMs: 0,
    serverTime: () => BigInt(world.now) * 1_000_000n,
    listen: (listener: (event: ClientEvent) => void) => {
      tell = listener;
      return () => undefined;
    },
    pings: 0,
    ping: () =>
      new Promise<number>((resolve) => {
        client.pings += 1;
        if (!world.cut) due.push({ at: world.now + latencyMs, run: () => resolve(latencyMs) });
      }),
  };
  const states: [at: number, state: ConnectionState][] = [];
  const monitor = new Monitor(client, { now: () => world.now, online: () => world.online }, (state) =>
    states.push([world.now, state]),
  );
  const pass = async (ms: number): Promise<void> => {
    for (const end = world.now + ms; world.now < end;) {
      world.now += TICK_MS;
      for (const one of due.splice(0)) {
        if (one.at <= world.now) one.run();
        else due.push(one);
      }
      await Promise.resolve();
      await Promise.resolve();
      monitor.tick();
    }
  };
  return { world, client, monitor, states, pass, tell: (event: ClientEvent) => tell(event) };
}

const well: Facts = { client: "open", unansweredMs: 0, usualMs: 5, online: true, draining: false };

test("the state by the facts", () => {
  const of = (more: Partial<Facts>): ConnectionState => judge({ ...well, ...more });
  expect(of({})).toBe("live");
  expect(of({ unansweredMs: 499 })).toBe("live");
  expect(of({ unansweredMs: 500 })).toBe("stale");
  expect(of({ unansweredMs: 500, draining: true })).toBe("stale");
  expect(of({ unansweredMs: 700, usualMs: 300 })).toBe("live"); // by way of a satellite
  expect(of({ unansweredMs: 900, usualMs: 300 })).toBe("stale");
  expect(of({ online: false })).toBe("stale");
  expect(of({ draining: true })).toBe("draining");
  expect(of({ client: "waiting" })).toBe("lost");
  expect(of({ client: "connecting" })).toBe("reconnecting");
  expect(of({ client: "closed", online: false })).toBe("ended");
});

test("a cut cable is told within a second, whenever it is cut, and that it is mended as soon as an answer comes", async () => {
  for (let offset = 0; offset < PING_MS; offset += TICK_MS) {
    const { world, monitor, states, pass } = setUp();
    await pass(2_000 + offset);
    expect(states).toEqual([]);
    const cutAt = world.now;
    world.cut = true;
    await pass(1_500);
    expect(monitor.state).toBe("stale");
    expect((states[0]?.[0] ?? Infinity) - cutAt).toBeLessThanOrEqual(850);
  }
});

test("a line that is slow for everything is not stale", async () => {
  const { states, pass } = setUp(400);
  await pass(5_000);
  expect(states).toEqual([]);
});

test("a page that stood still does not blame the server for it", async () => {
  const { world, client, monitor, states, pass } = setUp(300);
  while (client.pings < 2) await pass(TICK_MS); // two questions are on the way
  world.now += 60_000; // hidden, or asleep
  monitor.tick();
  await pass(500);
  expect(states).toEqual([]);
});

test("a page in the background, where timers are slow, tells it nevertheless", () => {
  const { world, monitor, states } = setUp();
  world.cut = true;
  for (let second = 0; second < 4; second += 1) {
    world.now += 1_000;
    monitor.tick();
  }
  expect(states.map(([, state]) => state)).toEqual(["stale"]);
});

test("a socket that is gone is told at once, with the next try", () => {
  const { world, client, monitor, states, tell } = setUp();
  client.state = "waiting";
  client.retryAt = world.now + 1_500;
  tell({ type: "lost", code: 1006, reason: "the socket was closed" });
  expect(states).toEqual([[1_000, "lost"]]);
  expect(monitor.reason).toBe("the socket was closed");
  expect(monitor.retryInMs).toBe(1_500);
  client.state = "connecting";
  tell({ type: "connecting" });
  client.state = "open";
  client.retryAt = null;
  tell({ type: "open" });
  expect(states.map(([, state]) => state)).toEqual(["lost", "reconnecting", "live"]);
  expect(monitor.retryInMs).toBeNull();
});

test("the browser says that it is offline, the server that it restarts", async () => {
  const { world, client, monitor, pass } = setUp();
  await pass(500);
  world.online = false;
  monitor.tick();
  expect(monitor.state).toBe("stale");
  world.online = true;
  client.draining = BigInt(world.now + 4_000) * 1_000_000n;
  monitor.tick();
  expect(monitor.state).toBe("draining");
  expect(monitor.drainInMs).toBe(4_000);
});

test("the server is asked four times a second, and not while there is no connection", async () => {
  const { client, monitor, pass } = setUp();
  await pass(2_000);
  expect(client.pings).toBe(8);
  expect(monitor.latency.last).toBe(5);
  client.state = "waiting";
  await pass(2_000);
  expect(client.pings).toBe(8);
});

test("rates are of the last two seconds, lag is by the server's clock", async () => {
  const { world, client, monitor, pass } = setUp();
  for (let step = 0; step < 40; step += 1) {
    await pass(100);
    client.stats.messages += 50;
    client.stats.bytes += 20_000;
  }
  await pass(50);
  expect(monitor.messagesPerSecond).toBeCloseTo(500, -1.5);
  expect(monitor.kilobytesPerSecond).toBeCloseTo(200, -1);
  monitor.saw(BigInt(world.now - 7) * 1_000_000n);
  expect(monitor.lag.last).toBe(9.5); // 7 by the clock, and half of an answer's 5 for the way
  monitor.saw(0n); // so soon after the other, it is not looked at
  expect(monitor.lag.last).toBe(9.5);
});

test("percentiles are of the newest measurements, by nearest rank", () => {
  const samples = new Samples();
  expect([samples.last, samples.percentile(0.5)]).toEqual([null, null]);
  for (let value = 1; value <= 100; value += 1) samples.add(value);
  expect([samples.percentile(0.5), samples.percentile(0.99), samples.last]).toEqual([50, 99, 100]);
  for (let value = 0; value < SAMPLES_MAX; value += 1) samples.add(1_000 + value);
  expect(samples.percentile(0)).toBe(1_000);
  expect(samples.list().slice(0, 2)).toEqual([1_000, 1_001]);
  expect(samples.list()).toHaveLength(SAMPLES_MAX);
});
