/** The trade tape: what has been traded, newest first. */
import { useEffect, useRef } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { cell, make, paced, writer, type Cell } from "../hot.ts";
import { formatCount, formatDecimal, formatTime } from "../logic/format.ts";
import type { Trade } from "../logic/trades.ts";
import { useHold } from "../shared.ts";

/** Trades that are shown at most; one scrolls to those that have no room. */
const ROWS_MAX = 40;

/** Least time between two drawings, ms: where trades come fast every row changes with each, and nobody reads faster. */
const PACE_MS = 100;

const ARROWS: Readonly<Record<string, readonly [arrow: string, word: string]>> = {
  buy: ["▲", " bought"],
  sell: ["▼", " sold"],
};

interface Row {
  readonly element: HTMLElement;
  readonly time: Cell;
  readonly price: Cell;
  readonly size: Cell;
  readonly arrow: Cell;
  readonly word: Cell;
  trade: Trade | null;
  side: string;
}

function newRow(list: HTMLElement): Row {
  const element = make("div", "row trade", { role: "row", hidden: "" });
  list.append(element);
  const arrow = cell(element, "arrow", { "aria-hidden": "true" });
  const price = cell(element, "price", { role: "cell" });
  const size = cell(element, "size", { role: "cell" });
  const time = cell(element, "time", { role: "cell" });
  const word = cell(price.element, "sr-only");
  return { element, time, price, size, arrow, word, trade: null, side: "" };
}

function fill(row: Row, trade: Trade | null): void {
  if (row.trade === trade) return;
  if ((row.trade === null) !== (trade === null)) row.element.hidden = trade === null;
  row.trade = trade;
  row.time.put(trade === null ? "" : formatTime(trade.ts));
  row.price.put(trade === null ? "" : formatDecimal(trade.price));
  row.size.put(trade === null ? "" : formatDecimal(trade.size));
  const side = trade?.side ?? "";
  if (side === row.side) return;
  row.side = side;
  row.element.className = `row trade ${side}`;
  const [arrow, word] = ARROWS[side] ?? ["", ""];
  row.arrow.put(arrow);
  row.word.put(word);
}

interface TapeRows {
  /** The symbol has changed. */
  renew(): void;
  /** Whether new trades are held back. */
  pause(paused: boolean): void;
  close(): void;
}

/**
 * Keep the newest trades in `list`; `waiting` is told how many are held back, "" for none.
 *
 * The rows stay where they are, and show what has moved to their place.
 */
function tapeRows(list: HTMLElement, desk: Desk, waiting: (text: string) => void): TapeRows {
  const rows = Array.from({ length: ROWS_MAX }, () => newRow(list)); // in the order on the screen
  let [count, paused] = [0, false];

  function draw(): void {
    const trades = desk.trades.value;
    if (trades === null) {
      for (const row of rows) fill(row, null);
      waiting(desk.trades.error ?? "");
      return;
    }
    if (paused && rows[0]?.trade !== null) {
      const held = trades.count - count;
      waiting(held > 0 ? `${formatCount(held)} new: paused while pointed at` : "");
      return;
    }
    waiting("");
    count = trades.count;
    const last = trades.rows.length - 1;
    for (const [at, row] of rows.entries()) fill(row, trades.rows[last - at] ?? null);
  }

  const pace = paced(PACE_MS, draw);
  const end = desk.trades.source.watch(pace.ask);
  atFrame(draw);
  return {
    renew: () => atFrame(draw),
    pause(value) {
      paused = value;
      atFrame(draw);
    },
    close() {
      end();
      pace.end();
      forget(draw);
      list.replaceChildren();
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
    <section aria-label="Trades" class="panel">
      <div class="panel-head">
        <h2>Trades</h2>
        <span ref={note} class="faint" />
      </div>
      <div
        class="tape-table"
        role="table"
        aria-label={`Trades of ${desk.symbol}, newest first`}
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
        <div ref={list} class="tape-rows" role="rowgroup" tabIndex={0} />
      </div>
    </section>
  );
}
