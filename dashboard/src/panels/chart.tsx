/** Candles and volume of the selected symbol, with one's own orders and fills. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type CandleData, CANDLE_INTERVALS, type CandleInterval } from "tickwire";
import { useDesk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { seconds } from "../logic/candles.ts";
import { decimalsOf, formatCompact, formatDateTime, formatDecimal, formatTime } from "../logic/format.ts";
import { openCandles } from "./candle_feed.ts";
import { type CandleView, candleView } from "./candle_view.ts";
import { recall, remember } from "../memory.ts";
import { Choice } from "./choice.tsx";

const INTERVALS = (Object.keys(CANDLE_INTERVALS) as CandleInterval[]).map((interval) => [interval, interval] as const);
/** What the legend tells of a candle, in this order. */
const LEGEND = ["time", "O", "H", "L", "C", "V"] as const;

const HOUR = CANDLE_INTERVALS["1h"];
const REMEMBERED = "interval";

/** Minutes that a market must have traded in for a chart of minutes to begin with. */
const MINUTES = 60;

/** The interval that was chosen last, null for none. */
function remembered(): CandleInterval | null {
  const interval = recall(REMEMBERED) ?? "";
  return interval in CANDLE_INTERVALS ? (interval as CandleInterval) : null;
}

/** The interval to begin with: minutes, or seconds where the market may have begun a minute ago. */
async function firstInterval({ client, symbol, info, demo }: Desk): Promise<CandleInterval> {
  if (!demo || !info.channels.includes("candles")) return "1m";
  const minutes = { channel: "candles", symbol, interval: "1m", limit: MINUTES } as const;
  const there = await client.history(minutes).catch(() => []);
  return there.length < MINUTES ? "1s" : "1m";
}

/** The chart's panel. */
export function Chart() {
  const desk = useDesk();
  useSources(desk.source);
  const [interval, setInterval] = useState(remembered);
  useEffect(() => {
    if (interval === null) void firstInterval(desk).then((first) => setInterval((chosen) => chosen ?? first));
  }, []);
  const choose = (chosen: CandleInterval): void => {
    remember(REMEMBERED, chosen);
    setInterval(chosen);
  };
  return (
    <section aria-label="Chart" class="panel">
      <div class="panel-head">
        <h2>Chart</h2>
        <Choice label="Interval" options={INTERVALS} value={interval ?? "1s"} choose={choose} />
      </div>
      {desk.info.channels.includes("candles") ? (
        interval !== null && <Candles symbol={desk.symbol} interval={interval} />
      ) : (
        <p class="empty">{desk.symbol} has no candles.</p>
      )}
      <p class="chart-notice faint">
        Chart:{" "}
        <a href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">
          TradingView Lightweight Charts™
        </a>
        , Copyright © 2025 TradingView, Inc.
      </p>
    </section>
  );
}

function Candles({ symbol, interval }: { symbol: string; interval: CandleInterval }) {
  const desk = useDesk();
  const place = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLParagraphElement>(null);
  const view = useRef<CandleView | null>(null);
  const pointed = useRef<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const older = useRef<() => void>(nothing);
  const tell = useRef<() => void>(nothing);

  useEffect(() => {
    const chart = candleView(
      place.current!,
      (start) => {
        pointed.current = start;
        atFrame(tell.current);
      },
      () => older.current(),
    );
    view.current = chart;
    const ends = [desk.source.watch(themed(chart, desk)), desk.accountSource.watch(() => own(chart, desk))];
    return () => {
      for (const end of ends) end();
      forget(tell.current);
      view.current = null;
      chart.close();
    };
  }, [desk]);

  useEffect(() => {
    const chart = view.current!;
    const decimals = decimalsOf(desk.info.tick_size);
    let all = true;
    let first = true;
    setProblem(null);
    const feed = openCandles(desk.client, symbol, interval, {
      changed(what) {
        all ||= what === "all";
        atFrame(draw);
      },
      failed: setProblem,
    });
    const draw = (): void => {
      if (all) chart.setCandles(feed.candles, feed.step);
      else chart.grow(feed.candles);
      if (first) chart.toNow();
      all = first = false;
      setProblem(null);
      tell.current();
    };
    tell.current = () => write(legend.current, candleAt(feed.candles, pointed.current), decimals, feed.step);
    older.current = () => feed.older();
    chart.setDecimals(decimals);
    chart.setCandles([], feed.step);
    tell.current();
    own(chart, desk);
    return () => {
      forget(draw);
      feed.close();
    };
  }, [desk, symbol, interval]);

  const keys = (event: KeyboardEvent): void => {
    const chart = view.current;
    if (chart === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft") chart.scroll(-5);
    else if (event.key === "ArrowRight") chart.scroll(5);
    else if (event.key === "+" || event.key === "=") chart.zoom(1.25);
    else if (event.key === "-") chart.zoom(0.8);
    else if (event.key === "End") chart.toNow();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="chart-body" role="group" aria-label={`Candles of ${symbol}, ${interval}`} data-interval={interval}>
      <p ref={legend} class="chart-legend" hidden>
        {LEGEND.map((name) => (
          <span key={name}>
            {name !== "time" && `${name} `}
            <span data-field={name} />
          </span>
        ))}
      </p>
      <div
        ref={place}
        class="chart-canvas"
        role="img"
        tabIndex={0}
        aria-label={`Candle chart of ${symbol}, ${interval}. Left and right arrows scroll, plus and minus zoom, End goes to the newest.`}
        onKeyDown={keys}
      />
      {problem !== null && (
        <p class="chart-problem error" role="status">
          No candles: {problem}
        </p>
      )}
    </div>
  );
}

const nothing = (): void => undefined;

type Desk = ReturnType<typeof useDesk>;

/** Restyles the chart where the theme has changed. */
function themed(chart: CandleView, desk: Desk): () => void {
  let theme = desk.theme;
  return () => {
    if (desk.theme === theme) return;
    theme = desk.theme;
    chart.restyle();
  };
}

/** Draws one's own orders and fills of the selected symbol. */
function own(chart: CandleView, desk: Desk): void {
  const { account, symbol } = desk;
  const orders = account === null ? [] : [...account.orders.values()].filter((order) => order.symbol === symbol);
  const fills = account === null ? [] : account.fills.filter((fill) => fill.symbol === symbol);
  chart.setOrders(orders);
  chart.setFills(fills);
}

/** The candle that starts at a time (s), or the last one. */
function candleAt(candles: readonly CandleData[], start: number | null): CandleData | undefined {
  if (start === null) return candles.at(-1);
  return candles.findLast((candle) => seconds(candle.start) === start);
}

/** Write the legend: exact figures of one candle, into the elements that are there. */
function write(legend: HTMLElement | null, candle: CandleData | undefined, decimals: number, step: bigint): void {
  if (legend === null) return;
  legend.hidden = candle === undefined;
  if (candle === undefined) return;
  const price = (text: string): string => formatDecimal(text, decimals);
  const texts: Record<(typeof LEGEND)[number], string> = {
    time: step < HOUR ? formatTime(candle.start) : formatDateTime(candle.start),
    O: price(candle.open),
    H: price(candle.high),
    L: price(candle.low),
    C: price(candle.close),
    V: formatCompact(candle.volume),
  };
  legend.dataset.tone = Number(candle.close) >= Number(candle.open) ? "up" : "down";
  LEGEND.forEach((name, at) => {
    const figure = legend.children[at]?.lastElementChild;
    if (figure != null && figure.textContent !== texts[name]) figure.textContent = texts[name];
  });
}
