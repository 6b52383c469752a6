/** Amounts of assets: exact, in 10^-18 of the asset, as the server counts them. */

/** Decimals of every amount. */
const AMOUNT_DECIMALS = 18;

/** One of an asset. */
export const ONE = 10n ** 18n;

/**
 * A decimal amount in 10^-18 of the asset; negative with "-" in front.
 *
 * Throws `RangeError` for what is no plain decimal, or is finer than that.
 */
export function amountOf(text: string): bigint {
  const parts = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text);
  if (parts === null) throw new RangeError(`${JSON.stringify(text)} is not a plain decimal of at most 18 decimals`);
  const units = BigInt(parts[2]!) * ONE + BigInt((parts[3] ?? "").padEnd(AMOUNT_DECIMALS, "0"));
  return parts[1] === "-" ? -units : units;
}

/** The exact decimal string of an amount, without trailing zeros. */
export function amountText(units: bigint): string {
  const size = units < 0n ? -units : units;
  const fraction = String(size % ONE)
    .padStart(AMOUNT_DECIMALS, "0")
    .replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${String(size / ONE)}${fraction && `.${fraction}`}`;
}

/** The decimal string of an amount with so many decimals (0 to 18), rounded half away from zero. */
export function roundedText(units: bigint, decimals: number): string {
  const step = 10n ** BigInt(AMOUNT_DECIMALS - decimals);
  const size = units < 0n ? -units : units;
  const steps = (size + step / 2n) / step;
  const digits = String(steps).padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const text = decimals === 0 ? digits : `${digits.slice(0, cut)}.${digits.slice(cut)}`;
  return units < 0n && steps > 0n ? `-${text}` : text;
}
