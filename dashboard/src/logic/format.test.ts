import { afterEach, expect, test } from "vitest";
import * as format from "./format.ts";

afterEach(() => format.setLocale("en-US"));

test("a decimal is written exactly, in the locale", () => {
  format.setLocale("en-US");
  expect(format.formatDecimal("97000.5")).toBe("97,000.5");
  expect(format.formatDecimal("97000.5", 2)).toBe("97,000.50");
  expect(format.formatDecimal("12345678901234567890.123456789012345678")).toBe(
    "12,345,678,901,234,567,890.123456789012345678", // far beyond what a float holds
  );
  format.setLocale("de-DE");
  expect(format.formatDecimal("97000.50")).toBe("97.000,50");
});

test("signs and percent", () => {
  format.setLocale("en-US");
  expect(format.formatSigned("12.50")).toBe("+12.50");
  expect(format.formatSigned("-3.0")).toBe("-3.0");
  expect(format.formatSigned("0.00")).toBe("0.00");
  expect(format.formatPercent("1.234")).toBe("+1.23%");
  expect(format.formatPercent("-0.5")).toBe("-0.50%");
  expect([format.signOf("-0.01"), format.signOf("-0.00"), format.signOf("10")]).toEqual([-1, 0, 1]);
  expect([format.tone("-0.01"), format.tone("0"), format.tone("0.1")]).toEqual(["down", "", "up"]);
});

test("short forms", () => {
  format.setLocale("en-US");
  expect(format.formatCompact("1234567.8")).toBe("1.23M");
  expect(format.formatCompact("0.0123456")).toBe("0.0123");
  expect(format.formatCount(12345.4)).toBe("12,345");
  expect(format.formatMeasure(1.26)).toBe("1.3");
  expect(format.formatMeasure(1.26, 2)).toBe("1.26"); // another number of decimals, another format
});

test("the decimals of a step", () => {
  expect(["0.010", "0.00001", "1", "5", "10.0"].map(format.decimalsOf)).toEqual([2, 5, 0, 0, 0]);
});

test("times are of nanoseconds", () => {
  format.setLocale("en-GB");
  const noon = BigInt(new Date(2026, 10, 21, 12, 30, 45, 999).getTime()) * 1_000_000n;
  expect(format.formatTime(noon)).toBe("12:30:45");
  expect(format.formatDateTime(noon)).toBe("21 Nov, 12:30:45");
});
