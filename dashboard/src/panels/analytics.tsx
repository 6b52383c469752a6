/** Analytics: figures of the book and of the flow of trades, a few times a second. */
import type { LiveBook } from "tickwire";
import { useEffect, useRef, useState } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { bar, make, paced, surface, writer, type Surface } from "../hot.ts";
import { imbalance, microprice, price, quotient, spreadBasisPoints, type Traded } from "../logic/analytics.ts";
import { Figures, SPARK_SECONDS, type Spark } from "../logic/figures.ts";
import { formatCompact, formatDecimal, formatMeasure, formatPercent, formatSigned } from "../logic/format.ts";
import { useHold } from "../shared.ts";
import { freshness } from "./freshness.ts";

/** Least time between two drawings, ms: figures that change faster can't be read. */
const PACE_MS = 250;

/** The windows of the figures that look back, seconds. */
const WINDOWS = [60, 300, 900] as const;

type Window = (typeof WINDOWS)[number];

const DEPTHS = [1, 5, 20] as const;

type Name =
  | "spread"
  | "mid"
  | "micro"
  | `imbalance${(typeof DEPTHS)[number]}`
  | "vwap"
  | "session"
  | "volatility"
  | "rate"
  | "volume"
  | "takers";

interface Fact {
  readonly name: Name;
  readonly label: string;
  readonly title: string;
  readonly spark?: Spark;
  readonly scale?: true; // a bar from -1 to 1
}

const FACTS: readonly Fact[] = [
  {
    name: "spread",
    label: "Spread",
    title: "Best ask less best bid, and in 1/10,000 of the mid price",
    spark: "spread",
  },
  { name: "mid", label: "Mid price", title: "Half way between the best prices", spark: "mid" },
  { name: "micro", label: "Microprice", title: "The best prices weighted by the size of the other side" },
  {
    name: "imbalance1",
    label: "Imbalance, best level",
    title: "(bid size - ask size) / (bid size + ask size) of the best level",
    scale: true,
  },
  { name: "imbalance5", label: "5 levels", title: "The same of the best 5 levels", spark: "imbalance", scale: true },
  { name: "imbalance20", label: "20 levels", title: "The same of the best 20 levels", scale: true },
  { name: "vwap", label: "VWAP", title: "Average price of the trades in the window, weighted by size" },
  { name: "session", label: "VWAP of the session", title: "The same of all trades since this page has looked at them" },
  {
    name: "volatility",
    label: "Realised volatility",
    title:
      "Root of the sum of squared log-returns of the mid price from second to second, scaled to a year of 365 days",
  },
  { name: "rate", label: "Trades", title: "Trades in a second, over the window", spark: "trades" },
  { name: "volume", label: "Volume", title: "Traded in the window" },
  { name: "takers", label: "Takers bought", title: "Share of the window's volume that takers bought", scale: true },
];

interface Line {
  readonly put: (text: string) => void;
  readonly bar: ((share: number) => void) | null;
}

interface View {
  look(seconds: Window): void;
  close(): void;
}

let kept: Figures | null = null; // of the symbol that was looked at last: a panel that is shown again goes on with it

function analyticsView(list: HTMLElement, desk: Desk): View {
  const lines = new Map<Name, Line>();
  const sparks: { surface: Surface; of: Spark }[] = [];
  const pace = paced(PACE_MS, draw);
  const mark = freshness(list);
  let seconds: Window = WINDOWS[1];
  for (const fact of FACTS) lines.set(fact.name, newLine(fact));

  function newLine({ name, label, title, spark, scale }: Fact): Line {
    const row = make("div", "fact", { title });
    const [term, value] = [make("dt", ""), make("dd", "", { "data-field": name })];
    term.textContent = label;
    row.append(term, value);
    list.append(row);
    const put = writer(value.appendChild(make("span", "value")));
    const fill = scale
      ? bar(value.appendChild(make("span", "balance", { "aria-hidden": "true" })), "balance-bar")
      : null;
    if (spark !== undefined) {
      const canvas = make("canvas", "spark", { "aria-hidden": "true" }) as HTMLCanvasElement;
      row.append(canvas);
      sparks.push({ of: spark, surface: surface(canvas, drawSparks) });
    }
    return { put, bar: fill };
  }

  function put(name: Name, text: string | null): void {
    lines.get(name)?.put(text ?? "–");
  }

  function signed(name: Name, value: number | null): void {
    put(name, value === null ? null : formatSigned(value.toFixed(2)));
    lines.get(name)?.bar?.(Math.round((value ?? 0) * 50) / 50);
  }

  function draw(): void {
    const book = desk.book.value;
    const trades = desk.trades.value;
    const { epoch } = desk.client.hello;
    if (kept === null || kept.over(desk.symbol, epoch, trades)) kept = new Figures(desk.symbol, epoch);
    if (book?.symbol !== desk.symbol) return;
    mark(book.valid);
    if (trades !== null) kept.trades(trades, book);
    if (book.valid) {
      const moved = kept.book(book.ladder, book.ts);
      drawBook(book);
      if (moved) drawSparks();
    }
    drawFlow(book, kept);
  }

  function drawBook(book: LiveBook): void {
    const { ladder, price: scale } = book;
    const [bids, asks] = [ladder.bids.top(20), ladder.asks.top(20)];
    for (const depth of DEPTHS) signed(`imbalance${depth}`, imbalance(bids, asks, depth));
    const [bid, ask] = [bids[0], asks[0]];
    if (bid === undefined || ask === undefined) {
      for (const name of ["spread", "mid", "micro"] as const) put(name, null);
      return;
    }
    const points = spreadBasisPoints(bid[0], ask[0]);
    put(
      "spread",
      `${formatDecimal(scale.format(ask[0] - bid[0]))}${points === null ? "" : ` · ${formatDecimal(points)} bp`}`,
    );
    put("mid", decimal(price(scale, bid[0] + ask[0], 2n, 1)));
    const { ticks, parts } = microprice(bid, ask);
    put("micro", decimal(price(scale, ticks, parts, 1)));
  }

  function drawFlow(book: LiveBook, figures: Figures): void {
    const window = figures.flow.last(seconds, figures.now);
    put("vwap", vwap(book, window));
    put("session", vwap(book, figures.flow.session));
    const volatility = figures.returns.volatility(seconds);
    put(
      "volatility",
      volatility === null ? null : `${formatPercent((volatility * 100).toFixed(1), 1).replace("+", "")} a year`,
    );
    put("rate", `${formatMeasure(window.trades / seconds, 2)} a second`);
    put("volume", `${formatCompact(book.size.format(window.lots))} ${desk.info.base}`);
    const sided = window.bought + window.sold;
    const bought = quotient(window.bought * 100n, sided, 1);
    put("takers", bought === null ? null : formatPercent(bought, 1).replace("+", ""));
    lines.get("takers")?.bar?.(bought === null ? 0 : Math.round(Number(bought) - 50) / 50);
  }

  function drawSparks(): void {
    if (kept === null) return;
    for (const { surface: canvas, of } of sparks) {
      canvas.theme(desk.theme);
      drawSpark(canvas, (age) => kept?.sparks[of].ago(age) ?? NaN);
    }
  }

  const ends = [desk.book.source.watch(pace.ask), desk.trades.source.watch(pace.ask), desk.source.watch(drawSparks)];
  atFrame(draw);
  return {
    look(window) {
      seconds = window;
      atFrame(draw);
    },
    close() {
      for (const end of ends) end();
      pace.end();
      forget(draw);
      for (const { surface: canvas } of sparks) canvas.close();
      list.replaceChildren();
    },
  };
}

function decimal(text: string | null): string | null {
  return text === null ? null : formatDecimal(text);
}

function vwap(book: LiveBook, { value, lots }: Traded): string | null {
  return decimal(price(book.price, value, lots, 1));
}

/** A line through the values of the last `SPARK_SECONDS`, newest on the right, from the least to the largest of them. */
function drawSpark(surface: Surface, ago: (age: number) => number): void {
  const { width, height, context: pen } = surface;
  if (width === 0) return;
  surface.clear();
  let [least, most] = [Infinity, -Infinity];
  for (let age = 0; age < SPARK_SECONDS; age++) {
    const value = ago(age);
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const rise = most > least ? (height - 3) / (most - least) : 0;
  pen.beginPath();
  for (let age = 0; age < SPARK_SECONDS; age++) {
    const value = ago(age);
    if (Number.isNaN(value)) break;
    const y = rise === 0 ? height / 2 : height - 1.5 - (value - least) * rise;
    pen.lineTo(width - 1 - (age / (SPARK_SECONDS - 1)) * (width - 2), y);
  }
  pen.strokeStyle = surface.color("--accent");
  pen.lineWidth = 1;
  pen.stroke();
}

/** Analytics. */
export function Analytics() {
  const desk = useDesk();
  useSources(desk.source);
  useHold(desk.book, desk.trades);
  const list = useRef<HTMLDListElement>(null);
  const made = useRef<View | null>(null);
  const [window, setWindow] = useState<Window>(WINDOWS[1]);

  useEffect(() => {
    const view = analyticsView(list.current!, desk);
    made.current = view;
    return () => view.close();
  }, [desk]);
  useEffect(() => made.current?.look(window), [window, desk.symbol]);

  return (
    <section aria-label="Analytics" class="panel">
      <div class="panel-head">
        <h2>Analytics</h2>
        <div class="segments" role="group" aria-label="Window of the figures that look back">
          {WINDOWS.map((seconds) => (
            <button key={seconds} type="button" aria-pressed={seconds === window} onClick={() => setWindow(seconds)}>
              {seconds / 60} min
            </button>
          ))}
        </div>
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label="Figures">
        <dl ref={list} class="fact-list" />
      </div>
    </section>
  );
}
