import { expect, test } from "vitest";
import { reasonOf } from "./refusal.ts";

test("a refusal is told as a sentence, without its code", () => {
  const refused = Object.assign(new Error("would_take: a post-only order would match"), { code: "would_take" });
  expect(reasonOf(refused)).toBe("A post-only order would match.");
  expect(reasonOf(new Error("no reply in time"))).toBe("No reply in time.");
  expect(reasonOf(Object.assign(new Error("gone: it is closed."), { code: 1006 }))).toBe("Gone: it is closed.");
  expect(reasonOf("text")).toBe("text");
});
