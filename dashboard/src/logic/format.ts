/**
 * Numbers and times as the visitor writes them.
 *
 * Numbers are formatted from their exact decimal string, never by way of a float. The locale is the browser's.
 */

type Exact = Intl.StringNumericLiteral;

const formats = new Map<string, Intl.NumberFormat>();

function numbers(name: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${name} ${options.minimumFractionDigits ?? ""}`;
  let format = formats.get(key);
  if (format === undefined) {
    if (formats.size > 100) formats.clear(); // a few kinds, of at most 30 decimals each
    format = new Intl.NumberFormat(locale, options);
    formats.set(key, format);
  }
  return format;
}

/** So many digits after the point, at most the 30 that formats can be kept for. */
function digits(decimals: number): Intl.NumberFormatOptions {
  const count = Math.min(decimals, 30);
  return { minimumFractionDigits: count, maximumFractionDigits: count };
}

let locale: string | undefined; // the browser's own

/** Write numbers and times as in this locale (a BCP 47 tag); the browser's for undefined. For tests. */
export function setLocale(tag: string | undefined): void {
  locale = tag;
  formats.clear();
  clock.clear();
}

/** The sign between thousands, such as "," or "."; empty for none. */
export function groupSign(): string {
  const parts = numbers("decimal", {}).formatToParts(1_000_000);
  return parts.find((part) => part.type === "group")?.value ?? "";
}

/** How many digits a decimal string has after its point: of a step such as "0.010" it is 2, as its zeros say nothing. */
export function decimalsOf(step: string): number {
  const point = step.indexOf(".");
  return point < 0 ? 0 : step.slice(point + 1).replace(/0+$/, "").length;
}

function written(text: string): number {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

/**
 * A price, size or amount: "97000.5" as "97,000.50".
 *
 * @param decimals digits after the point; as many as the text has without it
 */
export function formatDecimal(text: string, decimals = written(text)): string {
  return numbers("decimal", digits(decimals)).format(text as Exact);
}

/** As `formatDecimal`, with its sign: "+12.50", "-3.00", and none for zero. */
export function formatSigned(text: string, decimals = written(text)): string {
  return numbers("signed", { ...digits(decimals), signDisplay: "exceptZero" }).format(text as Exact);
}

/** Percent with its sign: "1.234" as "+1.23%". */
export function formatPercent(text: string, decimals = 2): string {
  const sign = { signDisplay: "exceptZero", style: "unit", unit: "percent", unitDisplay: "short" } as const;
  return numbers("percent", { ...digits(decimals), ...sign }).format(text as Exact);
}

/** A volume in few characters: "1234567.8" as "1.23M". */
export function formatCompact(text: string): string {
  return numbers("compact", { notation: "compact", maximumSignificantDigits: 3 }).format(text as Exact);
}

/** A count: 12345 as "12,345". */
export function formatCount(count: number): string {
  return numbers("count", { maximumFractionDigits: 0 }).format(count);
}

/** A measured number, such as milliseconds, with so many decimals. */
export function formatMeasure(value: number, decimals = 1): string {
  return numbers("measure", digits(decimals)).format(value);
}

const clock = new Map<string, Intl.DateTimeFormat>();

function times(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  let format = clock.get(name);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(locale, options);
    clock.set(name, format);
  }
  return format;
}

/** The time of day of nanoseconds since the epoch, in the visitor's time zone: "14:05:09". */
export function formatTime(ns: bigint): string {
  return times("time", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(Number(ns / 1_000_000n));
}

/** Date and time of day, in the visitor's time zone. */
export function formatDateTime(ns: bigint): string {
  const options = { month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return times("date time", options).format(Number(ns / 1_000_000n));
}

/** The sign of a decimal string: -1, 0 or 1. */
export function signOf(text: string): -1 | 0 | 1 {
  if (!/[1-9]/.test(text)) return 0;
  return text.startsWith("-") ? -1 : 1;
}

/** The arrow of a figure's sign; empty for zero. */
export function arrowOf(text: string): "▲" | "▼" | "" {
  return (["▼", "", "▲"] as const)[signOf(text) + 1] ?? "";
}

/** The class that colours a figure by its sign: "up", "down", or none for zero. A sign or arrow must say it, too. */
export function tone(text: string): "up" | "down" | "" {
  return (["down", "", "up"] as const)[signOf(text) + 1] ?? "";
}
