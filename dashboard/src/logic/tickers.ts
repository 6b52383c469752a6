/** The newest state of the symbols that are on the screen, and of no others: a session has at most 1,024 streams. */
import type { Notice, StreamMessage } from "tickwire";
import { Source } from "../frame.ts";

/** Channels that have their whole state in every message. */
type Channel = "ticker" | "status";
type Message<C extends Channel> = StreamMessage<C> | Notice;
type Data<C extends Channel> = NonNullable<StreamMessage<C>["data"]>;

/** Subscribes to these symbols with one request. */
export type SubscribeNewest<C extends Channel> = (
  symbols: string[],
  take: (message: Message<C>) => void,
) => Promise<{ close(): unknown }>;

/** How long wishes are gathered before they become a request, ms: a wheel's turn is one. */
export const GATHER_MS = 120;
/** How long to wait after a refused request, ms. */
export const REFUSED_MS = 2_000;
/** How many symbols are subscribed at most. While one set replaces another both are, which the session's limit allows. */
export const TICKERS_MAX = 400;

/** The states that somebody wants to see. */
export interface Newest<D> {
  /** Some of them have changed. */
  readonly source: Source;
  /** The newest one of a symbol; undefined where none has come. Those that nobody shows grow old. */
  readonly get: (symbol: string) => D | undefined;
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
 * @param available whether a symbol has that channel at all
 * @param later calls after so many milliseconds, as setTimeout does
 */
export function newestOf<C extends Channel>(
  subscribe: SubscribeNewest<C>,
  available: (symbol: string) => boolean,
  later: (act: () => void, ms: number) => unknown,
): Newest<Data<C>> {
  const source = new Source();
  const newest = new Map<string, Data<C>>();
  const wishes = new Map<object, { shown: readonly string[]; around: readonly string[] }>();
  let covered = new Set<string>();
  let current: { close(): unknown } | null = null;
  let busy = false; // a request is planned or under way

  const take = (message: Message<C>): void => {
    if ((message.type !== "snapshot" && message.type !== "update") || message.data === null) return;
    newest.set(message.symbol, message.data);
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
    get: (symbol) => newest.get(symbol),
    want(reader, shown, around = []) {
      if (shown.length > 0) wishes.set(reader, { shown, around });
      else wishes.delete(reader);
      plan(GATHER_MS);
    },
  };
}
