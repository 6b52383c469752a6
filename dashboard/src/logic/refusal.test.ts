import { expect, test } from "vitest";
import { ConnectionLost } from "tickwire";
import { reasonOf } from "./refusal.ts";

test("a refusal is told as a sentence, without its code", () => {
  const refused = Object.assign(new Error("would_take: a post-only order would match"), { code: "would_take" });
  expect(reasonOf(refused)).toBe("A post-only order would match.");
  expect(reasonOf(new Error("no reply in time"))).toBe("No reply in time.");
  expect(reasonOf(Object.assign(new Error("gone: it is closed."), { code: 1006 }))).toBe("Gone: it is closed.");
  expect(reasonOf("text")).toBe("text");
});

test("a lost connection is told without addresses and codes", () => {
  const lost = "not connected to ws://127.0.0.1/ws now; nothing was sent";
  expect(reasonOf(new ConnectionLost(lost))).toBe("There is no connection now: nothing was sent.");
  const before = new ConnectionLost("lost (1006)", 1006, { sent: true });
  expect(reasonOf(before)).toBe("The connection was lost before the answer.");
  expect(reasonOf(new ConnectionLost("the key was revoked", 4401))).toBe("The key was revoked.");
});
