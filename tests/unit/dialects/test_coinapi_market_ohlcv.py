"""The CoinAPI dialect: candles of every period are right, made once for all clients, and read from the past once."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from coinapi_market import BTC_ID, KEYS, SOL, Server
from support import BTC, START_NS, order
from tickwire.dialects.candles import candle_at
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.times import iso_time, parse_iso_time
from tickwire.model.channel import CLOCK, StreamKey
from tickwire.model.records import ListInstrument, PlaceOrder
from tickwire.tape.candles import CandleStore

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


class CountingStore(CandleStore):
    """Notes what is read."""

    def __init__(self) -> None:
        super().__init__(None)
        self.reads: list[tuple[str, int]] = []

    def candles(self, symbol: str, interval: str, **more: Any) -> Any:
        found = super().candles(symbol, interval, **more)
        self.reads.append((interval, len(found)))
        return found


def counting() -> tuple[Server, CountingStore]:
    store = CountingStore()
    server = Server(history=store)
    return server, store


def trade(server: Server, price: int = 10_000, size: int = 1) -> None:
    server.do(order("buy", price, size), order("sell", price, size), ms=0)


def test_clients_with_different_periods_share_what_they_have_in_common() -> None:
    server = Server(SOL)
    clients = [server.open() for _ in range(50)]
    for number, client in enumerate(clients):
        left_out = list(PERIODS)[number % len(PERIODS)]
        client.hello(
            "ohlcv",
            period_id=[each for each in PERIODS if each != left_out],
            apikey=list(KEYS)[::2][number % 2],  # whatever else their keys see
        )
    assert len(server.hub._streams[StreamKey(CLOCK, "", interval_ms=1_000)].logs) == 2 * len(PERIODS)
    for client in clients:
        client.said()
    trade(server)
    server.until(START_NS + 5 * SECOND)
    pieces = [{piece for write in client.sink.writes for piece in write} for client in clients]
    assert len(set.union(*pieces)) == len(PERIODS)
    assert [len(each) for each in pieces] == [len(PERIODS) - 1] * 50
    assert len({id(piece) for each in pieces for piece in each}) == len(PERIODS)


def test_what_is_closed_is_read_once() -> None:
    server, store = counting()
    midnight = START_NS - START_NS % DAY + DAY
    for day in range(40):
        server.until(midnight + day * DAY + 3_600 * SECOND)
        trade(server)
    store.reads.clear()
    client = server.open()
    client.hello("ohlcv", period_id=["1MTH", "20MIN", "1HRS"])
    assert store.reads == [("1d", 23)]  # of December, before the 24th
    store.reads.clear()
    for second in range(1, 600):
        server.until(server.clock() + SECOND - server.clock() % SECOND)
        if not second % 10:
            trade(server)
    assert store.reads == [("5m", 1)]  # of the 20 minutes, five are over
    store.reads.clear()
    server.open().hello("ohlcv", period_id=["1MTH"])
    client.hello("trade")
    client.hello("ohlcv", period_id=["1MTH"])
    assert store.reads == []


def is_right(server: Server, m: Any) -> bool:
    """Whether a candle is what the market and its history come to."""
    start, end = (parse_iso_time(m[name], name) for name in ("time_period_start", "time_period_end"))
    assert PERIODS[m["period_id"]].period.after(start) == end
    candle = candle_at(server.market, server.history, BTC.symbol, start, end)
    assert candle is not None
    price, size = BTC.price.format, server.market.listing(BTC.symbol).instrument.size.format
    shown = tuple(m[f"price_{name}"] for name in ("open", "high", "low", "close"))
    return (*shown, m["volume_traded"], m["trades_count"], m["time_open"], m["time_close"]) == (
        *(price(each) for each in (candle.open, candle.high, candle.low, candle.close)),
        size(candle.volume),
        candle.trades,
        iso_time(candle.first_ts),
        iso_time(candle.last_ts),
    )


@pytest.mark.parametrize("seed", range(4))
def test_candles_of_every_period_are_right_and_their_sequence_never_falls(seed: int) -> None:
    """Over seconds, days, a new year and other steps of size; clients come and go."""
    random, server = Random(seed), Server()
    server.until(START_NS - START_NS % DAY + 45 * DAY)  # 29 December
    client, other = server.open(), server.open()
    client.hello("ohlcv")
    newest: dict[tuple[str, str], Any] = {}
    last, over = 0, 0
    for _ in range(150):
        if random.random() < 0.03:
            relisted = msgspec.structs.replace(BTC, lot_size=random.choice(("0.001", "0.002")))
            if relisted != server.market.listing(BTC.symbol).instrument:
                server.history.listed(relisted)
                server.do(ListInstrument(relisted))
                newest = {}
        if random.random() < 0.7:
            trade(server, 10_000 + random.randint(-50, 50), random.randint(1, 5))
        if random.random() < 0.2:
            other.hello("ohlcv", period_id=random.sample(list(PERIODS), 5))
            server.clock.advance(ms=200)
        if random.random() < 0.2:
            client.say("unsubscribe", "ohlcv", period_id=(few := random.sample(list(PERIODS), 5)))
            server.clock.advance(ms=200)
            said = client.say("subscribe", "ohlcv", period_id=few)
        else:
            said = []
        server.do(ms=random.choice((300, 1_000, 1_000, 4_000, 7_000, 60_000, 1_100_000, 9 * 3_600_000)))
        for m in said + client.said():
            assert m["sequence"] >= last
            last = m["sequence"]
            newest[m["period_id"], m["time_period_start"]] = m
        for key, m in list(newest.items()):
            if parse_iso_time(m["time_period_end"], "") <= server.market.now:
                assert is_right(server, newest.pop(key))
                over += 1
    assert over > 300


def test_a_snapshot_that_is_shared_does_not_go_back() -> None:
    server = Server()
    one, other = server.open(), server.open()
    trade(server)
    (first,) = one.hello("ohlcv", period_id=["1MIN"], symbol_id=[BTC_ID])
    server.do(PlaceOrder("a", BTC.symbol, "buy", 1, 1))
    trade(server)
    (second,) = other.hello("ohlcv", period_id=["2MIN"])
    (third,) = other.say("subscribe", "ohlcv", period_id=["1MIN"])  # made before the second
    assert (first["trades_count"], second["trades_count"], third["trades_count"]) == (1, 2, 1)
    assert first["sequence"] <= second["sequence"] <= third["sequence"]


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.dialects.coinapi.ohlcv.CLOSED_MAX", 2)
    server = Server()
    for _ in range(3):
        trade(server)
        server.do(ms=DAY // 1_000_000)
    client = server.open()
    for periods in (["1MTH"], ["1YRS"], ["2YRS"], ["5YRS"], ["1MTH", "1YRS"]):
        said = client.hello("ohlcv", period_id=periods)
        assert [(m["period_id"], m["trades_count"], is_right(server, m)) for m in said] == [
            (each, 3, True) for each in periods
        ]
    assert client.session._candles._closed.keys() == {(BTC.symbol, "1MTH"), (BTC.symbol, "1YRS")}
