import { beforeEach, expect, test, vi } from "vitest";
import { ConnectionLost, RequestRefused } from "tickwire";
import { RETRY_MS, Shared } from "./shared.ts";

beforeEach(() => vi.stubGlobal("requestAnimationFrame", () => 0));

/** What is opened stays under way until `arrive` or `refuse` of its symbol. */
function setUp() {
  const log: string[] = [];
  const ways = new Map<string, { arrive: () => void; refuse: () => void; changed: () => void }>();
  const shared = new Shared("A", (symbol, changed) => {
    log.push(`open ${symbol}`);
    return new Promise<{ symbol: string; close: () => void }>((resolve, reject) => {
      const arrive = (): void => resolve({ symbol, close: () => log.push(`close ${symbol}`) });
      ways.set(symbol, { arrive, refuse: () => reject(new Error(`no ${symbol}`)), changed });
    });
  });
  const way = async (symbol: string, what: "arrive" | "refuse"): Promise<void> => {
    ways.get(symbol)?.[what]();
    await new Promise((done) => setTimeout(done));
  };
  return { shared, log, way, changed: (symbol: string) => ways.get(symbol)?.changed() };
}

test("it is opened by the first who holds it, once, and closed by the last", async () => {
  const { shared, log, way } = setUp();
  expect(log).toEqual([]);
  const [one, other] = [shared.hold(), shared.hold()];
  await way("A", "arrive");
  expect(shared.value?.symbol).toBe("A");
  one();
  one(); // letting go twice counts once
  expect(log).toEqual(["open A"]);
  other();
  expect(log).toEqual(["open A", "close A"]);
  expect(shared.value).toBeNull();
});

test("on selection the old one is closed before the new one is opened", async () => {
  const { shared, log, way } = setUp();
  shared.hold();
  await way("A", "arrive");
  shared.swap("B");
  expect(shared.value).toBeNull();
  await way("B", "arrive");
  expect(shared.value).toMatchObject({ symbol: "B" });
  expect(log).toEqual(["open A", "close A", "open B"]);
});

test("what arrives after it was swapped is closed, and never shown", async () => {
  const { shared, log, way } = setUp();
  shared.hold();
  shared.swap("B");
  await way("B", "arrive");
  await way("A", "arrive");
  expect(shared.value).toMatchObject({ symbol: "B" });
  expect(log).toEqual(["open A", "open B", "close A"]);
});

test("what arrives after the last has let go is closed", async () => {
  const { shared, log, way } = setUp();
  shared.hold()();
  await way("A", "arrive");
  expect(shared.value).toBeNull();
  expect(log).toEqual(["open A", "close A"]);
});

test("a refusal is told in words, and forgotten with the symbol", async () => {
  const { shared, way } = setUp();
  shared.hold();
  await way("A", "refuse");
  expect([shared.value, shared.error]).toEqual([null, "No A."]);
  shared.swap("B");
  expect(shared.error).toBeNull();
});

test("a change of what was swapped away draws nothing", async () => {
  const { shared, way, changed } = setUp();
  shared.hold();
  await way("A", "arrive");
  shared.swap("B");
  const told = vi.spyOn(shared.source, "changed");
  changed("A");
  expect(told).not.toHaveBeenCalled();
  changed("B");
  expect(told).toHaveBeenCalledOnce();
});

test("what was refused for now is asked for again; what was refused for good, or is not wanted any more, is not", async () => {
  vi.useFakeTimers();
  const answers: (Error | null)[] = [];
  let asked = 0;
  const shared = new Shared("A", () => {
    asked += 1;
    const error = answers.shift() ?? null;
    return error === null ? Promise.resolve({ close: () => undefined }) : Promise.reject(error);
  });
  answers.push(new RequestRefused("rate_limited", "wait", null, true), new ConnectionLost("gone"));
  const end = shared.hold();
  await vi.advanceTimersByTimeAsync(RETRY_MS - 1);
  expect([asked, shared.error]).toEqual([1, "Wait."]);
  await vi.advanceTimersByTimeAsync(1);
  expect([asked, shared.error]).toEqual([2, "Waiting for the connection."]);
  await vi.advanceTimersByTimeAsync(RETRY_MS);
  expect([asked, shared.error]).toEqual([3, null]);
  expect(shared.value).not.toBeNull();
  end();

  answers.push(new RequestRefused("not_available", "it has no such channel"));
  shared.hold();
  await vi.advanceTimersByTimeAsync(2 * RETRY_MS);
  expect([asked, shared.error]).toEqual([4, "It has no such channel."]);
  answers.push(new ConnectionLost("gone"));
  shared.swap("B");
  await vi.advanceTimersByTimeAsync(0);
  shared.swap("C");
  await vi.advanceTimersByTimeAsync(2 * RETRY_MS);
  expect(asked).toBe(6);
  vi.useRealTimers();
});
