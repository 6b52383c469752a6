/** Exact conversion between decimal strings (the wire) and whole ticks or lots (everything that calculates). */

import { InvalidInput } from "./errors.ts";
import { DIGITS_MAX, UNITS_MAX } from "./generated.ts";

/** A step such as a tick size "0.01" or a lot size "0.00001", and the whole numbers that count it. */
export interface Scale {
  /** As it was given: its trailing zeros count, "0.0100" prints with four decimals. */
  readonly step: string;
  /** The step in units of its own last decimal: 1n for "0.01", 25n for "0.25". */
  readonly units: bigint;
  readonly decimals: number;
  /**
   * The `n` of which `n` steps are the number in `text`: decimal, perhaps with a "-", no exponent, no spaces.
   *
   * @param field What to call it in the error; "price" without it.
   * @throws InvalidInput malformed, no multiple of the step, or more than `UNITS_MAX` steps.
   */
  parse(text: string, field?: string): bigint;
  /** The decimal string of a number of steps, always with the step's number of decimals. */
  format(n: bigint): string;
}

const PLAIN = /^(\d+)(?:\.(\d+))?$/;
const SIGNED = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * The scale of a step.
 *
 * @param step A positive decimal string without exponent.
 * @throws InvalidInput it is something else.
 */
export function scale(step: string): Scale {
  const parts = PLAIN.exec(step);
  if (parts === null) throw new InvalidInput(`step '${step}' is not a plain decimal such as 0.01`, "step");
  const [, whole = "", fraction = ""] = parts;
  if (whole.length + fraction.length > DIGITS_MAX) {
    throw new InvalidInput(`a step has at most ${DIGITS_MAX} digits`, "step");
  }
  const decimals = fraction.length;
  const units = BigInt(whole + fraction);
  if (units === 0n) throw new InvalidInput("a step must be more than zero", "step");

  function format(n: bigint): string {
    const value = n * units;
    if (decimals === 0) return String(value);
    const digits = String(value < 0n ? -value : value).padStart(decimals + 1, "0");
    return `${value < 0n ? "-" : ""}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  }

  function parse(text: string, field = "price"): bigint {
    const parts = SIGNED.exec(text);
    if (parts === null) throw new InvalidInput(`${field} '${text}' is not a plain decimal number`, field);
    const [, sign = "", whole = "", fraction = ""] = parts;
    if (fraction.length > decimals && /[^0]/.test(fraction.slice(decimals))) {
      throw new InvalidInput(`${field} ${text} is not a multiple of ${step}`, field);
    }
    if (whole.length + fraction.length > DIGITS_MAX) {
      throw new InvalidInput(`${field} has more than ${DIGITS_MAX} digits`, field);
    }
    let value = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
    if (units !== 1n) {
      if (value % units !== 0n) throw new InvalidInput(`${field} ${text} is not a multiple of ${step}`, field);
      value /= units;
    }
    if (value > UNITS_MAX) throw new InvalidInput(`${field} ${text} is more than ${format(UNITS_MAX)}`, field);
    return sign === "" ? value : -value;
  }

  return { step, units, decimals, parse, format };
}
