/** The rows of the order book: made once, changed in place, at most once a frame. */
import type { LiveBook } from "tickwire";
import { atFrame, forget } from "../frame.ts";
import { bar, cell, make, writer, type Cell } from "../hot.ts";
import { price, quotient, spreadBasisPoints } from "../logic/analytics.ts";
import { formatDecimal } from "../logic/format.ts";
import { ROWS_MAX, group, nearest, share, type BookSide, type Group, type Spot } from "../logic/grouping.ts";
import { NO_ORDERS, type OwnLevels } from "../logic/own.ts";

/** How long a changed size is marked, ms. */
const FLASH_MS = 300;

/** The height of the spread, in rows. */
const SPREAD_ROWS = 1.5;

interface Row {
  readonly element: HTMLElement;
  readonly price: Cell;
  readonly size: Cell;
  readonly total: Cell;
  readonly own: HTMLElement;
  readonly putOwn: (text: string) => void;
  readonly fill: (share: number) => void;
  ticks: bigint | null;
  lots: bigint;
  sum: bigint;
  mine: bigint;
  lit: number; // until when its size is marked, ms; 0 while it is not
}

/** What the view shows; the panel changes it and asks for a drawing. */
export interface LadderView {
  /** Ticks of a row. */
  step: bigint;
  /** How many rows the spread has been moved down (asks are in sight that were too high) or up (below zero). */
  offset: number;
  cursor: Spot | null;
  /** The level that was marked for the cursor: where that is, or nearest to it once its price has left. */
  marked: Spot | null;
  /** Where an order that is being dragged would go. */
  target: Spot | null;
  own: OwnLevels;
  /** Move the offset by so many rows, as far as there can be rows. */
  scroll(rows: number): void;
  /** Move the offset so far that a row of a side, 0 the best, is in sight. */
  reveal(side: BookSide, at: number): void;
  /** The level that a row shows; null for what is none, or shows nothing. */
  spotOf(element: EventTarget | null): Spot | null;
  /** The level that is shown so many pixels below the middle of the rows. */
  spotAt(fromMiddle: number): Spot | null;
  /** Draw a book; the last rows stay, and are marked as stale, while it can't be read. */
  draw(book: LiveBook | null): void;
  /** Show nothing: another symbol is selected. */
  clear(): void;
  close(): void;
}

/**
 * Put the rows into an element, which has a fixed size by its style; `redraw` is called when more or fewer of them fit.
 *
 * The element gets `data-seq`, `data-symbol` and `data-grouping`, each row that shows a level `data-side`, `data-price`
 * and `data-size` as on the wire.
 */
export function ladderView(grid: HTMLElement, redraw: () => void): LadderView {
  const sight = make("div", "sight", { role: "rowgroup" });
  const body = make("div", "rows", { role: "none" });
  const spread = make("div", "row spread", { role: "row" });
  const spreadCell = make("span", "mid", { role: "gridcell", "aria-colspan": "4" });
  spread.append(spreadCell);
  const mid = cell(spreadCell, "mid-price");
  const gap = cell(spreadCell, "gap");
  body.append(spread);
  sight.append(body);
  grid.append(sight);

  const rows: Record<BookSide, Row[]> = { ask: [], bid: [] };
  const shown: Record<BookSide, number> = { ask: 0, bid: 0 };
  const groups: Record<BookSide, Group[]> = { ask: [], bid: [] };
  let before: Record<BookSide, Map<bigint, bigint>> = { ask: new Map(), bid: new Map() };
  const spots = new WeakMap<Element, { side: BookSide; row: Row }>();
  let fit = 0; // rows above, and below, the spread when that is in the middle
  let rowPixels = 22;
  let [drawnOffset, drawnState, drawnStep] = [0, "", 0n];
  let drawnBook: LiveBook | null = null;
  let active: Row | null = null;
  let aimed: Row | null = null;
  let light: ReturnType<typeof setTimeout> | undefined;

  const observer = new ResizeObserver((entries) => {
    const height = entries.at(-1)?.contentRect.height ?? 0;
    rowPixels = spread.offsetHeight / SPREAD_ROWS || rowPixels; // here the layout is done
    fit = Math.min(ROWS_MAX, Math.max(1, Math.floor((height / rowPixels - SPREAD_ROWS) / 2)));
    atFrame(redraw);
  });
  observer.observe(sight);

  function inSight(side: BookSide): number {
    return Math.min(ROWS_MAX, Math.max(0, fit + (side === "ask" ? view.offset : -view.offset)));
  }

  function row(side: BookSide, at: number): Row {
    const there = rows[side][at];
    if (there !== undefined) return there;
    const element = make("div", `row level ${side}`, { role: "row", id: `ladder-${side}-${at}` });
    const rowsDown = side === "ask" ? -at - 1 - SPREAD_ROWS / 2 : at + SPREAD_ROWS / 2;
    element.style.transform = `translateY(${rowsDown * 100}%)`;
    const fill = bar(element, "fill");
    const ownCell = make("span", "own-cell", { role: "gridcell" });
    const own = make("button", "own", { type: "button", tabindex: "-1", hidden: "" });
    ownCell.append(own);
    element.append(ownCell);
    const made: Row = {
      element,
      fill,
      own,
      putOwn: writer(own),
      price: cell(element, "price", { role: "gridcell" }),
      size: cell(element, "size", { role: "gridcell" }),
      total: cell(element, "total", { role: "gridcell" }),
      ticks: null,
      lots: 0n,
      sum: 0n,
      mine: 0n,
      lit: 0,
    };
    spots.set(element, { side, row: made });
    if (side === "ask") body.prepend(element);
    else body.append(element);
    rows[side].push(made);
    return made;
  }

  function unlight(one: Row): void {
    if (one.lit === 0) return;
    one.lit = 0;
    delete one.element.dataset.flash;
  }

  function empty(one: Row): void {
    if (one.ticks === null) return;
    one.ticks = null;
    one.lots = one.sum = one.mine = 0n;
    for (const name of ["side", "price", "size", "own"]) one.element.removeAttribute(`data-${name}`);
    one.price.put("");
    one.size.put("");
    one.total.put("");
    one.putOwn("");
    one.own.hidden = true;
    one.fill(0);
    unlight(one);
  }

  function fillRow(book: LiveBook, side: BookSide, one: Row, level: Group, most: bigint, now: number): void {
    const { ticks, lots, total } = level;
    const data = one.element.dataset;
    const moved = ticks !== one.ticks;
    if (moved) {
      const text = book.price.format(ticks);
      if (one.ticks === null) data.side = side;
      one.ticks = ticks;
      data.price = text;
      one.price.put(formatDecimal(text));
    }
    if (moved || lots !== one.lots) {
      const last = before[side].get(ticks);
      if (last !== undefined && last !== lots) {
        data.flash = lots > last ? "more" : "less";
        one.lit = now + FLASH_MS;
      } else if (moved) {
        unlight(one);
      }
      if (lots !== one.lots) {
        const text = book.size.format(lots);
        one.lots = lots;
        data.size = text;
        one.size.put(formatDecimal(text));
      }
    }
    if (one.lit !== 0 && one.lit <= now) unlight(one);
    if (total !== one.sum) {
      one.sum = total;
      one.total.put(formatDecimal(book.size.format(total)));
    }
    one.fill(share(total, most));
    const mine = view.own[side].get(ticks)?.lots ?? 0n;
    if (mine !== one.mine) {
      one.mine = mine;
      one.own.hidden = mine === 0n;
      const text = mine === 0n ? "" : book.size.format(mine);
      one.putOwn(text && formatDecimal(text));
      if (mine === 0n) delete data.own;
      else data.own = text;
      one.own.setAttribute("aria-label", `own ${text}: amend or cancel`);
    }
  }

  function state(name: "live" | "stale" | "empty"): void {
    if (name !== drawnState) grid.dataset.state = drawnState = name;
  }

  function drawSpread(book: LiveBook): void {
    const { bids, asks } = book.ladder;
    const [bid, ask] = [bids.best, asks.best];
    if (bid === null || ask === null) {
      mid.put("");
      gap.put(bid === null && ask === null ? "the book is empty" : "one side is empty");
      return;
    }
    const odd = (bid + ask) % 2n !== 0n;
    const decimals = book.price.decimals + (odd ? 1 : 0);
    mid.put(formatDecimal(price(book.price, bid + ask, 2n, odd ? 1 : 0) ?? "", decimals));
    const ticks = formatDecimal(String(ask - bid));
    const points = formatDecimal(spreadBasisPoints(bid, ask) ?? quotient(0n, 1n, 2) ?? "");
    gap.put(`${ticks} ${ask - bid === 1n ? "tick" : "ticks"} · ${points} bp`);
  }

  function mark(last: Row | null, spot: Spot | null, attribute: string): Row | null {
    const next = spot === null ? null : (rows[spot.side][nearest(groups[spot.side], spot)] ?? null);
    if (next === last) return next;
    last?.element.removeAttribute(attribute);
    next?.element.setAttribute(attribute, "true");
    return next;
  }

  const view: LadderView = {
    step: 1n,
    offset: 0,
    cursor: null,
    marked: null,
    target: null,
    own: NO_ORDERS,

    scroll(by) {
      const most = Math.max(0, ROWS_MAX - fit);
      view.offset = Math.min(most, Math.max(-most, view.offset + by));
    },

    reveal(side, at) {
      if (side === "ask") view.scroll(Math.max(0, at + 1 - inSight("ask")));
      else view.scroll(-Math.max(0, at + 1 - inSight("bid")));
    },

    spotOf(element) {
      const level = element instanceof Element ? element.closest(".level") : null;
      const found = level === null ? undefined : spots.get(level);
      return found === undefined || found.row.ticks === null ? null : { side: found.side, ticks: found.row.ticks };
    },

    spotAt(fromMiddle) {
      const down = fromMiddle / rowPixels - view.offset;
      const side = down < 0 ? "ask" : "bid";
      const ticks = rows[side][Math.floor(Math.abs(down) - SPREAD_ROWS / 2)]?.ticks ?? null;
      return ticks === null ? null : { side, ticks };
    },

    draw(book) {
      if (book === null || fit === 0) return;
      if (!book.valid) {
        if (drawnState === "live") state("stale");
        return;
      }
      const now = performance.now();
      const again = book === drawnBook && drawnStep === view.step;
      if (!again) before = { ask: new Map(), bid: new Map() }; // other groups: nothing to compare with
      drawnBook = book;
      drawnStep = view.step;
      const { ladder } = book;
      let most = 0n;
      for (const side of ["ask", "bid"] as const) {
        const levels = side === "ask" ? ladder.asks : ladder.bids;
        const count = inSight(side);
        groups[side] = group(view.step === 1n ? levels.top(count) : levels, side, view.step, count);
        const total = groups[side].at(-1)?.total ?? 0n;
        if (total > most) most = total;
      }
      let lit = false;
      for (const side of ["ask", "bid"] as const) {
        const levels = groups[side];
        for (let at = 0; at < levels.length; at++) {
          const one = row(side, at);
          fillRow(book, side, one, levels[at]!, most, now);
          lit ||= one.lit !== 0;
        }
        for (let at = levels.length; at < shown[side]; at++) empty(row(side, at));
        shown[side] = levels.length;
        before[side] = new Map(levels.map((level) => [level.ticks, level.lots]));
      }
      drawSpread(book);
      if (view.offset !== drawnOffset) {
        drawnOffset = view.offset;
        body.style.transform = `translateY(${view.offset * rowPixels}px)`;
      }
      const last = active;
      active = mark(active, view.cursor, "aria-selected");
      view.marked = active === null ? null : view.spotOf(active.element);
      if (active !== last) {
        if (active === null) grid.removeAttribute("aria-activedescendant");
        else grid.setAttribute("aria-activedescendant", active.element.id);
      }
      aimed = mark(aimed, view.target, "data-target");
      grid.dataset.seq = String(book.seq);
      if (!again) {
        grid.dataset.symbol = book.symbol;
        grid.dataset.grouping = String(view.step);
      }
      state("live");
      if (lit && light === undefined) {
        light = setTimeout(() => {
          light = undefined;
          atFrame(redraw);
        }, FLASH_MS);
      }
    },

    clear() {
      for (const side of ["ask", "bid"] as const) {
        rows[side].forEach(empty);
        groups[side] = [];
        shown[side] = 0;
      }
      drawnBook = null;
      mid.put("");
      gap.put("");
      delete grid.dataset.seq;
      delete grid.dataset.symbol;
      delete grid.dataset.grouping;
      view.cursor = view.marked = view.target = null;
      view.offset = 0;
      state("empty");
    },

    close() {
      observer.disconnect();
      clearTimeout(light);
      forget(redraw);
      sight.remove();
    },
  };
  return view;
}
