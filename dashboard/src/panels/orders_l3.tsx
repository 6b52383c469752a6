/** The orders of one level in the order in which they match, and where one's own stand. */
import type { LiveOrders, OrderAtPrice } from "tickwire";
import { useEffect, useRef, useState } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { atFrame, forget, useSources } from "../frame.ts";
import { bar, cell, make, paced, writer, type Cell } from "../hot.ts";
import { formatCount, formatDecimal } from "../logic/format.ts";
import { share, type BookSide } from "../logic/grouping.ts";
import { places, span, type Place } from "../logic/queue.ts";
import { useHold } from "../shared.ts";
import { opened } from "./level.ts";

/** Orders that are shown at most; of the others the number and sum. */
const ROWS_MAX = 40;
/** Own orders whose place in the queue is told at most. */
const OWN_MAX = 6;
/** Least time between two drawings, ms. */
const PACE_MS = 80;

interface Row {
  readonly element: HTMLElement;
  readonly at: Cell;
  readonly order: Cell;
  readonly size: Cell;
  readonly ahead: Cell;
  readonly fill: (share: number) => void;
  own: boolean;
}

/** The elements that the panel draws into. */
interface Places {
  readonly list: HTMLElement;
  readonly own: HTMLElement;
  readonly title: (text: string) => void;
  readonly rest: (text: string) => void;
}

function newRow(list: HTMLElement): Row {
  const element = make("div", "row order", { role: "row" });
  const fill = bar(element, "fill");
  list.append(element);
  return {
    element,
    fill,
    at: cell(element, "at", { role: "cell" }),
    order: cell(element, "order-id", { role: "cell" }),
    size: cell(element, "size", { role: "cell" }),
    ahead: cell(element, "ahead", { role: "cell" }),
    own: false,
  };
}

interface OrdersView {
  follow(side: BookSide): void;
  close(): void;
}

function ordersView(desk: Desk, parts: Places): OrdersView {
  const rows: Row[] = [];
  const lines: Cell[] = [];
  const pace = paced(PACE_MS, draw);
  let side: BookSide = "bid";

  function show(count: number): void {
    for (const [at, row] of rows.entries()) row.element.hidden = at >= count;
  }

  function draw(): void {
    const book = desk.orders3.value;
    if (!book?.valid) {
      parts.title(book === null ? (desk.orders3.error ?? "") : (book.reason ?? ""));
      if (book === null) {
        show(0);
        parts.rest("");
        for (const line of lines) line.put("");
      }
      return;
    }
    const level = opened.of(desk);
    const at = level?.side ?? side;
    const levels = at === "bid" ? book.ladder.bids : book.ladder.asks;
    const ticks = level?.ticks ?? levels.best;
    const mine = desk.account?.orders;
    if (ticks === null) {
      parts.title(at === "bid" ? "There are no bids" : "There are no asks");
      parts.rest("");
      show(0);
    } else {
      drawLevel(book, at, ticks, level?.step ?? 1n, (id) => mine?.has(id) === true);
    }
    drawOwn(book);
  }

  function drawLevel(
    book: LiveOrders,
    at: BookSide,
    ticks: bigint,
    step: bigint,
    isOwn: (id: string) => boolean,
  ): void {
    const queue = places(ordersIn(book, at, ticks, step));
    const last = queue.at(-1);
    const total = last === undefined ? 0n : last.ahead + last.order.lots;
    const name = at === "bid" ? "Bid" : "Ask";
    const sum = formatDecimal(book.size.format(total));
    const count = queue.length === 1 ? "1 order" : `${formatCount(queue.length)} orders`;
    parts.title(`${name} ${formatDecimal(book.price.format(ticks))} · ${count} · ${sum}`);
    const shown = queue.slice(0, ROWS_MAX);
    const largest = shown.reduce((most, { order }) => (order.lots > most ? order.lots : most), 0n);
    for (const [index, place] of shown.entries()) {
      const row = (rows[index] ??= newRow(parts.list));
      fillRow(book, row, place, largest, isOwn(place.order.order_id), at);
    }
    show(shown.length);
    const more = queue[ROWS_MAX];
    const left = more === undefined ? "" : formatDecimal(book.size.format(total - more.ahead));
    parts.rest(more === undefined ? "" : `and ${formatCount(queue.length - ROWS_MAX)} more, of ${left}`);
  }

  function fillRow(
    book: LiveOrders,
    row: Row,
    { order, ahead, before }: Place<OrderAtPrice>,
    largest: bigint,
    own: boolean,
    at: BookSide,
  ): void {
    row.at.put(formatCount(before + 1));
    row.order.put(own ? `★ ${order.order_id} own` : order.order_id);
    row.size.put(formatDecimal(order.size));
    row.ahead.put(formatDecimal(book.size.format(ahead)));
    row.fill(share(order.lots, largest));
    if (row.own !== own) {
      row.own = own;
      row.element.toggleAttribute("data-own", own);
    }
    if (row.element.dataset.side !== at) row.element.dataset.side = at;
  }

  /** Where one's own orders of the symbol stand. */
  function drawOwn(book: LiveOrders): void {
    let line = 0;
    for (const order of desk.account?.orders.values() ?? []) {
      if (order.symbol !== desk.symbol || order.status !== "open" || order.price === null) continue;
      if (line === OWN_MAX) break;
      const found = places(book.at(order.side, book.price.parse(order.price))).find(
        (place) => place.order.order_id === order.order_id,
      );
      if (found === undefined) continue;
      const { ahead, before } = found;
      const place =
        before === 0
          ? "first at this price"
          : `${formatDecimal(book.size.format(ahead))} ahead, in ${before === 1 ? "1 order" : `${formatCount(before)} orders`}`;
      const what = `${order.side === "buy" ? "▲ buy" : "▼ sell"} ${formatDecimal(order.remaining)}`;
      (lines[line] ??= cell(parts.own, "own-line")).put(`${what} at ${formatDecimal(order.price)}: ${place}`);
      line += 1;
    }
    for (const unused of lines.slice(line)) unused.put("");
  }

  const ends = [
    desk.orders3.source.watch(pace.ask),
    desk.accountSource.watch(draw),
    opened.source.watch(draw),
    desk.source.watch(draw),
  ];
  atFrame(draw);
  return {
    follow(which) {
      side = which;
      opened.set(desk, null);
      atFrame(draw);
    },
    close() {
      for (const end of ends) end();
      forget(draw);
      pace.end();
      for (const row of rows) row.element.remove();
      for (const line of lines) line.element.remove();
    },
  };
}

function* ordersIn(book: LiveOrders, side: BookSide, ticks: bigint, step: bigint): Generator<OrderAtPrice> {
  const of = side === "bid" ? "buy" : "sell";
  if (step === 1n) {
    yield* book.at(of, ticks);
    return;
  }
  const { best, worst } = span(side, ticks, step);
  for (const [price] of side === "bid" ? book.ladder.bids : book.ladder.asks) {
    if (side === "bid" ? price < worst : price > worst) return;
    if (side === "bid" ? price <= best : price >= best) yield* book.at(of, price);
  }
}

/** Orders (L3). */
export function OrdersL3() {
  const desk = useDesk();
  useSources(desk.source);
  return (
    <section aria-label="Orders (L3)" class="panel">
      {desk.info.channels.includes("book_l3") ? (
        <Level key={desk.symbol} />
      ) : (
        <>
          <div class="panel-head">
            <h2>Orders (L3)</h2>
          </div>
          <p class="empty">The venue of {desk.symbol} tells no single orders.</p>
        </>
      )}
    </section>
  );
}

function Level() {
  const desk = useDesk();
  useHold(desk.orders3);
  useSources(opened.source);
  const title = useRef<HTMLParagraphElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const rest = useRef<HTMLParagraphElement>(null);
  const own = useRef<HTMLDivElement>(null);
  const made = useRef<OrdersView | null>(null);
  const [side, setSide] = useState<BookSide>("bid");
  const following = opened.of(desk) === null;

  useEffect(() => {
    const view = ordersView(desk, {
      list: list.current!,
      own: own.current!,
      title: writer(title.current!),
      rest: writer(rest.current!),
    });
    made.current = view;
    return () => view.close();
  }, [desk]);

  const follow = (which: BookSide): void => {
    setSide(which);
    made.current?.follow(which);
  };

  return (
    <>
      <div class="panel-head">
        <h2>Orders (L3)</h2>
        <div class="segments" role="group" aria-label="Level that is shown">
          <button type="button" aria-pressed={following && side === "bid"} onClick={() => follow("bid")}>
            Best bid
          </button>
          <button type="button" aria-pressed={following && side === "ask"} onClick={() => follow("ask")}>
            Best ask
          </button>
        </div>
      </div>
      <p ref={title} class="orders3-title" />
      <div ref={own} class="orders3-own" />
      <div
        class="orders3-table scroll"
        role="table"
        aria-label="Orders of the level, first to match first"
        tabIndex={0}
      >
        <div class="orders3-head" role="rowgroup">
          <div class="row" role="row">
            <span role="columnheader">#</span>
            <span role="columnheader">Order</span>
            <span role="columnheader">Size</span>
            <span role="columnheader">Ahead</span>
          </div>
        </div>
        <div ref={list} role="rowgroup" />
        <p ref={rest} class="orders3-rest" />
      </div>
    </>
  );
}
