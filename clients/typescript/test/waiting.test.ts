import { expect, test, vi } from "vitest";
import { Listeners, Waiters } from "../src/waiting.ts";

test("a listener that takes itself off and on again hears each item once", () => {
  const listeners = new Listeners<number>();
  const heard: number[] = [];
  const listener = (item: number): void => {
    heard.push(item);
    if (heard.length > 9) throw new Error("it is called without end");
    off();
    off = listeners.add(listener);
  };
  let off = listeners.add(listener);
  listeners.tell(1);
  listeners.tell(2);
  expect(heard).toEqual([1, 2]);
});

test("what a listener leads to is told after what led to it, to all in one order", () => {
  const listeners = new Listeners<string>();
  const heard: string[] = [];
  listeners.add((item) => item === "waiting" && listeners.end("closed"));
  listeners.add((item) => heard.push(item));
  listeners.tell("waiting");
  expect(heard).toEqual(["waiting", "closed"]);
  listeners.tell("more"); // after the end nobody listens
  expect(heard).toEqual(["waiting", "closed"]);
});

test("one who is taken off by another is not called, and one that throws hurts nobody", () => {
  const listeners = new Listeners<string>();
  const heard: string[] = [];
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  listeners.add(() => {
    off();
    throw new Error("a defect");
  });
  const off = listeners.add(() => heard.push("taken off"));
  listeners.add((item) => heard.push(item));
  listeners.tell("one");
  expect(heard).toEqual(["one"]);
  expect(reported.mock.calls).toEqual([[new Error("a defect")]]);
  vi.unstubAllGlobals();
});

test("a predicate that waits for more does not go round in circles", async () => {
  const waiters = new Waiters<number>();
  let calls = 0;
  const again = (state: number): boolean => {
    calls += 1;
    if (calls < 9) void waiters.wait(again);
    return state === 1;
  };
  const first = waiters.wait(again);
  waiters.changed(1);
  await first;
  expect(calls).toBe(1);
});
