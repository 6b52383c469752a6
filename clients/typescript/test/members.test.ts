import { expect, test } from "vitest";
import { streamKey } from "../src/channel.ts";
import type { Consumer } from "../src/consumer.ts";
import type { StreamMessage } from "../src/generated.ts";
import { Members } from "../src/members.ts";
import { message, TRADES } from "./peer.ts";

/** A consumer of trades of "A" that writes down what it hears. */
function listener(): Consumer & { heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    keys: [streamKey("trades", "A")],
    take: ({ type, seq }) => {
      heard.push(`${type} ${seq}`);
      return null;
    },
    notice: (_, notice) => void heard.push(notice.type),
    interrupt: (_, reason) => void heard.push(`interrupted: ${reason}`),
    fail: () => undefined,
  };
}

test("who has had no snapshot yet hears of nothing before it", () => {
  const members = new Members();
  const [first, second] = [listener(), listener()];
  const say = (type: "snapshot" | "update", seq: number): string | null =>
    members.deliver(TRADES, message(TRADES, type, seq) as StreamMessage, 1);
  const lost = { type: "lost", channel: "trades", symbol: "A", after: 6, reason: "hole" } as const;
  members.add(first);
  say("snapshot", 5);
  members.add(second);
  expect(say("update", 6)).toBeNull();
  members.notice(TRADES, lost);
  members.interrupt(TRADES, "cut");
  expect(first.heard).toEqual(["snapshot 5", "update 6", "lost", "interrupted: cut"]);
  expect(second.heard).toEqual([]);
  say("snapshot", 8);
  members.notice(TRADES, lost);
  members.interrupt(TRADES, "cut");
  expect(second.heard).toEqual(["snapshot 8", "lost", "interrupted: cut"]);
});

test("what one can't take hurts no other, and is said", () => {
  const members = new Members();
  const [first, second] = [listener(), listener()];
  members.add({
    ...first,
    take: () => {
      throw new Error("oops");
    },
  });
  members.add(second);
  expect(members.deliver(TRADES, message(TRADES, "snapshot", 5) as StreamMessage, 1)).toBe("it can't be taken: oops");
  expect(second.heard).toEqual(["snapshot 5"]);
});
