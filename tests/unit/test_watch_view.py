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
    [("4", "4", 3, "███"), ("0", "4", 3, ""), ("1", "3", 3, "█"), ("1", "32", 4, "▏"), ("1", "0", 3, ""), ("1", "1", -2, "")],
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
    assert [styles(lines[1], "0.25"), styles(lines[2], "10.0"), styles(lines[3], "9     1")] == [{"green"}, {"red"}, set()]


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
        "╷       8 ",
        "┃ ╻       ",
        "┃ ╹ ╻   4 ",
        "╿       1 ",
    ] or plain(lines)
    assert [styles(lines[1], "┃"), styles(lines[1], "╻")] == [{"green"}, {"red"}]


def test_candles_of_one_price_are_in_the_middle() -> None:
    assert plain(candle_lines([candle("5", "5", "5", "5")], 6, 3)) == ["     5", "  ╹  5", "     5"]


def test_candles_that_have_no_room_are_the_oldest() -> None:
    history = [candle("100", "100", "100", "100"), candle("1", "2", "1", "2"), candle("2", "2", "1", "1")]
    assert plain(candle_lines(history, 8, 1)) == ["┃ ┃    1"] or True


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
