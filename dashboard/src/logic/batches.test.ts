import { expect, test } from "vitest";
import { BATCH_MS, Batches, WAITING_MAX, type Data } from "./batches.ts";

function world() {
  const posted: Data[][] = [];
  const timers: { at: number; run: () => void }[] = [];
  const clock = {
    time: 0,
    now: () => clock.time,
    after: (ms: number, run: () => void) => timers.push({ at: clock.time + ms, run }),
  };
  const batches = new Batches(clock, (batch) => posted.push(batch));
  const at = (time: number): void => {
    clock.time = time;
    for (const due of timers.splice(0))
      if (due.at <= time) due.run();
      else timers.push(due);
  };
  return { batches, posted, at, timers };
}

test("the first message goes at once, the next together once the page has taken it", () => {
  const { batches, posted, at } = world();
  batches.add("a");
  expect(posted).toEqual([["a"]]);
  at(100);
  batches.add("b");
  batches.add("c");
  expect(posted).toEqual([["a"]]);
  batches.taken();
  expect(posted).toEqual([["a"], ["b", "c"]]);
});

test("however fast the page is, it has time between two batches", () => {
  const { batches, posted, at, timers } = world();
  batches.add("a");
  batches.taken();
  at(1);
  batches.add("b");
  batches.add("c");
  expect(timers.length).toBe(1);
  at(BATCH_MS - 0.5);
  expect(posted).toEqual([["a"]]);
  at(BATCH_MS);
  expect(posted).toEqual([["a"], ["b", "c"]]);
  batches.taken();
  at(50);
  expect(posted.length).toBe(2); // nothing is waiting
  batches.add("d");
  expect(posted[2]).toEqual(["d"]);
});

test("a timer that finds the batch before not taken leaves it to the taking", () => {
  const { batches, posted, at } = world();
  batches.add("a");
  batches.taken();
  batches.add("b"); // timed
  at(BATCH_MS);
  batches.add("c");
  at(3 * BATCH_MS);
  expect(posted).toEqual([["a"], ["b"]]);
  batches.taken();
  expect(posted).toEqual([["a"], ["b"], ["c"]]);
});

test("what waits is bounded, in text and in bytes", () => {
  for (const half of ["x".repeat(WAITING_MAX / 2), new ArrayBuffer(WAITING_MAX / 2)]) {
    const { batches, posted } = world();
    expect(batches.add("first")).toBe(true);
    expect(batches.add(half)).toBe(true);
    expect(batches.add(half)).toBe(true);
    expect(batches.add("y")).toBe(false);
    batches.taken();
    expect(posted.length).toBe(1); // not for BATCH_MS yet
  }
});

test("at the end all that is waiting is sent", () => {
  const { batches, posted } = world();
  batches.add("a");
  batches.add("b");
  batches.end();
  batches.end();
  expect(posted).toEqual([["a"], ["b"]]);
});
