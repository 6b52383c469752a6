/** Draws candles, volume, own orders and own fills with lightweight-charts. Nothing here is exact: it is for the eye. */
import type { CandleData, FillData, OrderData } from "tickwire";
import {
  CandlestickSeries,
  type ChartOptions,
  ColorType,
  createChart,
  createSeriesMarkers,
  CrosshairMode,
  type DeepPartial,
  HistogramSeries,
  type IPriceLine,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { type Bar, barOf, barsOf, gap, intervalStart, seconds } from "../logic/candles.ts";
import { atFrame, forget } from "../frame.ts";
import { formatDecimal } from "../logic/format.ts";
import { type OwnLine, ownLines } from "../logic/own.ts";

/** Lines that are drawn at most for own orders: the newest. */
const ORDER_LINES_MAX = 50;

/** How many candles are left of the screen when the page before is asked for. */
const AHEAD_BARS = 60;

/** Candles after which all is drawn anew, so that what is too old goes: the chart itself keeps everything. */
const GROWN_MAX = 2_000;

/** Empty places right of the newest candle. */
const RIGHT_OFFSET = 6;

/** A chart that is on the page. */
export interface CandleView {
  /** Draw all of these anew; `step` is their interval in ns. */
  setCandles(candles: readonly CandleData[], step: bigint): void;
  /** Draw what has come since at the end. */
  grow(candles: readonly CandleData[]): void;
  /** Own open orders of the symbol. */
  setOrders(orders: readonly OrderData[]): void;
  /** Own fills of the symbol, oldest first. */
  setFills(fills: readonly FillData[]): void;
  /** Digits after the point of a price. */
  setDecimals(decimals: number): void;
  /** Take the colours of the page, which have changed. */
  restyle(): void;
  scroll(bars: number): void;
  zoom(factor: number): void;
  toNow(): void;
  close(): void;
}

/** A colour or font of the page. */
export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** What every chart of the page has in common, in its present colours. */
export function chartStyle(): DeepPartial<ChartOptions> {
  return {
    layout: {
      background: { type: ColorType.Solid, color: "transparent" },
      textColor: css("--text-2"),
      fontFamily: css("--sans"),
      fontSize: 11,
      attributionLogo: false, // it brings a <style> element, which the page's policy forbids; the notice is in the page
    },
    grid: { vertLines: { color: css("--line") }, horzLines: { color: css("--line") } },
    rightPriceScale: { borderColor: css("--line") },
    timeScale: { borderColor: css("--line") },
    crosshair: {
      mode: CrosshairMode.Normal,
      vertLine: { color: css("--text-3"), labelBackgroundColor: css("--accent-ground") },
      horzLine: { color: css("--text-3"), labelBackgroundColor: css("--accent-ground") },
    },
  };
}

const DAY_SECONDS = 86_400;

/**
 * How the times of a chart are written: in the visitor's time zone, but days, which begin at midnight UTC, as the date
 * that they are of there.
 */
export function timeStyle(stepSeconds: number): DeepPartial<ChartOptions> {
  const zone = stepSeconds >= DAY_SECONDS ? ({ timeZone: "UTC" } as const) : {};
  const dates = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...zone });
  const clocks = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    ...(stepSeconds < 60 && { second: "2-digit" }),
    ...zone,
  });
  const date = (time: Time): Date => new Date((time as UTCTimestamp) * 1000);
  return {
    localization: {
      timeFormatter: (time: Time) =>
        stepSeconds >= DAY_SECONDS
          ? dates.format(date(time))
          : `${dates.format(date(time))} ${clocks.format(date(time))}`,
    },
    timeScale: {
      timeVisible: true,
      secondsVisible: stepSeconds < 60,
      tickMarkMaxCharacterLength: 10,
      tickMarkFormatter: (time: Time) => {
        const at = date(time);
        const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
        return stepSeconds >= DAY_SECONDS || midnight ? dates.format(at) : clocks.format(at);
      },
    },
  };
}

/**
 * Put a chart into an element, whose size it follows.
 *
 * `pointed` is called with the start (s) of the candle under the crosshair, null when it leaves; `nearEnd` when the
 * oldest candles are about to come into sight.
 */
export function candleView(
  element: HTMLElement,
  pointed: (start: number | null) => void,
  nearEnd: () => void,
): CandleView {
  const chart = createChart(element, { autoSize: true, ...chartStyle() });
  const prices = chart.addSeries(CandlestickSeries, { priceLineStyle: LineStyle.Dotted, borderVisible: false });
  const volumes = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    priceLineVisible: false,
    lastValueVisible: false,
  });
  prices.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.24 } });
  volumes.priceScale().applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
  const markers = createSeriesMarkers(prices, []);
  const lines = new Map<string, { line: IPriceLine; told: string; price: number; labelled: boolean }>();
  let step = 60_000_000_000n;
  let drawn: CandleData[] = []; // the newest that is drawn, if any
  let grown = 0; // updates since all were drawn
  let orders: readonly OrderData[] = [];
  let fills: readonly FillData[] = [];
  let colours = { up: "", down: "", upSoft: "", downSoft: "" };

  function volumeBar(bar: Bar) {
    const time = bar.time as UTCTimestamp;
    if (bar.volume === undefined) return { time };
    return { time, value: bar.volume, color: (bar.close ?? 0) >= (bar.open ?? 0) ? colours.upSoft : colours.downSoft };
  }

  function priceBar(bar: Bar) {
    const { open, high, low, close } = bar;
    const time = bar.time as UTCTimestamp;
    if (open === undefined || high === undefined || low === undefined || close === undefined) return { time };
    return { time, open, high, low, close };
  }

  let shown: readonly CandleData[] = [];
  const view: CandleView = {
    setCandles(candles, newStep) {
      if (newStep !== step) {
        step = newStep;
        chart.applyOptions(timeStyle(seconds(step)));
      }
      shown = candles;
      drawn = candles.slice(-1);
      const bars = barsOf(candles, step);
      grown = 0;
      prices.setData(bars.map(priceBar));
      volumes.setData(bars.map(volumeBar));
      view.setFills(fills);
      atFrame(label);
    },
    grow(candles) {
      shown = candles;
      const [last] = drawn;
      let at = candles.length;
      while (at > 0 && last !== undefined && candles[at - 1]!.start >= last.start) at -= 1;
      if (last === undefined) at = 0;
      if (grown > GROWN_MAX) {
        view.setCandles(candles, step);
        return;
      }
      for (const candle of candles.slice(at)) {
        const before = drawn[0] !== undefined && drawn[0].start < candle.start ? drawn[0] : undefined;
        for (const bar of [...gap(before, candle, step), barOf(candle)]) {
          prices.update(priceBar(bar));
          volumes.update(volumeBar(bar));
        }
        grown += last?.start === candle.start ? 0 : 1;
        drawn = [candle];
      }
      atFrame(label);
    },
    setOrders(all) {
      orders = all;
      const wanted = new Map([...ownLines(orders)].slice(-ORDER_LINES_MAX));
      for (const [key, { line, told }] of lines) {
        const own = wanted.get(key);
        if (own !== undefined && titleOf(own) === told) continue;
        prices.removePriceLine(line);
        lines.delete(key);
      }
      for (const [key, own] of wanted) {
        if (lines.has(key)) continue;
        const [told, price] = [titleOf(own), Number(own.price)];
        lines.set(key, { line: prices.createPriceLine(lineOf(own, price, told)), told, price, labelled: false });
      }
      atFrame(label);
    },
    setFills(all) {
      fills = all;
      const first = shown[0]?.start;
      const marks = new Map<string, SeriesMarker<Time>>();
      for (const fill of fills) {
        const start = intervalStart(fill.ts, step);
        if (first === undefined || start < first) continue;
        // one a candle and side, however many fills there were
        const buy = fill.side === "buy";
        marks.set(`${String(start)} ${fill.side}`, {
          time: seconds(start) as UTCTimestamp,
          position: buy ? "belowBar" : "aboveBar",
          shape: buy ? "arrowUp" : "arrowDown",
          color: buy ? colours.up : colours.down,
          text: buy ? "B" : "S",
        });
      }
      markers.setMarkers([...marks.values()]);
    },
    setDecimals(decimals) {
      prices.applyOptions({
        priceFormat: {
          type: "custom",
          minMove: 10 ** -decimals,
          formatter: (price: number) => formatDecimal(price.toFixed(Math.min(decimals, 20)), decimals),
        },
      });
    },
    restyle() {
      const [up, down] = [css("--buy"), css("--sell")];
      colours = { up, down, upSoft: css("--buy-soft"), downSoft: css("--sell-soft") };
      chart.applyOptions(chartStyle());
      prices.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
      for (const { line } of lines.values()) prices.removePriceLine(line);
      lines.clear();
      view.setCandles(shown, step);
      view.setOrders(orders);
    },
    scroll(bars) {
      chart.timeScale().scrollToPosition(chart.timeScale().scrollPosition() + bars, false);
    },
    zoom(factor) {
      const { barSpacing } = chart.timeScale().options();
      chart.timeScale().applyOptions({ barSpacing: Math.min(60, Math.max(1, barSpacing * factor)) });
    },
    toNow() {
      chart.timeScale().scrollToPosition(RIGHT_OFFSET, false);
    },
    close() {
      element.removeEventListener("pointerup", rescaled);
      forget(label);
      chart.remove();
    },
  };

  function titleOf({ side, size, orders: count }: OwnLine): string {
    return `${side === "buy" ? "Buy" : "Sell"} ${formatDecimal(size)}${count > 1 ? ` in ${count}` : ""}`;
  }

  function lineOf({ side, waiting }: OwnLine, price: number, title: string) {
    const color = side === "buy" ? colours.up : colours.down;
    const lineStyle = waiting ? LineStyle.SparseDotted : LineStyle.Dashed;
    return { price, color, title, lineWidth: 1, lineStyle, axisLabelVisible: false } as const;
  }

  /** Labels for the lines in sight only: the chart piles up those of all others at its edges. */
  function label(): void {
    if (lines.size === 0) return;
    const height = chart.panes()[0]?.getHeight() ?? 0;
    for (const one of lines.values()) {
      const y = prices.priceToCoordinate(one.price);
      const labelled = y !== null && y >= 0 && y <= height;
      if (labelled === one.labelled) continue;
      one.labelled = labelled;
      one.line.applyOptions({ axisLabelVisible: labelled });
    }
  }

  // the chart tells of no other change of its price scale than those that come with the candles
  const rescaled = (): void => atFrame(label);
  element.addEventListener("pointerup", rescaled);

  chart.timeScale().applyOptions({ barSpacing: 7, rightOffset: RIGHT_OFFSET });
  chart.applyOptions(timeStyle(seconds(step)));
  view.restyle();
  chart.subscribeCrosshairMove((event) => {
    pointed(event.point === undefined || event.time === undefined ? null : (event.time as UTCTimestamp));
  });
  chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
    atFrame(label);
    if (range !== null && shown.length > 0 && range.from < AHEAD_BARS) nearEnd();
  });
  return view;
}
