import { expect, test } from "vitest";
import type { InstrumentInfo, OrderData } from "tickwire";
import { amendment } from "./amend.ts";

const order = { price: "100.00", size: "0.500" } as OrderData;
const info = { tick_size: "0.01", lot_size: "0.001" } as InstrumentInfo;

test("only what differs is changed, as the wire writes it", () => {
  expect(amendment(order, { price: "100.0", size: " 0.4 " }, info)).toEqual({ changes: { size: "0.400" }, errors: {} });
  expect(amendment(order, { price: "101" }, info).changes).toEqual({ price: "101.00" });
  expect(amendment({ ...order, price: null }, { size: "0.500" }, info)).toEqual({ changes: {}, errors: {} });
});

test("what is wrong is told at its field", () => {
  const { changes, errors } = amendment(order, { price: "100.001", size: "0" }, info);
  expect(changes).toEqual({});
  expect(errors.price).toContain("must be a multiple of 0.01");
  expect(errors.size).toBe("The size must be more than 0.");
});
