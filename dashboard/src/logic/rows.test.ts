import { expect, test } from "vitest";
import { setLocale } from "./format.ts";
import { when, withoutVenue } from "./rows.ts";

test("a symbol without its venue", () => {
  expect(withoutVenue("SIM:BTC-USDT")).toBe("BTC-USDT");
  expect(withoutVenue("EUR-USD")).toBe("EUR-USD");
});

test("today's times have no date, older ones have", () => {
  setLocale("en-GB");
  expect(when(BigInt(Date.now()) * 1_000_000n)).toMatch(/^\d\d:\d\d:\d\d$/);
  expect(when(1_000_000_000_000_000_000n)).toMatch(/^\d\d Sept?,? /);
  setLocale(undefined);
});
