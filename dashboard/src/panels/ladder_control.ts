/** What one can do with the ladder: scroll it, move a cursor, take its prices, amend and cancel one's own orders. */
import type { LiveBook, OrderData } from "tickwire";
import { bookNote, type Desk } from "../desk.ts";
import { atFrame } from "../frame.ts";
import { formatDecimal } from "../logic/format.ts";
import { GROUPINGS, ROWS_MAX, group, stepFrom, type Spot } from "../logic/grouping.ts";
import { NO_ORDERS, ownLevels } from "../logic/own.ts";
import { reasonOf } from "../logic/refusal.ts";
import { opened } from "./level.ts";
import { ladderView } from "./ladder_view.ts";

/** How long after the last touch the ladder goes back to the spread, ms. */
const CENTRE_MS = 10_000;

/** Pixels that the pointer moves before a press on an order becomes a drag. */
const DRAG_PIXELS = 4;

/** What the panel does with the ladder; ended by `close`. */
export interface LadderControl {
  /** Ticks of a row. */
  group(step: bigint): void;
  centre(): void;
  /** The symbol or the account has changed. */
  renew(): void;
  close(): void;
}

/** What the ladder tells the panel. */
export interface LadderEvents {
  /** These own orders of a level are to be edited. */
  edit(orders: readonly OrderData[]): void;
  /** Why the book can't be shown, or what a drag would do; empty for nothing. */
  note(text: string): void;
  /** Whether it shows other rows than those around the spread. */
  away(away: boolean): void;
}

/** Make the ladder work in `grid`, the element that takes the focus. */
export function ladderControl(grid: HTMLElement, desk: Desk, events: LadderEvents): LadderControl {
  const redraw = (): void => atFrame(draw);
  const view = ladderView(grid, draw);
  let symbol = desk.symbol;
  let ownStale = true;
  let busy = false; // an amend is under way
  let home: ReturnType<typeof setTimeout> | undefined;
  let pressed: { row: Element; spot: Spot } | null = null; // rows change under the pointer
  let drag: { spot: Spot; fromY: number; middle: number; moved: boolean } | null = null;

  function draw(): void {
    if (symbol !== desk.symbol) {
      symbol = desk.symbol;
      view.clear();
      events.away(false);
      ownStale = true;
    }
    const book = desk.book.value;
    if (book !== null && ownStale) {
      const orders = desk.account?.valid === true ? desk.account.orders.values() : [];
      view.own = desk.account === null ? NO_ORDERS : ownLevels(orders, symbol, book, view.step);
      ownStale = false;
    }
    view.draw(book);
    if (drag === null) events.note(bookNote(desk));
  }

  function readable(): LiveBook | null {
    const book = desk.book.value;
    return book !== null && book.valid && book.symbol === symbol ? book : null;
  }

  function touched(): void {
    events.away(view.offset !== 0);
    clearTimeout(home);
    if (view.offset !== 0) home = setTimeout(centre, CENTRE_MS);
    redraw();
  }

  function centre(): void {
    view.offset = 0;
    touched();
  }

  function point(spot: Spot | null): void {
    view.cursor = view.marked = spot;
    if (spot !== null) opened.set(desk, { ...spot, step: view.step });
    redraw();
  }

  /** Move the cursor so many rows down, and have it in sight. */
  function move(down: number): void {
    const book = readable();
    if (book === null) return;
    const { ladder } = book;
    const groups = {
      bid: group(ladder.bids, "bid", view.step, ROWS_MAX),
      ask: group(ladder.asks, "ask", view.step, ROWS_MAX),
    };
    const next = stepFrom(groups, view.cursor, down);
    if (next === null) return;
    view.reveal(next.side, next.at);
    point({ side: next.side, ticks: next.ticks });
    touched();
  }

  function take(spot: Spot): void {
    const book = readable();
    if (book !== null) desk.prefill({ price: book.price.format(spot.ticks) });
  }

  function ordersAt(spot: Spot | null): readonly OrderData[] {
    return (spot === null ? undefined : view.own[spot.side].get(spot.ticks)?.orders) ?? [];
  }

  function failed(error: unknown): void {
    desk.say(reasonOf(error), "error");
  }

  async function cancel(orders: readonly OrderData[]): Promise<void> {
    const ends = await Promise.allSettled(orders.map(({ order_id }) => desk.client.cancel({ order_id })));
    for (const end of ends) if (end.status === "rejected") failed(end.reason);
    const done = ends.filter((end) => end.status === "fulfilled").length;
    if (done > 0) desk.say(done === 1 ? "1 order canceled" : `${done} orders canceled`, "info");
  }

  /** Move the own orders at a level by so many ticks. One that would trade at once is left to the ticket. */
  async function amend(spot: Spot, ticks: bigint): Promise<void> {
    const book = readable();
    const orders = ordersAt(spot);
    if (busy || book === null || orders.length === 0 || ticks === 0n) return;
    busy = true;
    const other = spot.side === "bid" ? book.ladder.asks.best : book.ladder.bids.best;
    const amendOne = async ({ order_id, price }: OrderData): Promise<string> => {
      const to = book.price.parse(price ?? "") + ticks;
      const text = book.price.format(to);
      if (other !== null && (spot.side === "bid" ? to >= other : to <= other))
        throw new Error(`At ${formatDecimal(text)} the order would trade at once: use the order ticket for that`);
      await desk.client.amend({ order_id, price: text });
      return formatDecimal(text);
    };
    const ends = await Promise.allSettled(orders.map(amendOne));
    busy = false;
    for (const end of ends) if (end.status === "rejected") failed(end.reason);
    const done = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    if (done.length === 0) return;
    desk.say(
      orders.length === 1 ? `Amended to ${done.join()}` : `${done.length} of ${orders.length} orders amended`,
      "info",
    );
    point({ side: spot.side, ticks: spot.ticks + ticks }); // the book has that level with its next message
  }

  function key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { cursor, marked } = view;
    // what is done to own orders is done only where the mark shows them
    const orders = marked !== null && marked.ticks === cursor?.ticks ? ordersAt(marked) : [];
    if (event.key === "ArrowUp") move(-1);
    else if (event.key === "ArrowDown") move(1);
    else if (event.key === "PageUp") move(-10);
    else if (event.key === "PageDown") move(10);
    else if (event.key === "Home") {
      point(null);
      centre();
    } else if (event.key === "Escape" && drag !== null) drop();
    else if (event.key === "Enter" && marked !== null) take(marked);
    else if (orders.length === 0 || marked === null) return;
    else if (event.key === " ") events.edit(orders);
    else if (event.key === "x") void cancel(orders);
    else if (event.key === "+" || event.key === "=") void amend(marked, view.step);
    else if (event.key === "-") void amend(marked, -view.step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function click(event: MouseEvent): void {
    const spot = pressed !== null && pressed.row === rowOf(event.target) ? pressed.spot : view.spotOf(event.target);
    pressed = null;
    if (spot === null) return;
    point(spot);
    if (isOwn(event.target))
      events.edit(ordersAt(spot)); // by a screen reader; a pointer's goes to `up`
    else take(spot);
  }

  function rowOf(target: EventTarget | null): Element | null {
    return target instanceof Element ? target.closest(".level") : null;
  }

  function isOwn(target: EventTarget | null): boolean {
    return target instanceof Element && target.closest(".own") !== null;
  }

  function down(event: PointerEvent): void {
    const [row, spot] = [rowOf(event.target), view.spotOf(event.target)];
    pressed = row === null || spot === null ? null : { row, spot };
    if (spot === null || !isOwn(event.target) || event.button !== 0) return;
    const sight = grid.querySelector(".sight")!.getBoundingClientRect();
    drag = { spot, fromY: event.clientY, middle: sight.top + sight.height / 2, moved: false };
    grid.setPointerCapture(event.pointerId);
    point(spot);
  }

  function slide(event: PointerEvent): void {
    if (drag === null) return;
    drag.moved ||= Math.abs(event.clientY - drag.fromY) >= DRAG_PIXELS;
    if (!drag.moved) return;
    const spot = view.spotAt(event.clientY - drag.middle);
    view.target = spot?.side === drag.spot.side ? spot : null;
    const book = readable();
    const text = view.target === null || book === null ? "" : formatDecimal(book.price.format(view.target.ticks));
    events.note(text === "" ? "Drop it on a price of its own side" : `Amend to ${text}`);
    redraw();
  }

  function up(): void {
    if (drag === null) return;
    const { spot, moved } = drag;
    const { target } = view; // what was shown last
    drop();
    if (!moved) events.edit(ordersAt(spot));
    else if (target !== null) void amend(spot, target.ticks - spot.ticks);
  }

  function drop(): void {
    drag = null;
    view.target = null;
    redraw();
  }

  function wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.deltaY === 0) return;
    event.preventDefault();
    view.scroll(event.deltaY > 0 ? -2 : 2);
    touched();
  }

  const listening = new AbortController();
  const { signal } = listening;
  grid.addEventListener("keydown", key, { signal });
  grid.addEventListener("click", click, { signal });
  grid.addEventListener("pointerdown", down, { signal });
  grid.addEventListener("pointermove", slide, { signal });
  grid.addEventListener("pointerup", up, { signal });
  grid.addEventListener("pointercancel", drop, { signal });
  grid.addEventListener("wheel", wheel, { passive: false, signal });
  const ends = [
    desk.book.source.watch(draw),
    desk.status.source.watch(draw),
    desk.accountSource.watch(() => {
      ownStale = true;
      draw();
    }),
  ];
  redraw();

  return {
    group(step) {
      if (!GROUPINGS.includes(step)) return;
      view.step = step;
      view.cursor = view.marked = null;
      ownStale = true;
      redraw();
    },
    centre,
    renew: redraw,
    close() {
      for (const end of ends) end();
      clearTimeout(home);
      view.close();
      listening.abort();
    },
  };
}
