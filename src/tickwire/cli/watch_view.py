"""The screen of `tickwire watch`: plain data in, lines of text out. No clock, no socket, no terminal.

    header   symbol, last price, 24 hours, state
    ladder   asks above, the spread, bids below        | trades, newest first
    candles  the one in progress and those before it
    footer   connection

Whatever makes the data not current is in `View.problem`; then everything between header and footer is dim, and
both the header and the book's title say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from rich.text import Text

from tickwire.cli.watch_chart import candle_lines, candle_title
from tickwire.cli.watch_lines import ALARM, DOWN, UP, WARN, Part, boxed, compact, filled, fitted, time_of_day
from tickwire.protocol.messages import CandleData, StatusData, TickerData, TradeData

Level: TypeAlias = tuple[Decimal, Decimal]
"""(price, size)"""

WIDTH_MIN = 30
TAPE_WIDTH = 38
"""Columns of the trades: a time, and a price and a size of up to ten characters."""
TAPE_BESIDE_MIN = 76
"""Narrowest screen that has the trades beside the book."""
CHART_ROWS = 9
"""Rows of the candles with their frame, where there is no more room."""
QUOTE_DEPTH = 3
"""Rows a side for an instrument that has no book, only its best bid and ask."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that is on the screen at one moment.

    Args:
        quoted: the instrument has no book; bids and asks are its quote.
        book_problem: why the levels can't be trusted, "" when they can; they are the last ones that were good.
        direction: of the last price against the different one before it: 1, -1, or 0 where unknown.
        trades: newest first.
        candles: oldest first; the last one is in progress.
        latency_ns: from the server's stamp to its arrival here, by both machines' clocks.
        book_seq: of the book, or the quote.
        gaps: how often messages were missing.
    """

    symbol: str
    base: str
    quote: str
    url: str
    connected: bool
    quoted: bool = False
    book_problem: str = ""
    status: StatusData | None = None
    ticker: TickerData | None = None
    last: str = ""
    direction: Literal[-1, 0, 1] = 0
    bids: Sequence[Level] = ()
    asks: Sequence[Level] = ()
    trades: Sequence[TradeData] = ()
    interval: str = "1m"
    candles: Sequence[CandleData] = ()
    latency_ns: int | None = None
    messages_per_s: float | None = None
    book_seq: int | None = None
    gaps: int = 0
    reconnects: int = 0

    @property
    def problem(self) -> str:
        """Why the screen may not show how things are now, "" when it does."""
        if not self.connected:
            return "disconnected, trying again"
        if self.book_problem:
            return self.book_problem
        if self.status is not None and self.status.feed != "live":
            return f"the feed is {self.status.feed}" + (f": {self.status.reason}" if self.status.reason else "")
        return ""


def screen(view: View, *, width: int, height: int | None = None, depth: int = 12) -> list[Text]:
    """The lines of the whole screen, each exactly `width` columns.

    Args:
        width: columns; fewer than `WIDTH_MIN` are taken as so many.
        height: rows to fill exactly; None takes what `depth` needs.
        depth: levels a side, fewer where `height` has no room for them.
    """
    width = max(width, WIDTH_MIN)
    head, foot = header(view, width), [footer(view, width)]
    depth = min(depth, QUOTE_DEPTH) if view.quoted else depth
    chart_height = CHART_ROWS
    if height is not None:
        free = height - len(head) - len(foot)
        if free - CHART_ROWS < 8:  # too low for both: the book is what matters
            chart_height = 0
        depth = max(1, min(depth, (free - chart_height - 4) // 2))
        chart_height = free - _ladder_height(depth) if chart_height else 0
    body = _book_and_tape(view, width, depth)
    if chart_height:
        title = [(f"Candles {view.interval}", "bold"), *candle_title(view.candles)]
        body += boxed(title, candle_lines(view.candles, width - 4, chart_height - 2), width, style=_style(view))
    room = len(body) if height is None else height - len(head) - len(foot)
    return [*head, *filled(body, width, room), *foot]


def _style(view: View) -> str:
    return "dim" if view.problem else ""


def _ladder_height(depth: int) -> int:
    return 2 * depth + 4


def _book_and_tape(view: View, width: int, depth: int) -> list[Text]:
    beside = width >= TAPE_BESIDE_MIN
    left = width - TAPE_WIDTH if beside else width
    title = [("Quote" if view.quoted else "Order book", "bold"), (f" {view.base}/{view.quote}", "")]
    if view.problem:
        title.append((f" NOT CURRENT: {view.problem} ", WARN))
    style = _style(view)
    lines = boxed(title, ladder_lines(view.bids, view.asks, left - 4, depth), left, style=style)
    if beside:
        trades = tape_lines(view.trades, TAPE_WIDTH - 4, len(lines) - 2)
        tape = boxed([("Trades", "bold"), (" UTC", "")], trades, TAPE_WIDTH, style=style)
        lines = [Text.assemble(book, trade) for book, trade in zip(lines, tape, strict=True)]
    return lines


# ---- header and footer ---------------------------------------------------------------------------


def header(view: View, width: int) -> list[Text]:
    """Two lines: the symbol with its last price, change and state; the last 24 hours."""
    state = _state(view)
    moved = {1: ("▲", UP), -1: ("▼", DOWN), 0: (" ", "")}[view.direction]
    parts = [(f" {view.symbol} ", "bold reverse"), (f"  {view.last or '-'} {moved[0]}", f"bold {moved[1]}".strip())]
    day: list[Part] = [(" no trade in the last 24 hours", "dim")]
    ticker = view.ticker
    if ticker is not None:
        falls = ticker.change.startswith("-")
        sign, style = ("", DOWN) if falls else ("+", UP)
        parts.append((f"  {sign}{ticker.change} ({sign}{ticker.change_pct}%)", style))
        day = [
            (" 24h  ", "dim"),
            (f"high {ticker.high}  low {ticker.low}  ", ""),
            (f"volume {compact(ticker.volume)} {view.base} = {compact(ticker.quote_volume)} {view.quote}  ", ""),
            (f"{ticker.trades:,} trades", ""),
        ]
    room = width - len(state[0])
    return [Text.assemble(fitted(parts, max(0, room)), fitted([state], min(width, len(state[0])))), fitted(day, width)]


def _state(view: View) -> Part:
    if not view.connected:
        return " DISCONNECTED ", ALARM
    if view.status is None:
        return " ... ", "dim"
    if view.status.instrument != "open":
        return f" {view.status.instrument.upper()} ", ALARM
    if view.status.feed != "live":
        return f" {view.status.feed.upper()} ", ALARM if view.status.feed == "down" else WARN
    if view.book_problem:
        return " BOOK NOT CURRENT ", WARN
    return " ● live ", UP


def footer(view: View, width: int) -> Text:
    """Where the data comes from and how it arrives; what has no room is left out from the end."""
    link = ("connected", UP) if view.connected else ("DISCONNECTED", ALARM)
    latency = "-" if view.latency_ns is None else f"{view.latency_ns / 1e6:.1f} ms"
    seq = "-" if view.book_seq is None else f"{view.book_seq:,}"
    parts: list[Part] = [
        (view.url, ""),
        link,
        (f"latency {latency}", ""),
        (f"{'-' if view.messages_per_s is None else f'{view.messages_per_s:,.0f}'} msg/s", ""),
        (f"{'quote' if view.quoted else 'book'} seq {seq}", ""),
        (f"gaps {view.gaps}", WARN if view.gaps else ""),
        (f"reconnects {view.reconnects}", WARN if view.reconnects else ""),
        ("q quits", "dim"),
    ]
    line: list[Part] = []
    used = 0
    for text, style in parts:
        separator = "  " if line else " "
        used += len(separator) + len(text)
        if used > width and line:
            break
        line += [(separator, ""), (text, style)]
    return fitted(line, width)


# ---- the book ------------------------------------------------------------------------------------


def ladder_lines(bids: Sequence[Level], asks: Sequence[Level], width: int, depth: int) -> list[Text]:
    """A heading, `depth` asks with the best one lowest, the spread, `depth` bids.

    Each row has price, size, what rests up to there, and that as a bar: the longest of both sides is full.
    """
    rows = [_with_totals(side[:depth]) for side in (asks, bids)]
    most = max((row[2] for side in rows for row in side), default=Decimal(0))
    texts = [[tuple(f"{number:f}" for number in row) for row in side] for side in rows]
    widths = [
        max(len(name), *(len(row[column]) for side in texts for row in side), 0)
        for column, name in enumerate(("price", "size", "total"))
    ]
    bar_width = width - sum(widths) - 6
    if bar_width < 4:  # no room for all: the numbers matter more than the bar, the size more than the total
        widths[2] = 0
        bar_width = width - sum(widths) - 4

    def line(row: Sequence[str], bar: str, styles: tuple[str, str]) -> Text:
        columns = [f"{text:>{wide}}  " for text, wide in zip(row, widths, strict=True) if wide]
        return fitted([(columns[0], styles[0]), ("".join(columns[1:]), styles[1]), (bar, styles[0])], width)

    def side_lines(index: int, style: str) -> list[Text]:
        lines = [
            line(text, bar_of(row[2], most, bar_width), (style, ""))
            for text, row in zip(texts[index], rows[index], strict=True)
        ]
        return filled(lines, width, depth)

    return [
        line(("price", "size", "total"), "", ("dim", "dim")),
        *reversed(side_lines(0, DOWN)),
        fitted([(_middle(bids, asks), "bold")], width),
        *side_lines(1, UP),
    ]


def _with_totals(levels: Sequence[Level]) -> list[tuple[Decimal, Decimal, Decimal]]:
    total = Decimal(0)
    rows = []
    for price, size in levels:
        total += size
        rows.append((price, size, total))
    return rows


def _middle(bids: Sequence[Level], asks: Sequence[Level]) -> str:
    if not bids or not asks:
        return "the book is empty" if not bids and not asks else "no bids" if not bids else "no asks"
    bid, ask = bids[0][0], asks[0][0]
    middle, spread = (bid + ask) / 2, ask - bid
    share = f" ({spread / middle * 10_000:.2f} bp)" if middle else ""
    return f"mid {middle:f}  spread {spread:f}{share}"


def bar_of(part: Decimal, whole: Decimal, width: int) -> str:
    """A bar for `part` of `whole`, `width` columns long when they are equal, to an eighth of a column."""
    if width <= 0 or not whole:
        return ""
    eighths = int(part * width * 8 / whole)
    return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()


# ---- the trades ----------------------------------------------------------------------------------


def tape_lines(trades: Sequence[TradeData], width: int, rows: int) -> list[Text]:
    """A heading and the newest trades, coloured by the taker's side."""
    shown = trades[: rows - 1]
    price = max(5, *(len(trade.price) for trade in shown), 0)
    size = max(4, *(len(trade.size) for trade in shown), 0)
    lines = [fitted([(f"{'time':<12}  {'price':>{price}}  {'size':>{size}}", "dim")], width)]
    for trade in shown:
        style = {"buy": UP, "sell": DOWN, None: ""}.get(trade.side, "")
        text = f"{trade.price:>{price}}  {trade.size:>{size}}"
        lines.append(fitted([(f"{time_of_day(trade.ts_event)}  ", "dim"), (text, style)], width))
    if not shown and rows > 1:
        lines.append(fitted([("no trade yet", "dim")], width))
    return filled(lines, width, rows)
