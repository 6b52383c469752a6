"""Every payload of the venue's market streams, each field to its value, from a scripted market."""

from __future__ import annotations

from typing import Any

import pytest

from binance_market import VenueWorld
from support import BTC, START_NS, order
from tickwire.dialects.binance.intervals import INTERVALS
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueBookSnapshot, VenueBookUpdate, VenueQuote, VenueTrade

START = START_NS // 1_000_000
HOUR, DAY = 3_600_000, 86_400_000
EUR = Instrument(
    venue="FX",
    base="EUR",
    quote="USD",
    asset_class="fx",
    tick_size="0.0001",
    lot_size="1",
    kind="mirrored",
    book="none",
)
MIRROR = Instrument(
    venue="V", base="ETH", quote="USD", asset_class="crypto", tick_size="0.5", lot_size="0.1", kind="mirrored"
)


def asks_and_bids(world: VenueWorld) -> None:
    """At START + 2 ms: two orders at 101.00, so that a taker makes two trades at one price."""
    world.do(
        order("sell", 10_100, 2),
        order("sell", 10_100, 3),
        order("sell", 10_200, 7),
        order("buy", 10_000, 4),
        order("buy", 9_900, 6),
    )


def buy_eight(world: VenueWorld) -> None:
    """At START + 3 ms: one order takes 2 and 3 at 101.00 and 3 at 102.00."""
    world.do(order("buy", 10_200, 8))


def stream(*names: str, query: str = "") -> tuple[VenueWorld, Any]:
    """A world where eight were bought, with a client of these streams from before that."""
    world = VenueWorld()
    asks_and_bids(world)
    client = world.open("/ws/" + "/".join(names), query)
    buy_eight(world)
    return world, client


# ---- trades --------------------------------------------------------------------------------------------


def test_trade() -> None:
    world, client = stream("btcusdt@trade")
    first, second, third = client.said()
    assert first == {
        "e": "trade",
        "E": START + 3,
        "s": "BTCUSDT",
        "t": 1,
        "p": "101.00000000",
        "q": "0.00200000",
        "T": START + 3,
        "m": False,
        "M": True,
    }
    assert (second["t"], second["p"], second["q"]) == (2, "101.00000000", "0.00300000")
    assert (third["t"], third["p"], third["q"]) == (3, "102.00000000", "0.00300000")
    world.do(order("sell", 10_000, 1))
    (sold,) = client.said()
    assert (sold["t"], sold["p"], sold["q"], sold["m"]) == (4, "100.00000000", "0.00100000", True)


def test_agg_trade_is_what_one_order_took_at_one_price() -> None:
    world, client = stream("btcusdt@aggTrade")
    first, second = client.said()
    assert first == {
        "e": "aggTrade",
        "E": START + 3,
        "s": "BTCUSDT",
        "a": 1,
        "p": "101.00000000",
        "q": "0.00500000",
        "f": 1,
        "l": 2,
        "T": START + 3,
        "m": False,
        "M": True,
    }
    assert (second["a"], second["p"], second["q"], second["f"], second["l"]) == (3, "102.00000000", "0.00300000", 3, 3)
    world.do(order("sell", 10_000, 1), order("sell", 10_000, 2))  # two orders in one transaction
    assert [(m["a"], m["q"], m["f"], m["l"], m["m"]) for m in client.said()] == [
        (4, "0.00100000", 4, 4, True),
        (5, "0.00200000", 5, 5, True),
    ]


def test_trades_of_a_mirrored_venue_have_its_time_and_are_not_put_together() -> None:
    world = VenueWorld(MIRROR)
    client = world.open("/ws/ethusd@trade/ethusd@aggTrade")
    symbol, venue_ns = MIRROR.symbol, START_NS - 7_000_000
    world.do(
        VenueTrade(symbol, "x1", 5_001, 12, "sell", venue_ns),
        VenueTrade(symbol, "x2", 5_001, 3, None, 0),
    )
    one, two, first, second = client.said()
    assert (one["t"], one["p"], one["q"], one["m"]) == (1, "2500.50000000", "1.20000000", True)
    assert (one["E"], one["T"]) == (START + 2, START - 7)
    assert (two["t"], two["q"], two["T"], two["m"]) == (2, "0.30000000", START + 2, False)
    assert [(m["a"], m["q"], m["f"], m["l"]) for m in (first, second)] == [
        (1, "1.20000000", 1, 1),
        (2, "0.30000000", 2, 2),
    ]


# ---- the book ------------------------------------------------------------------------------------------


def test_depth_at_100_ms_is_the_change_of_a_window() -> None:
    world, client = stream("btcusdt@depth@100ms")
    world.do(order("buy", 10_050, 2))
    world.do(order("buy", 10_050, 1), order("sell", 10_300, 9), order("buy", 10_060, 1))
    assert client.said() == []
    world.do(ms=100)
    assert client.said() == [
        {
            "e": "depthUpdate",
            "E": START + 5,
            "s": "BTCUSDT",
            "U": 6,
            "u": 10,
            "b": [["100.60000000", "0.00100000"], ["100.50000000", "0.00300000"]],
            "a": [["101.00000000", "0.00000000"], ["102.00000000", "0.00400000"], ["103.00000000", "0.00900000"]],
        }
    ]


@pytest.mark.parametrize("name", ["btcusdt@depth", "btcusdt@depth@1000ms"])
def test_depth_at_a_second(name: str) -> None:
    world, client = stream(name)
    world.do(ms=900)
    assert client.said() == []
    world.do(ms=100)
    (update,) = client.said()
    assert (update["U"], update["u"], update["E"]) == (6, 6, START + 3)
    assert update["a"] == [["101.00000000", "0.00000000"], ["102.00000000", "0.00400000"]]


def test_of_a_replaced_book_the_numbers_are_missing() -> None:
    world = VenueWorld(MIRROR)
    symbol = MIRROR.symbol
    world.do(VenueBookSnapshot(symbol, [(100, 1)], [(102, 1)], 0))
    client = world.open("/ws/ethusd@depth@100ms")
    world.do(VenueBookUpdate(symbol, [(99, 5)], [], 0))
    world.do(VenueBookSnapshot(symbol, [(90, 1)], [(92, 1)], 0))
    world.do(VenueBookUpdate(symbol, [(89, 5)], [(92, 2)], 0))
    world.do(ms=100)
    (update,) = client.said()
    assert (update["U"], update["u"]) == (4, 4)
    assert (update["b"], update["a"]) == ([["44.50000000", "0.50000000"]], [["46.00000000", "0.20000000"]])
    world.do(VenueBookSnapshot(symbol, [(80, 1)], [(82, 1)], 0))
    world.do(ms=100)
    assert client.said() == []


@pytest.mark.parametrize("levels", [5, 10, 20])
@pytest.mark.parametrize(("speed", "ms"), [("", 1000), ("@1000ms", 1000), ("@100ms", 100)])
def test_partial_depth(levels: int, speed: str, ms: int) -> None:
    world = VenueWorld()
    world.do(*[order("buy", 10_000 - n, n + 1) for n in range(25)], order("sell", 10_100, 2))
    client = world.open(f"/ws/btcusdt@depth{levels}{speed}")
    bids = [[f"{99 if n else 100}.{(100 - n) % 100:02d}000000", f"0.{n + 1:03d}00000"] for n in range(levels)]
    assert client.first == [{"lastUpdateId": 26, "bids": bids, "asks": [["101.00000000", "0.00200000"]]}]
    world.do(order("sell", 10_099, 1))
    assert client.said() == []
    world.do(ms=ms)
    asks = [["100.99000000", "0.00100000"], ["101.00000000", "0.00200000"]]
    assert client.said() == [{"lastUpdateId": 27, "bids": bids, "asks": asks}]


def test_book_ticker() -> None:
    world, client = stream("btcusdt@bookTicker")
    before = {"u": 5, "s": "BTCUSDT", "b": "100.00000000", "B": "0.00400000", "a": "101.00000000", "A": "0.00500000"}
    assert client.first == [before]
    assert client.said() == [before | {"u": 6, "a": "102.00000000", "A": "0.00400000"}]
    world.do(order("buy", 10_200, 4))
    assert client.said() == [before | {"u": 7, "a": "0.00000000", "A": "0.00000000"}]


def test_book_ticker_without_a_book_counts_quotes() -> None:
    world = VenueWorld(EUR)
    client = world.open("/ws/eurusd@bookTicker")
    world.do(VenueQuote(EUR.symbol, 10_850, 1_000, 10_852, 2_000, 0))
    assert client.said() == [
        {"u": 1, "s": "EURUSD", "b": "1.08500000", "B": "1000.00000000", "a": "1.08520000", "A": "2000.00000000"}
    ]


# ---- tickers -------------------------------------------------------------------------------------------

MINI = {
    "e": "24hrMiniTicker",
    "E": START + 1003,
    "s": "BTCUSDT",
    "c": "102.00000000",
    "o": "101.00000000",
    "h": "102.00000000",
    "l": "101.00000000",
    "v": "0.00800000",
    "q": "0.81100000",
}
FULL = {
    "e": "24hrTicker",
    "E": START + 1003,
    "s": "BTCUSDT",
    "p": "1.00000000",
    "P": "0.990",
    "w": "101.37500000",
    "x": "0.00000000",
    "c": "102.00000000",
    "Q": "0.00300000",
    "b": "100.00000000",
    "B": "0.00400000",
    "a": "102.00000000",
    "A": "0.00400000",
    "o": "101.00000000",
    "h": "102.00000000",
    "l": "101.00000000",
    "v": "0.00800000",
    "q": "0.81100000",
    "O": 1_699_999_980_000 - DAY + 60_000,  # the minute in progress and 1,439 before it
    "C": START + 1003,
    "F": 1,
    "L": 3,
    "n": 3,
}
OF_THE_DAY_ALONE = ("x", "Q", "b", "B", "a", "A")


def window_ticker(window: str, start: int) -> dict[str, Any]:
    """The ticker of a window with the same trades in it."""
    common = {field: value for field, value in FULL.items() if field not in OF_THE_DAY_ALONE}
    return common | {"e": f"{window}Ticker", "O": start}


WINDOWS = {
    "1h": window_ticker("1h", 1_699_999_980_000 - HOUR),
    "4h": window_ticker("4h", 1_699_999_980_000 - 4 * HOUR),
    "1d": window_ticker("1d", 1_699_999_980_000 - DAY),
}


def said_in_a_second(name: str) -> tuple[VenueWorld, Any, Any]:
    world, client = stream(name)
    assert (client.first, client.said()) == ([], [])
    world.do(ms=1000)
    (payload,) = client.said()
    world.do(ms=1000)
    assert client.said() == []  # nothing has changed
    return world, client, payload


def test_mini_ticker() -> None:
    assert said_in_a_second("btcusdt@miniTicker")[2] == MINI


def test_ticker() -> None:
    world, client, payload = said_in_a_second("btcusdt@ticker")
    assert payload == FULL
    # a day and a minute later the first three are gone, and what came before is known
    world.do(order("sell", 10_000, 1), ms=DAY + 60_000)
    world.do(ms=1000)
    (payload,) = client.said()[-1:]
    assert (payload["x"], payload["c"], payload["Q"]) == ("102.00000000", "100.00000000", "0.00100000")
    assert (payload["F"], payload["L"], payload["n"]) == (4, 4, 1)
    assert (payload["p"], payload["P"], payload["w"]) == ("0.00000000", "0.000", "100.00000000")
    assert (payload["v"], payload["q"], payload["B"]) == ("0.00100000", "0.10000000", "0.00300000")
    world.do(order("sell", 10_000, 1), ms=60_000)
    world.do(ms=1000)
    assert [payload["x"] for payload in client.said()] == ["102.00000000"]


@pytest.mark.parametrize("window", WINDOWS)
def test_tickers_of_other_windows(window: str) -> None:
    assert said_in_a_second(f"btcusdt@ticker_{window}")[2] == WINDOWS[window]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("!miniTicker@arr", MINI),
        ("!ticker@arr", FULL),
        *[(f"!ticker_{window}@arr", row) for window, row in WINDOWS.items()],
    ],
)
def test_arrays_have_what_has_changed(name: str, row: dict[str, Any]) -> None:
    world = VenueWorld()
    world.do(ListInstrument(MIRROR), ms=0)
    asks_and_bids(world)
    client = world.open(f"/ws/{name}")
    buy_eight(world)
    world.do(ms=1000)
    assert client.said() == [[row]]
    world.do(VenueTrade(MIRROR.symbol, "x", 5_000, 1, "buy", 0), ms=500)
    world.do(ms=500)
    ((changed,),) = client.said()
    assert (changed["s"], changed["c"], changed["v"]) == ("ETHUSD", "2500.00000000", "0.10000000")
    world.do(ms=1000)
    assert client.said() == []


def test_a_percentage_falls_and_is_rounded_away_from_zero() -> None:
    world = VenueWorld()
    client = world.open("/ws/btcusdt@ticker")
    world.do(order("sell", 3_000, 1), order("buy", 3_000, 1))
    world.do(order("sell", 2_998, 2), order("buy", 2_998, 2))
    world.do(ms=1000)
    (payload,) = client.said()
    assert (payload["p"], payload["P"], payload["w"]) == ("-0.02000000", "-0.067", "29.98666667")


# ---- averages ------------------------------------------------------------------------------------------


def test_avg_price() -> None:
    world, client, payload = said_in_a_second("btcusdt@avgPrice")
    assert payload == {
        "e": "avgPrice",
        "E": START + 1003,
        "s": "BTCUSDT",
        "i": "5m",
        "w": "101.37500000",
        "T": START + 3,
    }
    world.do(ms=300_000)  # nothing was traded in the last five minutes: the last price
    (payload,) = client.said()
    assert (payload["w"], payload["T"]) == ("102.00000000", START + 3)


def test_reference_price() -> None:
    world, client = stream("btcusdt@referencePrice")
    assert client.first == [{"e": "referencePrice", "s": "BTCUSDT", "r": "100.50000000", "t": START + 2}]
    world.do(ms=1000)
    assert client.said() == [{"e": "referencePrice", "s": "BTCUSDT", "r": "102.00000000", "t": START + 1003}]
    empty = VenueWorld().open("/ws/btcusdt@referencePrice")
    assert [payload["r"] for payload in empty.first] == [None]


# ---- klines --------------------------------------------------------------------------------------------


def test_kline() -> None:
    world, client = stream("btcusdt@kline_1m")
    world.do(order("sell", 10_000, 1))
    world.until((START + 2000) * 1_000_000)
    minute = 1_699_999_980_000
    payload: dict[str, Any] = {
        "e": "kline",
        "E": START + 2000,
        "s": "BTCUSDT",
        "k": {
            "t": minute,
            "T": minute + 59_999,
            "s": "BTCUSDT",
            "i": "1m",
            "f": 1,
            "L": 4,
            "o": "101.00000000",
            "c": "100.00000000",
            "h": "102.00000000",
            "l": "100.00000000",
            "v": "0.00900000",
            "n": 4,
            "x": False,
            "q": "0.91100000",
            "V": "0.00800000",
            "Q": "0.81100000",
            "B": "0",
        },
    }
    assert client.said() == [payload]
    assert world.open("/ws/btcusdt@kline_1m").first == [payload]
    world.do(ms=2000)
    assert client.said() == []
    world.until((minute + 60_000) * 1_000_000)
    closed, opened = client.said()
    assert closed == payload | {"E": minute + 60_000, "k": payload["k"] | {"x": True}}
    flat: dict[str, Any] = dict.fromkeys(("o", "c", "h", "l"), "100.00000000") | dict.fromkeys(("v", "V"), "0.00000000")
    flat |= {"q": "0.00000000", "Q": "0.00000000", "f": -1, "L": -1, "n": 0, "x": False}
    k = payload["k"] | {"t": minute + 60_000, "T": minute + 119_999} | flat
    assert opened == payload | {"E": minute + 60_000, "k": k}


def test_klines_of_a_second_come_every_second_and_none_is_left_out() -> None:
    world, client = stream("btcusdt@kline_1s")
    world.until((START + 1000) * 1_000_000)
    world.until((START + 3200) * 1_000_000, order("sell", 10_000, 1))
    world.until((START + 4000) * 1_000_000)
    rows = [(m["k"]["t"] - START, m["k"]["c"], m["k"]["n"], m["k"]["x"]) for m in client.said()]
    assert rows == [
        (0, "102.00000000", 3, True),
        (1000, "102.00000000", 0, False),
        (1000, "102.00000000", 0, True),
        (2000, "102.00000000", 0, True),
        (3000, "100.00000000", 1, False),
        (3000, "100.00000000", 1, True),
        (4000, "100.00000000", 0, False),
    ]


def test_when_the_clock_leaps_the_newest_klines_are_said() -> None:
    world, client = stream("btcusdt@kline_1s")
    world.do(ms=1_000_000)
    starts = [m["k"]["t"] - START for m in client.said()]
    assert starts == list(range(990_000, 1_001_000, 1000))


STARTS = {
    "1s": (1_700_000_000_000, 1_700_000_000_000),
    "1m": (1_699_999_980_000, 1_699_999_980_000),
    "3m": (1_699_999_920_000, 1_699_999_920_000),
    "5m": (1_699_999_800_000, 1_699_999_800_000),
    "15m": (1_699_999_200_000, 1_699_999_200_000),
    "30m": (1_699_999_200_000, 1_699_999_200_000),
    "1h": (1_699_999_200_000, 1_699_999_200_000),
    "2h": (1_699_999_200_000, 1_699_999_200_000),
    "4h": (1_699_992_000_000, 1_699_992_000_000),
    "6h": (1_699_984_800_000, 1_699_999_200_000),
    "8h": (1_699_977_600_000, 1_699_977_600_000),
    "12h": (1_699_963_200_000, 1_699_977_600_000),
    "1d": (1_699_920_000_000, 1_699_977_600_000),
    "3d": (1_699_833_600_000, 1_699_804_800_000),
    "1w": (1_699_833_600_000, 1_699_804_800_000),
    "1M": (1_698_796_800_000, 1_698_768_000_000),
}


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval(interval: str) -> None:
    """At START it was 2023-11-14 22:13:20 UTC, a Tuesday."""
    world, _ = stream()
    firsts = world.open(f"/ws/btcusdt@kline_{interval}/btcusdt@kline_{interval}@+08:00").first
    got = [(m["k"]["t"], m["k"]["i"], m["k"]["v"]) for m in firsts]
    assert got == [(start, interval, "0.00800000") for start in STARTS[interval]]
    lengths = {m["k"]["T"] - m["k"]["t"] + 1 for m in firsts}
    assert lengths == {30 * DAY if interval == "1M" else INTERVALS[interval].length // 1_000_000}


# ---- forms ---------------------------------------------------------------------------------------------


def test_microseconds() -> None:
    world, client = stream("btcusdt@trade", query="timeUnit=MICROSECOND")
    assert (client.said()[0]["T"], START) == ((START + 3) * 1000, 1_700_000_000_000)
    kline = world.open("/ws/btcusdt@kline_1s", "timeUnit=microsecond").first[0]
    assert kline["E"] == (START + 3) * 1000
    assert (kline["k"]["t"], kline["k"]["T"]) == (START * 1000, START * 1000 + 999_999)
    ticker = world.open("/ws/btcusdt@ticker", "timeUnit=MICROSECOND").first[0]
    assert ticker["C"] == (START + 3) * 1000


def test_combined_streams_say_their_names() -> None:
    world = VenueWorld()
    asks_and_bids(world)
    client = world.open("/stream", "streams=btcusdt@trade/btcusdt@depth5@100ms")
    assert [message["stream"] for message in client.first] == ["btcusdt@depth5@100ms"]
    assert client.first[0]["data"]["lastUpdateId"] == 5
    buy_eight(world)
    assert [(m["stream"], m["data"]["t"]) for m in client.said()] == [("btcusdt@trade", n) for n in (1, 2, 3)]


def test_clients_of_one_stream_are_handed_the_same_bytes() -> None:
    world = VenueWorld()
    clients = [world.open("/ws/btcusdt@trade") for _ in range(2)]
    other = world.open("/stream", "streams=btcusdt@trade")
    asks_and_bids(world)
    buy_eight(world)
    same, again, wrapped = (client.sink.writes[-1][0] for client in (*clients, other))
    assert same is again
    assert same != wrapped


def test_a_name_is_the_matched_instruments_else_the_first_ones() -> None:
    world = VenueWorld(MIRROR)
    other = Instrument(
        venue="W", base="ETH", quote="USD", asset_class="crypto", tick_size="0.5", lot_size="0.1", kind="mirrored"
    )
    world.do(ListInstrument(other))
    assert world.names.table()["ETHUSD"].venue == "V"
    ours = Instrument(
        venue="SIM",
        base="ETH",
        quote="USD",
        asset_class="crypto",
        tick_size="0.5",
        lot_size="0.1",
        kind="matched",
        book="orders",
    )
    world.do(ListInstrument(ours), ListInstrument(BTC))
    assert [(name, i.venue) for name, i in world.names.table().items()] == [("ETHUSD", "SIM"), ("BTCUSDT", "SIM")]
