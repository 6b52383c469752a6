/** The market list: live prices, 24-hour change and volume; only the rows in view are drawn and subscribed. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { InstrumentInfo, StatusData, TickerData } from "tickwire";
import { useDesk } from "../desk.ts";
import { atFrame, useSources } from "../frame.ts";
import { arrowOf, formatCompact, formatDecimal, formatPercent, tone } from "../logic/format.ts";
import { filterMarkets, moveBy, nextSort, type Sort, type SortKey, sortMarkets, windowOf } from "../logic/markets.ts";
import { withoutVenue } from "../logic/rows.ts";
import { trouble } from "../logic/status.ts";
import { TICKERS_MAX } from "../logic/tickers.ts";

const ROW_PX = 30;
const AROUND = 15; // rows before and after the visible ones that are subscribed along
const RESORT_MS = 2_000; // often enough to be right, rarely enough to be read

const COLUMNS: readonly { key: SortKey; name: string; title: string }[] = [
  { key: "symbol", name: "Market", title: "Sort by name" },
  { key: "last", name: "Last", title: "Sort by last price" },
  { key: "change", name: "24 h", title: "Sort by change over 24 hours" },
  { key: "volume", name: "Volume", title: "Sort by volume over 24 hours, in the quote currency" },
];

/** The market list. */
export function Markets() {
  const desk = useDesk();
  useSources(desk.source, desk.states.source);
  const [filter, setFilter] = useState("");
  // only as many as may be subscribed can be kept in the order of live figures
  const [sort, setSort] = useState<Sort>(() =>
    desk.instruments.length <= TICKERS_MAX ? { key: "volume", descending: true } : { key: "symbol", descending: false },
  );
  const [turn, setTurn] = useState(0);
  const [view, setView] = useState({ scrolled: 0, height: 600 });
  const [active, setActive] = useState<string | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const rows = useRef(new Map<string, HTMLElement>());

  const found = useMemo(() => filterMarkets(desk.instruments, filter), [desk.instruments, filter]);
  const list = useMemo(() => sortMarkets(found, sort, desk.tickers.get), [found, sort, turn, desk]);
  const count = list.length;
  const shown = windowOf(view.scrolled, view.height, ROW_PX, count, 2);
  const visible = list.slice(shown.from, shown.to);
  const venues = useMemo(() => new Set(desk.instruments.map((info) => info.venue)).size > 1, [desk.instruments]);

  // what is sorted by figures needs them of all rows, as far as they may be subscribed
  useEffect(() => {
    const around = windowOf(view.scrolled, view.height, ROW_PX, count, AROUND);
    const wished = sort.key !== "symbol" && count <= TICKERS_MAX ? list : list.slice(around.from, around.to);
    desk.tickers.want(
      grid,
      visible.map((info) => info.symbol),
      wished.map((info) => info.symbol),
    );
    desk.states.want(
      grid,
      visible.map((info) => info.symbol),
      list.slice(around.from, around.to).map((info) => info.symbol),
    );
  });
  useEffect(
    () => () => {
      desk.tickers.want(grid, []);
      desk.states.want(grid, []);
    },
    [desk],
  );

  useEffect(() => {
    if (sort.key === "symbol" || found.length > TICKERS_MAX) return undefined;
    const again = (): void => {
      if (grid.current?.matches(":hover") !== true) setTurn((before) => before + 1);
    };
    const soon = setTimeout(again, 400); // when the first figures have come
    const timer = setInterval(again, RESORT_MS);
    return () => {
      clearTimeout(soon);
      clearInterval(timer);
    };
  }, [sort, found]);

  // figures are written into the rows where they are, without rendering anything
  const draw = (): void => {
    for (const [symbol, row] of rows.current) write(row, desk.tickers.get(symbol));
  };
  useLayoutEffect(draw);
  useEffect(() => desk.tickers.source.watch(draw), [desk]);

  useEffect(() => {
    const element = grid.current;
    if (element === null) return undefined;
    const measure = (): void => setView({ scrolled: element.scrollTop, height: element.clientHeight });
    const scrolled = (): void => atFrame(measure);
    const observer = new ResizeObserver(scrolled);
    observer.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, []);

  useEffect(() => desk.command("filter", () => input.current?.select()), [desk]);

  const go = (index: number): void => {
    const element = grid.current;
    setActive(list[index]?.symbol ?? null);
    if (element === null) return;
    const [top, bottom] = [index * ROW_PX, (index + 1) * ROW_PX + ROW_PX]; // the header covers one row
    if (element.scrollTop > top) element.scrollTop = top;
    else if (element.scrollTop + element.clientHeight < bottom) element.scrollTop = bottom - element.clientHeight;
  };

  useEffect(() => {
    const step = (by: number) => (): void => {
      const next = list[list.findIndex((info) => info.symbol === desk.symbol) + by];
      if (next !== undefined) desk.select(next.symbol);
    };
    const ends = [desk.command("nextMarket", step(1)), desk.command("previousMarket", step(-1))];
    return () => {
      for (const end of ends) end();
    };
  }, [desk, list]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const at = list.findIndex((info) => info.symbol === (active ?? desk.symbol));
    const next = moveBy(event.key, at, count, Math.floor(view.height / ROW_PX) - 2);
    if (next !== null) go(next);
    else if (event.key === "Enter" || event.key === " ") desk.select(list[at]?.symbol ?? desk.symbol);
    else return;
    event.preventDefault();
  };

  const onFilterKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") {
      grid.current?.focus();
      go(0);
    } else if (event.key === "Enter") {
      const first = list[0];
      if (first !== undefined) desk.select(first.symbol);
    } else if (event.key === "Escape") {
      setFilter("");
      return; // the page leaves the field
    } else return;
    event.preventDefault();
  };

  return (
    <section aria-label="Markets" class="panel markets">
      <div class="panel-head">
        <h2>Markets</h2>
        <input
          ref={input}
          type="search"
          class="input"
          placeholder="Filter  /"
          aria-label="Filter the markets"
          value={filter}
          onInput={(event) => {
            setFilter(event.currentTarget.value);
            if (grid.current !== null) grid.current.scrollTop = 0;
          }}
          onKeyDown={onFilterKey}
        />
      </div>
      <div
        ref={grid}
        class="market-grid"
        role="grid"
        tabIndex={0}
        aria-label="Market list"
        aria-rowcount={count + 1}
        aria-activedescendant={active === null ? undefined : rowId(active)}
        onKeyDown={onKeyDown}
      >
        <div role="row" aria-rowindex={1} class="market-row market-head">
          {COLUMNS.map((column) => (
            <div
              key={column.key}
              role="columnheader"
              aria-sort={sort.key !== column.key ? "none" : sort.descending ? "descending" : "ascending"}
            >
              <button
                type="button"
                title={column.title}
                onClick={() => setSort(nextSort(sort, column.key))}
                onKeyDown={(event) => event.stopPropagation()}
              >
                {column.name}
                <span aria-hidden="true">{sort.key !== column.key ? "" : sort.descending ? " ↓" : " ↑"}</span>
              </button>
            </div>
          ))}
        </div>
        <div role="rowgroup" class="market-rows" style={{ height: `${count * ROW_PX}px` }}>
          {visible.map((info, index) => (
            <Row
              key={info.symbol}
              info={info}
              status={desk.states.get(info.symbol) ?? info.status}
              index={shown.from + index}
              venue={venues}
              selected={info.symbol === desk.symbol}
              active={info.symbol === active}
              select={() => {
                setActive(info.symbol);
                desk.select(info.symbol);
              }}
              register={(element) => {
                if (element === null) rows.current.delete(info.symbol);
                else rows.current.set(info.symbol, element);
              }}
            />
          ))}
        </div>
      </div>
      {count === 0 && <p class="empty">No market has “{filter}” in its name.</p>}
    </section>
  );
}

function rowId(symbol: string): string {
  return `market-${symbol}`;
}

interface RowProps {
  info: InstrumentInfo;
  status: StatusData;
  index: number;
  venue: boolean;
  selected: boolean;
  active: boolean;
  select: () => void;
  register: (element: HTMLElement | null) => void;
}

function Row({ info, status, index, venue, selected, active, select, register }: RowProps) {
  const wrong = trouble(status);
  return (
    <div
      ref={register}
      role="row"
      id={rowId(info.symbol)}
      class="market-row"
      data-symbol={info.symbol}
      data-feed={status.feed}
      data-active={active ? "" : undefined}
      aria-rowindex={index + 2}
      aria-selected={selected}
      title={info.symbol}
      style={{ transform: `translateY(${index * ROW_PX}px)` }}
      onClick={select}
    >
      <div role="gridcell" class="market-name">
        <span>{withoutVenue(info.symbol)}</span>
        {wrong !== null ? (
          <small class="trouble" title={status.reason}>
            ⚠ {wrong}
          </small>
        ) : (
          venue && <small class="faint">{info.venue}</small>
        )}
      </div>
      <div role="gridcell" class="num" data-field="last" />
      <div role="gridcell" class="num" data-field="change" />
      <div role="gridcell" class="num muted" data-field="volume" />
    </div>
  );
}

const written = new WeakMap<HTMLElement, TickerData | null>();

function write(row: HTMLElement, figures: TickerData | undefined): void {
  const before = written.get(row);
  if (before === (figures ?? null)) return;
  written.set(row, figures ?? null);
  const [, last, change, volume] = row.children as unknown as HTMLElement[];
  if (last === undefined || change === undefined || volume === undefined) return;
  if (figures === undefined) {
    last.textContent = change.textContent = volume.textContent = "–";
    return;
  }
  if (before?.last !== figures.last) last.textContent = formatDecimal(figures.last);
  if (before?.change_pct !== figures.change_pct) {
    change.textContent = `${arrowOf(figures.change_pct)} ${formatPercent(figures.change_pct)}`.trimStart();
    change.className = `num ${tone(figures.change_pct)}`;
  }
  if (before?.quote_volume !== figures.quote_volume) volume.textContent = formatCompact(figures.quote_volume);
}
