/** The candles of one symbol and interval: history in pages, as far back as one scrolls, and the live stream. */
import { type CandleData, CANDLE_INTERVALS, type CandleInterval, type Client, type StreamMessage } from "tickwire";
import { addLive, merged, missingFrom } from "../logic/candles.ts";
import { passes, RETRY_MS, whyNot } from "../shared.ts";

/** Candles of one page: five requests' worth, more than a wide screen shows. */
const PAGE_CANDLES = 500;
/** Candles of the page that closes a hole: the most that the server gives at once. */
const HOLE_CANDLES = 1_000;

/** Candles that keep themselves up to date. `candles` is in order and live: not to be changed or kept. */
export interface CandleFeed {
  readonly step: bigint;
  candles: CandleData[];
  /** Ask for the page before the oldest candle, unless there is none or it is on its way. */
  older(): void;
  close(): void;
}

/** Who is told: "all" of the candles may be others, or the "live" end has changed; `failed` in words. */
export interface FeedReader {
  changed(what: "all" | "live"): void;
  failed(reason: string): void;
}

/**
 * Open them. The first page comes by itself, as soon as there is a connection.
 *
 * Whatever may have been missed, while the connection was lost or the tab was too slow, is asked for again: the stream
 * brings only the newest state. A server that has begun anew has candles of another market: those that were are gone.
 */
export function openCandles(client: Client, symbol: string, interval: CandleInterval, reader: FeedReader): CandleFeed {
  let closed = false;
  let asking = false;
  let complete = false; // the server has none before the oldest
  let hole: bigint | null = null; // from here on candles may be missing
  let end: (() => unknown) | null = null;
  let { epoch } = client.hello;
  const newest = { limit: PAGE_CANDLES };
  const feed: CandleFeed = {
    step: CANDLE_INTERVALS[interval],
    candles: [],
    older() {
      const oldest = feed.candles[0];
      if (oldest !== undefined && !complete) void ask({ end: oldest.start, limit: PAGE_CANDLES });
    },
    close() {
      closed = true;
      end?.();
    },
  };

  const failed = (error: unknown): void => {
    if (!closed) reader.failed(whyNot(error));
  };

  async function ask(range: { start?: bigint; end?: bigint; limit: number }): Promise<void> {
    if (asking || closed) return;
    asking = true;
    const asked = epoch;
    try {
      const messages = await client.history({ channel: "candles", symbol, interval, ...range });
      if (isOpen() && asked === epoch)
        put(
          messages.flatMap((message) => candleOf(message) ?? []),
          range,
        );
    } catch (error) {
      failed(error);
      if (range === newest) again(error, () => void ask(newest));
    } finally {
      asking = false;
      if (asked !== epoch) void ask(newest);
    }
  }

  /** Try it once more in a while, if that can help. */
  function again(error: unknown, attempt: () => void): void {
    if (passes(error)) setTimeout(() => isOpen() && attempt(), RETRY_MS);
  }

  function isOpen(): boolean {
    return !closed;
  }

  function put(page: CandleData[], range: { start?: bigint; limit: number }): void {
    const full = page.length >= range.limit;
    const first = page[0];
    if (range.start === undefined) {
      complete = !full;
    } else {
      hole = null;
      if (full && first !== undefined) {
        // the hole is longer than a page: what is before it is paged back to anew
        feed.candles = feed.candles.filter((one) => one.start >= first.start);
        complete = false;
      }
    }
    feed.candles = merged(feed.candles, page);
    reader.changed("all");
  }

  let first = true;
  function renew(): void {
    epoch = client.hello.epoch;
    feed.candles = [];
    [hole, complete, first] = [null, false, true];
    reader.changed("all");
    void ask(newest);
  }

  function take(candle: CandleData, fresh: boolean): void {
    const last = feed.candles.at(-1);
    const missing = fresh && !first && last !== undefined ? last.start : missingFrom(feed.candles, candle);
    first = false;
    if (missing !== null) hole ??= missing;
    const what = addLive(feed.candles, candle);
    if (what !== "ignored") reader.changed("live");
    if (hole !== null && (fresh || what === "added")) void ask({ start: hole, limit: HOLE_CANDLES });
  }

  const begin = (): void => {
    client
      .subscribe("candles", symbol, { interval }, (message) => {
        if (closed || !("data" in message)) return;
        if (client.hello.epoch !== epoch) renew();
        const candle = candleOf(message);
        if (candle !== null) take(candle, message.type === "snapshot");
      })
      .then((subscription) => {
        end = () => subscription.close();
        if (closed) end();
        else void ask(newest);
      })
      .catch((error: unknown) => {
        failed(error);
        again(error, begin);
      });
  };
  begin();
  return feed;
}

function candleOf(message: StreamMessage): CandleData | null {
  return message.channel === "candles" ? message.data : null;
}
