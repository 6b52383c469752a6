"""The screen of `tickwire watch`, by its exact lines."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.text import Text

from tickwire.cli.watch_chart import candle_lines, candle_title
from tickwire.cli.watch_lines import boxed, compact, fitted, time_of_day
from tickwire.cli.watch_view import Level, View, bar_of, footer, header, ladder_lines, screen, tape_lines
from tickwire.protocol.messages import CandleData, StatusData, TickerData, TradeData

NOON_NS = 1_700_000_000_000_000_000 // 86_400_000_000_000 * 86_400_000_000_000 + 43_200_000_000_000


def levels(*rows: tuple[str, str]) -> list[Level]:
    return [(Decimal(price), Decimal(size)) for price, size in rows]


def trade(price: str, size: str, side: str | None = "buy", ms: int = 0) -> TradeData:
    return TradeData("1", price, size, side, NOON_NS + ms * 1_000_000, None, None)


def candle(open_: str, high: str, low: str, close: str, *, minute: int = 0) -> CandleData:
    return CandleData("1m", NOON_NS + minute * 60_000_000_000, open_, high, low, close, "12.5", "1250", 7, False)


BIDS = levels(("100.00", "1.5"), ("99.50", "0.5"), ("99.00", "2.0"))
ASKS = levels(("100.50", "1.0"), ("101.00", "3.0"))
LIVE = StatusData("open", "live", "")
TICKER = TickerData("100.5", "98.0", "101.0", "97.5", "1234567.8", "123456789.0", "2.5", "2.55", 4321)
VIEW = View(
    symbol="SIM:BTC-USDT",
    base="BTC",
    quote="USDT",
    url="ws://h:8000/ws",
    connected=True,
    status=LIVE,
    ticker=TICKER,
    last="100.5",
    direction=1,
    bids=BIDS,
    asks=ASKS,
    trades=(trade("100.5", "0.25"), trade("100.4", "10.00", "sell", ms=-1)),
    candles=(candle("99", "101", "98", "100"), candle("100", "100.5", "100", "100.5", minute=1)),
    latency_ns=1_250_000,
    messages_per_s=1234.4,
    book_seq=20_080,
)


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def styles(line: Text, word: str) -> set[str]:
    """The styles that a word of a line has."""
    at = line.plain.index(word)
    return {str(span.style) for span in line.spans if span.start <= at and at + len(word) <= span.end and span.style}


# ---- the book ------------------------------------------------------------------------------------


def test_ladder_has_asks_above_the_spread_above_bids() -> None:
    assert plain(ladder_lines(BIDS, ASKS, 40, 3)) == [
        " price  size  total                     ",
        "                                        ",
        "101.00   3.0    4.0  ███████████████████",
        "100.50   1.0    1.0  ████▊              ",
        "mid 100.25  spread 0.50 (49.88 bp)      ",
        "100.00   1.5    1.5  ███████▏           ",
        " 99.50   0.5    2.0  █████████▌         ",
        " 99.00   2.0    4.0  ███████████████████",
    ]


def test_ladder_shows_the_best_levels_only() -> None:
    assert plain(ladder_lines(BIDS, ASKS, 40, 1)) == [
        " price  size  total                     ",
        "100.50   1.0    1.0  ████████████▋      ",
        "mid 100.25  spread 0.50 (49.88 bp)      ",
        "100.00   1.5    1.5  ███████████████████",
    ]


@pytest.mark.parametrize(
    ("bids", "asks", "lines"),
    [
        ([], [], ["price  size  total            ", " " * 30, "the book is empty             ", " " * 30]),
        (
            BIDS,
            [],
            [" price  size  total           ", "no asks                       ", "100.00   1.5    1.5  █████████"],
        ),
        (
            [],
            ASKS,
            [" price  size  total           ", "100.50   1.0    1.0  █████████", "no bids                       "],
        ),
    ],
)
def test_ladder_without_a_side(bids: list[Level], asks: list[Level], lines: list[str]) -> None:
    assert [line for line in plain(ladder_lines(bids, asks, 30, 1)) if line.strip() or not bids + asks] == lines


def test_ladder_gives_up_total_then_bars_when_it_is_narrow() -> None:
    assert plain(ladder_lines(BIDS, ASKS, 22, 1)) == [
        " price  size          ",
        "100.50   1.0  █████▎  ",
        "mid 100.25  spread 0.…",
        "100.00   1.5  ████████",
    ]
    assert plain(ladder_lines(BIDS, ASKS, 10, 1)) == [" price  s…", "100.50   …", "mid 100.2…", "100.00   …"]


def test_ladder_writes_huge_and_tiny_numbers_out() -> None:
    lines = plain(ladder_lines(levels(("0.00000001", "1E+18")), levels(("123456789012.00000002", "0.00000002")), 60, 1))
    assert lines == [
        "                price                 size                  ",
        "123456789012.00000002           0.00000002                  ",
        "mid 61728394506.000000015  spread 123456789012.00000001 (20…",
        "           0.00000001  1000000000000000000  ████████████████",
    ]


def test_ladder_of_a_quote_of_unknown_size_has_no_bars() -> None:
    assert plain(ladder_lines(levels(("1.10", "0")), levels(("1.12", "0")), 30, 1)) == [
        "price  size  total            ",
        " 1.12     0      0            ",
        "mid 1.11  spread 0.02 (180.18…",
        " 1.10     0      0            ",
    ]


def test_ladder_colours_the_sides() -> None:
    _, ask, _, bid = ladder_lines(BIDS, ASKS, 40, 1)
    assert (styles(ask, "100.50"), styles(bid, "100.00")) == ({"red"}, {"green"})


@pytest.mark.parametrize(
    ("part", "whole", "width", "bar"),
    [
        ("4", "4", 3, "███"),
        ("0", "4", 3, ""),
        ("1", "3", 3, "█"),
        ("1", "32", 4, "▏"),
        ("1", "0", 3, ""),
        ("1", "1", -2, ""),
    ],
)
def test_bar(part: str, whole: str, width: int, bar: str) -> None:
    assert bar_of(Decimal(part), Decimal(whole), width) == bar


# ---- the trades ----------------------------------------------------------------------------------


def test_tape_is_coloured_by_the_taker_and_timed_to_the_millisecond() -> None:
    lines = tape_lines([trade("100.5", "0.25"), trade("9.5", "10.0", "sell", ms=-1), trade("9", "1", None)], 30, 5)
    assert plain(lines) == [
        "time          price  size     ",
        "12:00:00.000  100.5  0.25     ",
        "11:59:59.999    9.5  10.0     ",
        "12:00:00.000      9     1     ",
        "                              ",
    ]
    assert [styles(lines[1], "0.25"), styles(lines[2], "10.0"), styles(lines[3], "9     1")] == [
        {"green"},
        {"red"},
        set(),
    ]


def test_tape_shows_as_many_as_have_room() -> None:
    assert plain(tape_lines([trade("1", "1"), trade("2", "2")], 26, 2)) == [
        "time          price  size ",
        "12:00:00.000      1     1 ",
    ]
    assert plain(tape_lines([], 26, 2)) == ["time          price  size ", "no trade yet              "]


# ---- the candles ---------------------------------------------------------------------------------


def test_candles_have_bodies_and_wicks_of_half_a_row() -> None:
    lines = candle_lines([candle("2", "8", "1", "6"), candle("6", "6", "3", "3"), candle("3", "4", "3", "4")], 10, 4)
    assert plain(lines) == [
        "  │      8",
        "  ┃ ┃     ",
        "  ┃ ┃ ┃  4",
        "  ╿      1",
    ]
    first, second = (next(str(span.style) for span in lines[1].spans if span.start == column) for column in (2, 4))
    assert (first, second) == ("green", "red")
    assert styles(lines[2], "4") == {"bold green"}


def test_candles_show_halves_of_rows() -> None:
    assert plain(candle_lines([candle("1", "4", "1", "2"), candle("3", "4", "3", "4")], 6, 2)) == ["│ ┃  4", "┃    1"]
    assert plain(candle_lines([candle("1", "3", "1", "1"), candle("2", "4", "2", "4")], 6, 2)) == ["╷ ┃  4", "╽ ╹  1"]


def test_candles_of_one_price_are_in_the_middle() -> None:
    assert plain(candle_lines([candle("5", "5", "5", "5")], 6, 3)) == ["     5", "  ╹  5", "     5"]


def test_candles_that_have_no_room_are_the_oldest() -> None:
    history = [candle("100", "100", "100", "100"), candle("1", "2", "1", "2"), candle("2", "2", "1", "1")]
    assert plain(candle_lines(history, 8, 2)) == ["┃ ┃    2", "┃ ┃    1"]


def test_no_candles() -> None:
    assert plain(candle_lines([], 14, 2)) == ["no trade yet  ", "              "]
    assert plain(candle_lines([candle("1", "1", "1", "1")], 3, 1)) == ["no…"]
    assert candle_title([]) == []


def test_the_newest_candle_is_told_in_words() -> None:
    assert candle_title(VIEW.candles) == [
        ("  12:01:00  O 100  H 100.5  L 100  C ", ""),
        ("100.5", "green"),
        ("  V 12.5  7 trades", ""),
    ]


# ---- header and footer ---------------------------------------------------------------------------


def test_header() -> None:
    lines = header(VIEW, 100)
    assert plain(lines) == [
        " SIM:BTC-USDT   100.5 ▲  +2.5 (+2.55%)                                                       ● live ",
        " 24h  high 101.0  low 97.5  volume 1.234M BTC = 123.4M USDT  4,321 trades                           ",
    ]
    assert (styles(lines[0], "▲"), styles(lines[0], "+2.55%")) == ({"bold green"}, {"green"})


def test_header_of_a_fall() -> None:
    ticker = TickerData("9", "10", "10", "9", "1", "9", "-1", "-10.00", 1)
    line = header(replace(VIEW, ticker=ticker, last="9", direction=-1), 60)[0]
    assert line.plain == " SIM:BTC-USDT   9 ▼  -1 (-10.00%)                    ● live "
    assert (styles(line, "▼"), styles(line, "-10.00%")) == ({"bold red"}, {"red"})


def test_header_before_any_trade() -> None:
    assert plain(header(replace(VIEW, ticker=None, last="", direction=0, status=None), 40)) == [
        " SIM:BTC-USDT   -                   ... ",
        " no trade in the last 24 hours          ",
    ]


@pytest.mark.parametrize(
    ("change", "badge", "problem"),
    [
        ({}, "● live ", ""),
        ({"connected": False}, " DISCONNECTED ", "disconnected, trying again"),
        ({"book_problem": "a gap"}, " BOOK NOT CURRENT ", "a gap"),
        ({"status": StatusData("open", "stale", "silent")}, " STALE ", "the feed is stale: silent"),
        ({"status": StatusData("open", "down", "")}, " DOWN ", "the feed is down"),
        ({"status": StatusData("halted", "live", "")}, " HALTED ", ""),
    ],
)
def test_what_is_not_current_is_said_and_dim(change: dict[str, object], badge: str, problem: str) -> None:
    view = replace(VIEW, **change)  # type: ignore[arg-type]
    assert view.problem == problem
    lines = screen(view, width=120, depth=3)
    assert lines[0].plain.endswith(badge)
    assert (f"NOT CURRENT: {problem} " in lines[2].plain) == bool(problem)
    for word, line in (("101.00", lines[5]), ("12:00:00.000", lines[4]), ("┃", lines[14])):
        assert ("dim" in styles(line, f"{word} ")) == (bool(problem) or word == "12:00:00.000"), line


def test_footer_leaves_out_from_the_end_what_has_no_room() -> None:
    assert footer(VIEW, 110).plain == (
        " ws://h:8000/ws  connected  latency 1.2 ms  1,234 msg/s  book seq 20,080  gaps 0  reconnects 0  q quits       "
    )
    assert footer(VIEW, 60).plain == " ws://h:8000/ws  connected  latency 1.2 ms  1,234 msg/s     "
    assert footer(VIEW, 10).plain == " ws://h:8…"


def test_footer_without_measurements_and_with_losses() -> None:
    view = replace(
        VIEW, connected=False, quoted=True, latency_ns=None, messages_per_s=None, book_seq=None, gaps=2, reconnects=1
    )
    line = footer(view, 110)
    assert line.plain.rstrip() == (
        " ws://h:8000/ws  DISCONNECTED  latency -  - msg/s  quote seq -  gaps 2  reconnects 1  q quits"
    )
    assert styles(line, "gaps 2") == {"bold black on yellow"}


# ---- the whole screen ----------------------------------------------------------------------------


def test_screen() -> None:
    assert plain(screen(VIEW, width=80, depth=3)) == [
        " SIM:BTC-USDT   100.5 ▲  +2.5 (+2.55%)                                   ● live ",
        " 24h  high 101.0  low 97.5  volume 1.234M BTC = 123.4M USDT  4,321 trades       ",
        "╭─ Order book BTC/USDT ──────────────────╮╭─ Trades UTC ───────────────────────╮",
        "│  price  size  total                    ││ time          price   size         │",
        "│                                        ││ 12:00:00.000  100.5   0.25         │",
        "│ 101.00   3.0    4.0  █████████████████ ││ 11:59:59.999  100.4  10.00         │",
        "│ 100.50   1.0    1.0  ████▎             ││                                    │",
        "│ mid 100.25  spread 0.50 (49.88 bp)     ││                                    │",
        "│ 100.00   1.5    1.5  ██████▍           ││                                    │",
        "│  99.50   0.5    2.0  ████████▌         ││                                    │",
        "│  99.00   2.0    4.0  █████████████████ ││                                    │",
        "╰────────────────────────────────────────╯╰────────────────────────────────────╯",
        "╭─ Candles 1m  12:01:00  O 100  H 100.5  L 100  C 100.5  V 12.5  7 trades ─────╮",
        "│                                                                   │      101 │",
        "│                                                                   │ ┃  100.5 │",
        "│                                                                   ┃ ╹        │",
        "│                                                                   ┃          │",
        "│                                                                   ┃          │",
        "│                                                                   │          │",
        "│                                                                   │       98 │",
        "╰──────────────────────────────────────────────────────────────────────────────╯",
        " ws://h:8000/ws  connected  latency 1.2 ms  1,234 msg/s  book seq 20,080  gaps 0",
    ]


def test_a_low_and_narrow_screen_has_the_book_only() -> None:
    assert plain(screen(VIEW, width=40, height=12, depth=12)) == [
        " SIM:BTC-USDT   100.5 ▲  +2.5 (… ● live ",
        " 24h  high 101.0  low 97.5  volume 1.23…",
        "╭─ Order book BTC/USDT ────────────────╮",
        "│  price  size  total                  │",
        "│ 101.00   3.0    4.0  ███████████████ │",
        "│ 100.50   1.0    1.0  ███▊            │",
        "│ mid 100.25  spread 0.50 (49.88 bp)   │",
        "│ 100.00   1.5    1.5  █████▋          │",
        "│  99.50   0.5    2.0  ███████▌        │",
        "╰──────────────────────────────────────╯",
        "                                        ",
        " ws://h:8000/ws  connected              ",
    ]


@pytest.mark.parametrize("height", [8, 9, 16, 24, 25, 40, 80])
@pytest.mark.parametrize("width", [30, 75, 76, 120, 300])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_screen_fills_the_terminal_exactly(width: int, height: int, quoted: bool) -> None:
    lines = screen(replace(VIEW, quoted=quoted), width=width, height=height)
    assert [line.cell_len for line in lines] == [width] * height


def test_a_quote_is_shown_as_a_small_book() -> None:
    view = replace(VIEW, quoted=True, bids=BIDS[:1], asks=ASKS[:1])
    lines = plain(screen(view, width=60, depth=12))
    assert lines[2] == "╭─ Quote BTC/USDT ─────────────────────────────────────────╮"
    assert [line[:21] for line in lines[6:9]] == [
        "│ 100.50   1.0    1.0",
        "│ mid 100.25  spread ",
        "│ 100.00   1.5    1.5",
    ]


# ---- lines ---------------------------------------------------------------------------------------


def test_a_line_can_not_break_the_screen() -> None:
    assert fitted([("a\x1b[31m\nb", "red"), ("cdef", "")], 12).plain == "a?[31m?bcdef"
    assert fitted([("abcdef", "")], 4).plain == "abc…"
    assert fitted([("abc", "")], 0).plain == ""


def test_a_long_title_ends_in_an_ellipsis() -> None:
    assert plain(boxed([("a long title", "bold")], [fitted([], 8)], 12)) == [
        "╭─ a lon… ─╮",
        "│          │",
        "╰──────────╯",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("999.99", "999.99"),
        ("1000", "1.000k"),
        ("-12345.6", "-12.3k"),
        ("123456.7", "123.4k"),
        ("1234567", "1.234M"),
        ("12345678901", "12.34G"),
        ("1234567890123456789", "12345T"),
    ],
)
def test_compact_numbers(number: str, text: str) -> None:
    assert compact(number) == text


def test_time_of_day() -> None:
    assert time_of_day(1_700_000_000_123_999_999) == "22:13:20.123"
    assert time_of_day(0) == "00:00:00.000"
