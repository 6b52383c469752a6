/** Which markets the list shows, in which order, and which of them are within its window. */
import type { InstrumentInfo, TickerData } from "tickwire";

/** What the list can be sorted by. */
export type SortKey = "symbol" | "last" | "change" | "volume";

/** The order of the list. */
export interface Sort {
  key: SortKey;
  descending: boolean;
}

/** The order after a click on a column: the other way round if it was sorted by it; figures begin with the largest. */
export function nextSort(sort: Sort, key: SortKey): Sort {
  return sort.key === key ? { key, descending: !sort.descending } : { key, descending: key !== "symbol" };
}

/** The instruments in which every word of `text` occurs: in symbol, base, quote, venue, class or kind. */
export function filterMarkets(instruments: readonly InstrumentInfo[], text: string): readonly InstrumentInfo[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return instruments;
  return instruments.filter((info) => {
    const all = `${info.symbol} ${info.base}/${info.quote} ${info.asset_class} ${info.kind}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** In order; those without a figure come last, by symbol. */
export function sortMarkets(
  instruments: readonly InstrumentInfo[],
  sort: Sort,
  figures: (symbol: string) => TickerData | undefined,
): InstrumentInfo[] {
  const turn = sort.descending ? -1 : 1;
  const bySymbol = (a: InstrumentInfo, b: InstrumentInfo): number => (a.symbol < b.symbol ? -1 : 1);
  if (sort.key === "symbol") return [...instruments].sort((a, b) => turn * bySymbol(a, b));
  const field = ({ last: "last", change: "change_pct", volume: "quote_volume" } as const)[sort.key];
  // to compare figures of different instruments, which share no step, a float is exact enough
  const rank = new Map(instruments.map((info) => [info, Number(figures(info.symbol)?.[field] ?? NaN)]));
  return [...instruments].sort((a, b) => {
    const [left, right] = [rank.get(a) ?? NaN, rank.get(b) ?? NaN];
    if (Number.isNaN(left) || Number.isNaN(right))
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || bySymbol(a, b);
    return turn * (left - right) || bySymbol(a, b);
  });
}

/** The rows from `from` on and before `to`. */
export interface Window {
  from: number;
  to: number;
}

/** The rows that a scrolled list shows, all sizes in pixels; `more` rows are added before and after. */
export function windowOf(scrolled: number, height: number, row: number, count: number, more = 0): Window {
  const first = Math.floor(scrolled / row);
  const last = Math.ceil((scrolled + height) / row);
  return { from: Math.max(0, Math.min(first - more, count)), to: Math.max(0, Math.min(last + more, count)) };
}

/** The row to go to from row `at` (-1 for none) by a key; null if the key is another. */
export function moveBy(key: string, at: number, count: number, page: number): number | null {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count }[key];
  if (step === undefined || count === 0) return null;
  return Math.max(0, Math.min(count - 1, at + step));
}
