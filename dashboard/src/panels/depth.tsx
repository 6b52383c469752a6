/** The depth chart: what rests down to, and up to, each price. */
import type { Level, LiveBook } from "tickwire";
import { useEffect, useRef } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { atFrame, useSources } from "../frame.ts";
import { cell, paced, surface, writer } from "../hot.ts";
import { price, quotient } from "../logic/analytics.ts";
import { curve, position, priceAt, rangeAround, reached, type Range, type Step } from "../logic/depth.ts";
import { formatCompact, formatDecimal } from "../logic/format.ts";
import { useHold } from "../shared.ts";
import { freshness } from "./freshness.ts";

/** Levels of each side that are read at most: more than are told apart at any width. */
const LEVELS_MAX = 500;
/** Least time between two drawings, ms: nobody reads a shape faster. */
const PACE_MS = 100;
/** Least time between two changes of the text for screen readers, ms; it is read when asked for, never announced. */
const TEXT_MS = 2_000;
const ZOOMS = [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1];
const AXIS = 18; // pixels below the curves

/** Where texts go. */
type Texts = Readonly<Record<"from" | "middle" | "to" | "most" | "said", (text: string) => void>>;

interface DepthChart {
  renew(): void;
  close(): void;
}

function depthChart(canvas: HTMLCanvasElement, desk: Desk, parts: Texts): DepthChart {
  const view = surface(canvas, draw);
  const pace = paced(PACE_MS, draw);
  const mark = freshness(canvas);
  let zoom = ZOOMS.length - 1;
  let hover: number | null = null; // pixels from the left
  let said = -Infinity;
  let [bids, asks]: [Level[], Level[]] = [[], []]; // while the book can't be read, its last levels stay, dimmed
  let steps: { bid: Step[]; ask: Step[] } = { bid: [], ask: [] };
  let [symbol, scaled] = [desk.symbol, 0n]; // the highest sum is let fall slowly, so that the curves don't jump

  function draw(): void {
    const { width, height, context: pen } = view;
    const book = desk.book.value;
    mark(book?.valid !== false);
    if (width === 0) return;
    if (book === null || (!book.valid && book.symbol !== symbol)) {
      view.clear();
      return;
    }
    if (symbol !== book.symbol) {
      symbol = book.symbol;
      scaled = 0n;
      said = -Infinity;
    }
    view.theme(desk.theme);
    view.clear();
    if (book.valid) [bids, asks] = [book.ladder.bids.top(LEVELS_MAX), book.ladder.asks.top(LEVELS_MAX)];
    const range = rangeAround(bids, asks, ZOOMS[zoom] ?? 1);
    if (range === null) return;
    steps = { bid: curve(bids, range), ask: curve(asks, range) };
    const [low, high] = [steps.bid.at(-1)?.total ?? 0n, steps.ask.at(-1)?.total ?? 0n];
    const most = low > high ? low : high;
    scaled = most > scaled ? most : most + ((scaled - most) * 9n) / 10n;
    const top = 8;
    const floor = height - AXIS;
    const rise = (floor - top) / Number(scaled === 0n ? 1n : scaled);

    drawAxis(book, range, floor);
    for (const side of ["bid", "ask"] as const) {
      const [color, soft] = side === "bid" ? ["--buy", "--buy-soft"] : ["--sell", "--sell-soft"];
      const edge = side === "bid" ? 0 : width;
      const levels = steps[side];
      const first = levels[0];
      if (first === undefined) continue;
      pen.beginPath();
      let y = floor;
      pen.moveTo(Math.round(position(first.ticks, range) * width), floor);
      for (const step of levels) {
        const x = Math.round(position(step.ticks, range) * width);
        pen.lineTo(x, y);
        y = Math.round(floor - Number(step.total) * rise);
        pen.lineTo(x, y);
      }
      pen.lineTo(edge, y);
      pen.strokeStyle = view.color(color);
      pen.lineWidth = 1.5;
      pen.stroke();
      pen.lineTo(edge, floor);
      pen.closePath();
      pen.fillStyle = view.color(soft);
      pen.fill();
    }
    if (hover !== null) drawCross(book, range, hover, top, floor, rise);
    describe(book, range);
  }

  /** The labels are no part of the canvas, where each text would have the page's styles worked out at once. */
  function drawAxis(book: LiveBook, range: Range, floor: number): void {
    view.context.fillStyle = view.color("--line");
    view.context.fillRect(0, floor, view.width, 1);
    for (const [at, put] of [parts.from, parts.middle, parts.to].entries()) {
      put(formatDecimal(book.price.format(priceAt(at / 2, range))));
    }
    parts.most(formatCompact(book.size.format(scaled)));
  }

  function drawCross(book: LiveBook, range: Range, at: number, top: number, floor: number, rise: number): void {
    const { width, context: pen } = view;
    const ticks = priceAt(at / width, range);
    const best = bids[0];
    const side = best !== undefined && ticks <= best[0] ? "bid" : "ask";
    const step = reached(steps[side], side, ticks);
    pen.fillStyle = view.color("--text-3");
    pen.fillRect(Math.round(at), top, 1, floor - top);
    if (step !== null) {
      pen.fillStyle = view.color(side === "bid" ? "--buy" : "--sell");
      pen.beginPath();
      pen.arc(at, floor - Number(step.total) * rise, 3, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.font = `11px ${view.color("--sans")}`;
    const lines = [formatDecimal(book.price.format(ticks)), ...sums(book, step)];
    const wide = Math.max(...lines.map((line) => pen.measureText(line).width)) + 12;
    const left = at + 10 + wide > width ? at - 10 - wide : at + 10;
    pen.fillStyle = view.color("--overlay");
    pen.fillRect(left, top, wide, lines.length * 15 + 8);
    pen.strokeStyle = view.color("--line-strong");
    pen.lineWidth = 1;
    pen.strokeRect(left + 0.5, top + 0.5, wide - 1, lines.length * 15 + 7);
    pen.textAlign = "left";
    pen.textBaseline = "top";
    for (const [row, line] of lines.entries()) {
      pen.fillStyle = view.color(row === 0 ? "--text" : "--text-2");
      pen.fillText(line, left + 6, top + 5 + row * 15);
    }
  }

  /** What a step holds: its size in the base asset, and what that comes to in the quote asset. */
  function sums(book: LiveBook, step: Step | null): string[] {
    if (step === null) return ["nothing rests here"];
    const value = quotient(
      step.value * book.price.units * book.size.units,
      10n ** BigInt(book.price.decimals + book.size.decimals),
      2,
    );
    const { base, quote } = desk.info;
    return [`${formatDecimal(book.size.format(step.total))} ${base}`, `${formatDecimal(value ?? "0")} ${quote}`];
  }

  function describe(book: LiveBook, range: Range): void {
    const now = performance.now();
    if (now - said < TEXT_MS) return;
    said = now;
    const middle = price(book.price, (bids[0]?.[0] ?? 0n) + (asks[0]?.[0] ?? 0n), 2n, 1) ?? "";
    const to = (ticks: bigint): string => formatDecimal(book.price.format(ticks));
    const size = (step: Step | undefined): string =>
      `${formatDecimal(book.size.format(step?.total ?? 0n))} ${desk.info.base}`;
    parts.said(
      `Around ${formatDecimal(middle)} ${desk.info.quote}: bids of ${size(steps.bid.at(-1))} down to ${to(range.from)}, ` +
        `asks of ${size(steps.ask.at(-1))} up to ${to(range.to)}.`,
    );
  }

  function zoomBy(by: number): void {
    zoom = Math.min(ZOOMS.length - 1, Math.max(0, zoom + by));
    scaled = 0n;
    atFrame(draw);
  }

  function point(x: number | null): void {
    hover = x === null ? null : Math.min(view.width - 1, Math.max(0, x));
    atFrame(draw);
  }

  function key(event: KeyboardEvent): void {
    const middle = view.width / 2;
    if (event.key === "ArrowLeft") point((hover ?? middle) - 4);
    else if (event.key === "ArrowRight") point((hover ?? middle) + 4);
    else if (event.key === "Escape") point(null);
    else if (event.key === "+" || event.key === "=") zoomBy(-1);
    else if (event.key === "-") zoomBy(1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  const move = (event: PointerEvent): void => point(event.offsetX);
  const leave = (): void => point(null);
  const wheel = (event: WheelEvent): void => {
    if (event.ctrlKey || event.deltaY === 0) return;
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 1 : -1);
  };

  const listening = new AbortController();
  const { signal } = listening;
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerleave", leave, { signal });
  canvas.addEventListener("wheel", wheel, { passive: false, signal });
  canvas.addEventListener("keydown", key, { signal });
  const end = desk.book.source.watch(pace.ask);
  return {
    renew: () => atFrame(draw),
    close() {
      end();
      pace.end();
      view.close();
      listening.abort();
    },
  };
}

/** Depth. */
export function Depth() {
  const desk = useDesk();
  useSources(desk.source);
  useHold(desk.book);
  const canvas = useRef<HTMLCanvasElement>(null);
  const axis = useRef<HTMLDivElement>(null);
  const text = useRef<HTMLParagraphElement>(null);
  const made = useRef<DepthChart | null>(null);

  useEffect(() => {
    const chart = depthChart(canvas.current!, desk, {
      most: cell(axis.current!, "most").put,
      from: cell(axis.current!, "from").put,
      middle: cell(axis.current!, "middle").put,
      to: cell(axis.current!, "to").put,
      said: writer(text.current!),
    });
    made.current = chart;
    return () => {
      chart.close();
      text.current?.replaceChildren();
      axis.current?.replaceChildren();
    };
  }, [desk]);
  useEffect(() => made.current?.renew(), [desk.symbol, desk.theme]);

  return (
    <section aria-label="Depth" class="panel">
      <div class="panel-head">
        <h2>Depth</h2>
      </div>
      <div class="depth-box">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={`Depth chart of ${desk.symbol}. Arrow keys move the crosshair, plus and minus zoom`}
          aria-describedby="depth-text"
        />
        <div ref={axis} class="depth-axis" aria-hidden="true" />
      </div>
      <p ref={text} id="depth-text" class="sr-only" />
    </section>
  );
}
