import { expect, test } from "vitest";
import { amountOf, amountText, ONE, roundedText } from "./amount.ts";

test("an amount is exact to the last of eighteen decimals", () => {
  expect(amountOf("1")).toBe(ONE);
  expect(amountOf("-0.000000000000000001")).toBe(-1n);
  expect(amountOf("123456789.000000000000000007")).toBe(123456789000000000000000007n);
  for (const text of ["0", "1", "-0.5", "97000.01", "123456789.000000000000000007"])
    expect(amountText(amountOf(text))).toBe(text);
});

test.each(["", "1.", ".5", "1e3", "1,5", " 1", "0.0000000000000000001", "--1"])("%j is no amount", (text) => {
  expect(() => amountOf(text)).toThrow(RangeError);
});

test("rounding is half away from zero, and never says minus nothing", () => {
  expect(roundedText(amountOf("1.005"), 2)).toBe("1.01");
  expect(roundedText(amountOf("-1.005"), 2)).toBe("-1.01");
  expect(roundedText(amountOf("1.0049999"), 2)).toBe("1.00");
  expect(roundedText(amountOf("-0.004"), 2)).toBe("0.00");
  expect(roundedText(amountOf("0.07"), 2)).toBe("0.07");
  expect(roundedText(amountOf("1234.5"), 0)).toBe("1235");
});
