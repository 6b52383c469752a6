/** The trade tape: what has been traded, newest first. */
import { useEffect, useRef } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { cell, make, writer, type Cell } from "../hot.ts";
import { formatDecimal, formatTime } from "../logic/format.ts";
import type { Trade } from "../logic/trades.ts";
import { useHold } from "../shared.ts";

/** Trades that are shown at most. */
export const ROWS_MAX = 60;

const ARROWS: Readonly<Record<string, string>> = { buy: "▲ bought", sell: "▼ sold" };

interface Row {
  readonly element: HTMLElement;
  readonly time: Cell;
  readonly price: Cell;
  readonly size: Cell;
  readonly arrow: Cell;
  readonly word: Cell;
  side: string;
}

function newRow(list: HTMLElement): Row {
  const element = make("div", "row trade", { role: "row" });
  list.append(element);
  const price = cell(element, "price", { role: "cell" });
  const size = cell(element, "size", { role: "cell" });
  const time = cell(element, "time", { role: "cell" });
  const arrow = cell(price.element, "arrow", { "aria-hidden": "true" });
  const word = cell(price.element, "sr-only");
  return { element, time, price, size, arrow, word, side: "" };
}

function fill(row: Row, trade: Trade): void {
  row.time.put(formatTime(trade.ts));
  row.price.put(formatDecimal(trade.price));
  row.size.put(formatDecimal(trade.size));
  const side = trade.side ?? "";
  if (side === row.side) return;
  row.side = side;
  row.element.className = `row trade ${side}`;
  const [arrow = "", word = ""] = (ARROWS[side] ?? "").split(" ");
  row.arrow.put(arrow);
  row.word.put(word && ` ${word}`);
}

interface TapeRows {
  /** The symbol has changed. */
  renew(): void;
  /** Whether new trades are held back. */
  pause(paused: boolean): void;
  close(): void;
}

/** Keep the newest trades in `list`; `waiting` is told how many are held back, "" for none. */
function tapeRows(list: HTMLElement, desk: Desk, waiting: (text: string) => void): TapeRows {
  const rows: Row[] = []; // in the order on the screen
  let [symbol, count, fresh, paused] = [desk.symbol, 0, 0, false];
  let source: object | null = null;

  function clear(): void {
    for (const row of rows) row.element.remove();
    rows.length = 0;
    [count, fresh] = [0, 0];
  }

  function draw(): void {
    const trades = desk.trades.value;
    if (symbol !== desk.symbol || (trades !== null && trades !== source)) {
      symbol = desk.symbol;
      source = trades;
      clear();
    }
    if (trades === null) {
      waiting(desk.trades.error ?? "");
      return;
    }
    const again = trades.fresh !== fresh;
    let added = again ? trades.rows.length : Math.min(trades.count - count, trades.rows.length);
    if (paused) {
      waiting(added > 0 ? `${added > ROWS_MAX ? `more than ${ROWS_MAX}` : added} new: paused while pointed at` : "");
      return;
    }
    waiting("");
    [count, fresh] = [trades.count, trades.fresh];
    if (again) for (const row of rows) row.element.hidden = true;
    added = Math.min(added, ROWS_MAX);
    for (const trade of trades.rows.slice(trades.rows.length - added)) {
      const row = rows.length < ROWS_MAX && !rows.at(-1)?.element.hidden ? newRow(list) : rows.pop()!;
      list.prepend(row.element); // the last one becomes the first
      row.element.hidden = false;
      rows.unshift(row);
      fill(row, trade);
    }
  }

  const end = desk.trades.source.watch(draw);
  atFrame(draw);
  return {
    renew: () => atFrame(draw),
    pause(value) {
      paused = value;
      atFrame(draw);
    },
    close() {
      end();
      forget(draw);
      clear();
    },
  };
}

/** Trades. */
export function Tape() {
  const desk = useDesk();
  useSources(desk.source);
  useHold(desk.trades);
  const list = useRef<HTMLDivElement>(null);
  const note = useRef<HTMLSpanElement>(null);
  const made = useRef<TapeRows | null>(null);

  useEffect(() => {
    const rows = tapeRows(list.current!, desk, writer(note.current!));
    made.current = rows;
    return () => {
      rows.close();
      note.current?.replaceChildren();
    };
  }, [desk]);
  useEffect(() => made.current?.renew(), [desk.symbol]);

  return (
    <section aria-label="Trades" class="panel tape">
      <div class="panel-head">
        <h2>Trades</h2>
        <span ref={note} class="faint" />
      </div>
      <div
        class="tape-table"
        role="table"
        aria-label={`Trades of ${desk.symbol}, newest first`}
        tabIndex={0}
        onPointerEnter={(event) => event.pointerType === "mouse" && made.current?.pause(true)}
        onPointerLeave={() => made.current?.pause(false)}
      >
        <div class="tape-head" role="rowgroup">
          <div class="row" role="row">
            <span role="columnheader">Price</span>
            <span role="columnheader">Size</span>
            <span role="columnheader">Time</span>
          </div>
        </div>
        <div ref={list} class="tape-rows" role="rowgroup" />
      </div>
    </section>
  );
}
