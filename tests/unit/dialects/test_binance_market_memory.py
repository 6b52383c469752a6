"""What many streams say at once is looked up and made once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from binance_market import VenueWorld
from support import BTC, START_NS, order
from tickwire.dialects.binance.codecs import SPREAD_SECONDS
from tickwire.dialects.binance.memory import ANSWERS_MAX, Memory
from tickwire.dialects.binance.stats import window_ticker
from tickwire.dialects.candles import candle_at
from tickwire.model.events import Candle, Tick
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueTrade
from tickwire.tape.candles import CandleStore

MS = 1_000_000
SECOND_NS = 1_000 * MS
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MINUTE_BEGAN_NS = 1_699_999_980 * SECOND_NS
FORMS = [("/ws/", ""), ("/stream/", "streams="), ("/ws/", "timeUnit=MICROSECOND")]


class Asked(CandleStore):
    """A history that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked: list[tuple[str, str, int]] = []

    def candles(self, symbol: str, interval: str, *, start: int = 0, **rest: Any) -> list[Candle]:
        self.asked.append((symbol, interval, start))
        return super().candles(symbol, interval, start=start, **rest)


def bought(world: VenueWorld, price: int, **more: Any) -> None:
    world.do(order("sell", price, 1), order("buy", price, 1), **more)


def minute(symbol: str, start: int, price: int, length: int = 60 * SECOND_NS) -> Candle:
    return Candle(symbol, 1, start, length, start, price, price, price, price, 1, price, 1, True)


# ---- answers of the history ----------------------------------------------------------------------------


def test_a_question_is_asked_once_a_minute() -> None:
    world, history = VenueWorld(), Asked()
    memory = Memory(world.market, history)
    first, second = minute(BTC.symbol, START_NS, 5), minute(BTC.symbol, START_NS, 6)
    history.add([first])
    assert memory.candles(BTC.symbol, "1m", limit=1) == [first]
    memory.candles(BTC.symbol, "1m", limit=1).clear()  # whoever asks may change what it is given
    history.add([second])
    world.until(MINUTE_BEGAN_NS + 59_999 * MS)
    assert memory.candles(BTC.symbol, "1m", limit=1) == [first]
    assert len(history.asked) == 1
    world.do()
    assert memory.candles(BTC.symbol, "1m", limit=1) == [second]


def test_shorter_candles_close_within_a_minute() -> None:
    world, history = VenueWorld(), Asked()
    memory = Memory(world.market, history)
    assert memory.candles(BTC.symbol, "5s", limit=1) == []
    candle = minute(BTC.symbol, START_NS, 5, 5 * SECOND_NS)
    history.add([candle])
    assert memory.candles(BTC.symbol, "5s", limit=1) == [candle]


def test_of_an_instrument_in_other_steps_nothing_is_remembered() -> None:
    world, history = VenueWorld(), Asked()
    memory = Memory(world.market, history)
    history.add([minute(BTC.symbol, START_NS, 5)])
    memory.candles(BTC.symbol, "1m", limit=1)
    relisted = msgspec.structs.replace(BTC, tick_size="0.1")
    history.listed(relisted)
    world.do(ListInstrument(relisted))
    assert memory.candles(BTC.symbol, "1m", limit=1) == []


def test_answers_are_bounded() -> None:
    world, history = VenueWorld(), Asked()
    memory = Memory(world.market, history)
    for start in range(ANSWERS_MAX + 1):
        memory.candles(BTC.symbol, "1m", start=start, limit=1)
    memory.candles(BTC.symbol, "1m", start=ANSWERS_MAX, limit=1)
    assert len(history.asked) == ANSWERS_MAX + 1
    memory.candles(BTC.symbol, "1m", start=0, limit=1)
    assert len(history.asked) == ANSWERS_MAX + 2
    assert len(memory._answers) == 2


def test_things_are_made_once_a_tick() -> None:
    world = VenueWorld()
    memory, made = Memory(world.market, Asked()), []

    def make() -> int:
        made.append(1)
        return len(made)

    tick, other = Tick("", 5, START_NS), Tick("", 5, START_NS)  # two streams may have equal ones
    assert [memory.once(tick, "a", make) for _ in range(3)] == [1, 1, 1]
    assert [memory.once(tick, "b", make), memory.once(other, "a", make)] == [2, 3]


# ---- by the streams ------------------------------------------------------------------------------------


def test_klines_ask_nothing_while_nothing_closes() -> None:
    history = Asked()
    world = VenueWorld(history=history)
    bought(world, 10_000)
    world.until(START_NS + 3 * 3_600 * SECOND_NS)
    world.until(MINUTE_BEGAN_NS + 4 * 86_400 * SECOND_NS)
    clients = [world.open("/ws/btcusdt@kline_1w/btcusdt@kline_1M@+08:00", unit) for _, unit in FORMS[::2]]
    bought(world, 10_100)
    world.do(ms=2_000)
    history.asked.clear()
    bought(world, 10_200)
    world.do(ms=2_000)
    assert history.asked == []
    for client in clients:
        rows = [(m["k"]["i"], m["k"]["c"], m["k"]["n"]) for m in client.said()[-2:]]
        assert rows == [("1w", "102.00000000", 3), ("1M", "102.00000000", 3)]


def test_a_kline_is_made_once_for_all_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    world = VenueWorld()
    clients = [world.open("/ws/btcusdt@kline_1h/btcusdt@kline_1h@+08:00") for _ in range(2)]
    combined = world.open("/stream", "streams=btcusdt@kline_1h/btcusdt@kline_1h@+08:00/btcusdt@kline_1d")
    bought(world, 10_000)
    made: list[int] = []

    def counted(market: Any, history: Any, symbol: str, start: int, end: int) -> Candle | None:
        made.append((end - start) // (3_600 * SECOND_NS))
        return candle_at(market, history, symbol, start, end)

    monkeypatch.setattr("tickwire.dialects.binance.codecs.candle_at", counted)
    world.do(ms=2_000)
    assert made == [1, 24]
    raw = clients[0].said()
    assert raw == clients[1].said()
    assert raw[0] == raw[1]
    said = {message["stream"]: message["data"] for message in combined.said()}
    assert said["btcusdt@kline_1h"] == said["btcusdt@kline_1h@+08:00"] == raw[0]
    assert said["btcusdt@kline_1d"]["k"]["c"] == "100.00000000"


def test_an_array_is_made_once_for_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    world = VenueWorld()
    raw, combined = world.open("/ws/!ticker_1h@arr"), world.open("/stream", "streams=!ticker_1h@arr/!ticker_4h@arr")
    bought(world, 10_000)
    made: list[str] = []

    def counted(stats: Any, instrument: Instrument, window: str, unit: int) -> Any:
        made.append(window)
        return window_ticker(stats, instrument, window, unit)

    monkeypatch.setattr("tickwire.dialects.binance.streams.window_ticker", counted)
    world.do(ms=1_000)
    assert made == ["1h", "4h"]
    (rows,) = raw.said()
    hour, four = combined.said()
    assert (hour, four["stream"]) == ({"stream": "!ticker_1h@arr", "data": rows}, "!ticker_4h@arr")
    assert [(row["e"], row["c"]) for row in (*rows, *four["data"])] == [
        ("1hTicker", "100.00000000"),
        ("4hTicker", "100.00000000"),
    ]


def test_windows_that_move_on_with_the_minute_are_spread() -> None:
    world = VenueWorld()
    others = [
        Instrument(
            venue="V", base=f"C{n}", quote="USD", asset_class="crypto", tick_size="1", lot_size="1", kind="mirrored"
        )
        for n in range(SPREAD_SECONDS + 1)
    ]
    world.do(*map(ListInstrument, others))
    world.do(*[VenueTrade(each.symbol, "x", 5, 1, "buy", 0) for each in others])
    world.until(START_NS + 10 * SECOND_NS)
    client = world.open("/ws/!ticker_1h@arr")
    said = []
    for second in range(11, 60):
        world.until(START_NS + second * SECOND_NS)
        said += [(second, [row["s"] for row in rows]) for rows in client.said()]
    # the minute begins 40 s after the start; the first instrument is BTC, which was never traded
    assert said == [
        (40, ["C9USD"]),
        (41, ["C0USD", "C10USD"]),
        *[(40 + n, [f"C{n - 1}USD"]) for n in range(2, SPREAD_SECONDS)],
    ]


# ---- windows -------------------------------------------------------------------------------------------


def test_windows_of_hours_ask_the_history_nothing() -> None:
    history = Asked()
    world = VenueWorld(history=history)
    client = world.open("/ws/btcusdt@ticker_1h/btcusdt@ticker_4h/btcusdt@avgPrice")
    bought(world, 10_000)
    for n in range(1, 70):
        bought(world, 10_000 + n, ms=4 * MINUTE_MS)
    client.said()
    history.asked.clear()
    world.do(ms=1_000)
    assert history.asked == []
    said = {message["e"]: message for message in client.said()}
    # trades come at 20 s and a bit past each fourth minute: 69 x 4 minutes after the first
    hour, four = said["1hTicker"], said["4hTicker"]
    assert [hour[field] for field in "ohlcnFL"] == [
        "100.54000000", "100.69000000", "100.54000000", "100.69000000", 16, 55, 70,
    ]  # fmt: skip
    assert [four[field] for field in "ohlcnFL"] == [
        "100.09000000", "100.69000000", "100.09000000", "100.69000000", 61, 10, 70,
    ]  # fmt: skip
    assert said["avgPrice"]["w"] == "100.68500000"


def test_the_window_of_a_day_has_a_minute_more_than_the_day() -> None:
    """It begins on a minute, and is never shorter than a day."""
    world = VenueWorld()
    bought(world, 20_000)
    bought(world, 5_000)
    bought(world, 10_000, ms=MINUTE_MS)
    client = world.open("/ws/btcusdt@ticker_1d/btcusdt@ticker")
    world.do(ms=DAY_MS - MINUTE_MS)  # the first minute has left the 1,440 of the other
    world.do(ms=1_000)
    said = {message["e"]: message for message in client.said()}
    assert [said["1dTicker"][field] for field in "ohlcvnFL"] == [
        "200.00000000", "200.00000000", "50.00000000", "100.00000000", "0.00300000", 3, 1, 3,
    ]  # fmt: skip
    assert [said["24hrTicker"][field] for field in "ohlcvnFLx"] == [
        "100.00000000", "100.00000000", "100.00000000", "100.00000000", "0.00100000", 1, 3, 3, "50.00000000",
    ]  # fmt: skip
    world.do(ms=MINUTE_MS)
    world.do(ms=1_000)
    (last,) = [message for message in client.said() if message["e"] == "1dTicker"][-1:]
    assert [last[field] for field in "ohlcnFL"] == ["100.00000000"] * 4 + [1, 3, 3]
    world.do(ms=MINUTE_MS)
    world.do(ms=1_000)
    (last,) = [message for message in client.said() if message["e"] == "1dTicker"][-1:]
    assert [last[field] for field in "ohlcvnFL"] == ["0.00000000"] * 5 + [0, -1, -1]


# ---- what is lost --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "notice"),
    [
        ("btcusdt@kline_1s", None),
        ("btcusdt@kline_1M@+08:00", None),
        ("!miniTicker@arr", None),
        ("!ticker_4h@arr", None),
        ("btcusdt@ticker_1h", b""),
        ("btcusdt@avgPrice", b""),
        ("btcusdt@referencePrice", b""),
        ("btcusdt@trade", b""),
        ("btcusdt@depth", b""),
    ],
)
def test_who_would_not_see_a_loss_is_closed(name: str, notice: bytes | None) -> None:
    world = VenueWorld()
    wanted = world.streams.find([name], unit=MS, combined=False)[name]
    assert wanted.codec.dropped(wanted.key, 1, 2) == notice
