import { expect, test } from "vitest";
import { trouble, troubleInWords } from "./status.ts";

test("what is wrong with an instrument, and what follows from it", () => {
  const open = { instrument: "open", feed: "live", reason: "" } as const;
  expect([trouble(open), troubleInWords(open)]).toEqual([null, null]);
  const halted = { ...open, instrument: "halted", reason: "by hand" } as const;
  expect(trouble(halted)).toBe("halted");
  expect(troubleInWords(halted)).toBe("Trading is halted (by hand). New orders are refused.");
  const dead = { ...open, feed: "stale" } as const;
  expect(trouble(dead)).toBe("feed stale");
  expect(troubleInWords(dead)).toBe("The feed is stale. What you see may be old.");
});
