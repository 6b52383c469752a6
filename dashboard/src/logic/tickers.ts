/** 24-hour figures of the symbols that are on the screen, and of no others: a session has at most 1,024 streams. */
import type { Notice, StreamMessage, TickerData } from "tickwire";
import { Source } from "../frame.ts";

/** Subscribes to the tickers of these symbols with one request. */
export type SubscribeTickers = (
  symbols: string[],
  take: (message: StreamMessage<"ticker"> | Notice) => void,
) => Promise<{ close(): unknown }>;

/** How long wishes are gathered before they become a request, ms: a wheel's turn is one. */
export const GATHER_MS = 120;
/** How long to wait after a refused request, ms. */
export const REFUSED_MS = 2_000;
/** How many symbols are subscribed at most. While one set replaces another both are, which the session's limit allows. */
export const TICKERS_MAX = 400;

/** The tickers that somebody wants to see. */
export interface Tickers {
  /** Some of the figures have changed. */
  readonly source: Source;
  /** The newest figures of a symbol; undefined where none have come. Those that nobody shows grow old. */
  readonly get: (symbol: string) => TickerData | undefined;
  /**
   * Say which symbols this reader shows, in place of what it said before; none ends it.
   *
   * @param around those that it may show next: subscribed along, but no reason to subscribe anew
   */
  want(reader: object, shown: readonly string[], around?: readonly string[]): void;
}

/**
 * Keeps one subscription that covers what is shown.
 *
 * @param available whether a symbol has a ticker at all
 * @param later calls after so many milliseconds, as setTimeout does
 */
export function tickersOf(
  subscribe: SubscribeTickers,
  available: (symbol: string) => boolean,
  later: (act: () => void, ms: number) => unknown,
): Tickers {
  const source = new Source();
  const figures = new Map<string, TickerData>();
  const wishes = new Map<object, { shown: readonly string[]; around: readonly string[] }>();
  let covered = new Set<string>();
  let current: { close(): unknown } | null = null;
  let busy = false; // a request is planned or under way

  const take = (message: StreamMessage<"ticker"> | Notice): void => {
    if ((message.type !== "snapshot" && message.type !== "update") || message.data === null) return;
    figures.set(message.symbol, message.data);
    source.changed();
  };

  const wanted = (): { shown: string[]; all: string[] } => {
    const shown = [...wishes.values()]
      .flatMap((wish) => wish.shown)
      .filter(available)
      .slice(0, TICKERS_MAX);
    const around = [...wishes.values()].flatMap((wish) => wish.around).filter(available);
    return { shown, all: [...new Set([...shown, ...around])].slice(0, TICKERS_MAX) };
  };

  const satisfied = (): boolean => {
    const { shown } = wanted();
    return shown.length > 0 ? shown.every((symbol) => covered.has(symbol)) : current === null;
  };

  const plan = (ms: number): void => {
    if (busy || satisfied()) return;
    busy = true;
    later(() => void replace(), ms);
  };

  const replace = async (): Promise<void> => {
    const { all } = wanted();
    const before = current;
    let wait = GATHER_MS;
    try {
      current = all.length > 0 ? await subscribe(all, take) : null;
      covered = new Set(all);
      before?.close(); // after the new one: what both cover goes on
    } catch {
      wait = REFUSED_MS; // the connection panel says why; what is subscribed stays
    }
    busy = false;
    plan(wait);
  };

  return {
    source,
    get: (symbol) => figures.get(symbol),
    want(reader, shown, around = []) {
      if (shown.length > 0) wishes.set(reader, { shown, around });
      else wishes.delete(reader);
      plan(GATHER_MS);
    },
  };
}
