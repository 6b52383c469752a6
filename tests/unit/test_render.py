"""Every event as the exact JSON that a client is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tickwire.model.channel import StreamKey
from tickwire.model.events import (
    Balances,
    Book,
    Candle,
    Event,
    Fill,
    OpenOrders,
    OrderChange,
    Orders,
    OrderUpdate,
    Position,
    Positions,
    Quote,
    Rate,
    RecentFills,
    RecentTrades,
    Status,
    Ticker,
    Trade,
)
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.units import ASSET_DECIMALS, scale
from tickwire.protocol.messages import DATA_TYPES
from tickwire.protocol.render import Renderer, instrument_info, stream_state
from tickwire.protocol.render_account import average_price


def instrument(base: str, tick_size: str, lot_size: str) -> Instrument:
    return Instrument(
        venue="SIM", base=base, quote="USD", asset_class="fx", tick_size=tick_size, lot_size=lot_size, kind="matched",
        book="orders", feed="test",
    )  # fmt: skip


INSTRUMENTS = {
    i.symbol: i
    for i in (
        instrument("BTC", "0.01", "0.001"),
        instrument("ES", "0.25", "1"),
        instrument("EUR", "0.00001", "1000"),
        instrument("IDX", "5", "1"),
    )
}
BTC, ES, EUR, IDX = INSTRUMENTS
T = 1_700_000_000_000_000_000
RENDERER = Renderer(INSTRUMENTS.__getitem__)


def data(event: Event) -> str:
    return msgspec.json.encode(RENDERER.data(event)).decode()


def ticker(symbol: str, *, last: int, open_: int) -> Ticker:
    return Ticker(symbol, 1, T, last, open_, max(last, open_), min(last, open_), 1_000, 100_000, 3)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Trade(BTC, 1, T, "7", 9_700_001, 1_500, "buy", T - 5, "12", "9"),
            '{"id":"7","price":"97000.01","size":"1.500","side":"buy","ts_event":1699999999999999995,'
            '"buy_order_id":"12","sell_order_id":"9"}',
        ),
        (  # a venue that tells neither side nor orders nor time
            Trade(ES, 1, T, "x-1", 19_999, 2, "", 0, "", ""),
            '{"id":"x-1","price":"4999.75","size":"2","side":null,"ts_event":0,'
            '"buy_order_id":null,"sell_order_id":null}',
        ),
        (
            RecentTrades(
                EUR,
                2,
                T,
                [Trade(EUR, 1, T, "1", 108_001, 500, "sell", T, "", "3"), Trade(EUR, 2, T, "2", 9, 1, "", 0, "", "")],
            ),
            '{"trades":[{"id":"1","price":"1.08001","size":"500000","side":"sell","ts_event":1700000000000000000,'
            '"buy_order_id":null,"sell_order_id":"3"},'
            '{"id":"2","price":"0.00009","size":"1000","side":null,"ts_event":0,'
            '"buy_order_id":null,"sell_order_id":null}]}',
        ),
        (RecentTrades(BTC, 0, T, []), '{"trades":[]}'),
        (
            Book(BTC, 3, T, True, [(9_700_000, 1_500), (1, 1)], [(9_700_001, 20)], 4_294_967_295),
            '{"bids":[["97000.00","1.500"],["0.01","0.001"]],"asks":[["97000.01","0.020"]],"checksum":4294967295}',
        ),
        (  # size "0" deletes, whatever the decimals
            Book(BTC, 4, T, False, [(9_700_000, 0)], [(9_700_001, 0), (9_700_002, 7)], 0),
            '{"bids":[["97000.00","0"]],"asks":[["97000.01","0"],["97000.02","0.007"]],"checksum":0}',
        ),
        (Book(BTC, 5, T, True, [], [], 0), '{"bids":[],"asks":[],"checksum":0}'),
        (
            Orders(EUR, 3, T, [("12", 108_000, 5), ("a-b", 107_999, 1)], []),
            '{"bids":[["12","1.08000","5000"],["a-b","1.07999","1000"]],"asks":[]}',
        ),
        (
            OrderChange(BTC, 4, T, "add", "12", "buy", 100, 5, 0, ""),
            '{"action":"add","order_id":"12","side":"buy","price":"1.00","size":"0.005"}',
        ),
        (
            OrderChange(BTC, 5, T, "modify", "12", "buy", 100, 4, 0, ""),
            '{"action":"modify","order_id":"12","side":"buy","price":"1.00","size":"0.004"}',
        ),
        (
            OrderChange(BTC, 6, T, "fill", "12", "buy", 100, 3, 1, "77"),
            '{"action":"fill","order_id":"12","side":"buy","price":"1.00","size":"0.003","filled":"0.001",'
            '"trade_id":"77"}',
        ),
        (
            OrderChange(BTC, 7, T, "fill", "12", "buy", 100, 0, 3, "78"),
            '{"action":"fill","order_id":"12","side":"buy","price":"1.00","size":"0","filled":"0.003","trade_id":"78"}',
        ),
        (
            OrderChange(BTC, 8, T, "cancel", "13", "sell", 101, 0, 0, ""),
            '{"action":"cancel","order_id":"13","side":"sell","price":"1.01","size":"0"}',
        ),
        (
            Quote(ES, 1, T, 3, 10, 4, 2, T - 1),
            '{"bid":"0.75","bid_size":"10","ask":"1.00","ask_size":"2","ts_event":1699999999999999999}',
        ),
        (
            Quote(ES, 1, T, 3, 10, None, 0, 0),
            '{"bid":"0.75","bid_size":"10","ask":null,"ask_size":null,"ts_event":0}',
        ),
        (
            Quote(ES, 1, T, None, 0, 4, 0, 0),
            '{"bid":null,"bid_size":null,"ask":"1.00","ask_size":"0","ts_event":0}',
        ),
        (
            Quote(ES, 1, T, None, 0, None, 0, 0),
            '{"bid":null,"bid_size":null,"ask":null,"ask_size":null,"ts_event":0}',
        ),
        (
            Candle(
                BTC,
                9,
                T,
                60_000_000_000,
                1_699_999_980_000_000_000,
                100,
                110,
                90,
                105,
                1_234,
                123_456,
                7,
                True,
                234,
                456,
            ),
            '{"interval":"1m","start":1699999980000000000,"open":"1.00","high":"1.10","low":"0.90","close":"1.05",'
            '"volume":"1.234","quote_volume":"1.23456","trades":7,"closed":true,'
            '"buy_volume":"0.234","buy_quote_volume":"0.00456"}',
        ),
        (  # 0.25 x 1, and no decimals that the steps don't have
            Candle(ES, 9, T, 86_400_000_000_000, 0, 4, 4, 4, 4, 3, 12, 1, False),
            '{"interval":"1d","start":0,"open":"1.00","high":"1.00","low":"1.00","close":"1.00",'
            '"volume":"3","quote_volume":"3.00","trades":1,"closed":false,"buy_volume":"0","buy_quote_volume":"0.00"}',
        ),
        (
            Candle(IDX, 9, T, 1_000_000_000, T, 4, 4, 4, 4, 3, 12, 1, False),
            '{"interval":"1s","start":1700000000000000000,"open":"20","high":"20","low":"20","close":"20",'
            '"volume":"3","quote_volume":"60","trades":1,"closed":false,"buy_volume":"0","buy_quote_volume":"0"}',
        ),
        (
            Ticker(EUR, 9, T, 108_010, 108_000, 108_100, 107_900, 2_000, 216_000_000, 12),
            '{"last":"1.08010","open":"1.08000","high":"1.08100","low":"1.07900","volume":"2000000",'
            '"quote_volume":"2160000.00000","change":"0.00010","change_pct":"0.01","trades":12}',
        ),
        (
            Rate(EUR, 9, T, 1_080_005, 108_000, 108_001, T),
            '{"rate":"1.080005","bid":"1.08000","ask":"1.08001","ts_event":1700000000000000000}',
        ),
        (Rate(EUR, 9, T, 1_080_010, None, None, 0), '{"rate":"1.080010"}'),
        (Rate(IDX, 9, T, 13, None, None, 0), '{"rate":"6.5"}'),
        (Status(BTC, 1, T, "open", "live", ""), '{"instrument":"open","feed":"live","reason":""}'),
        (
            Status(BTC, 2, T, "halted", "stale", "the venue's book is crossed"),
            '{"instrument":"halted","feed":"stale","reason":"the venue\'s book is crossed"}',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else "",
)
def test_data(event: Event, expected: str) -> None:
    check_data(event, expected)


def check_data(event: Event, expected: str) -> None:
    """An event is shown as expected, and that is what the client's types read."""
    assert data(event) == expected
    kind = "snapshot" if isinstance(event, RecentTrades | Orders | OpenOrders | RecentFills) else "update"
    msgspec.json.decode(expected, type=DATA_TYPES[event.channel, kind])


@pytest.mark.parametrize(
    ("last", "open_", "change", "change_pct"),
    [
        (100, 100, "0.00", "0.00"),
        (101, 100, "0.01", "1.00"),
        (99, 100, "-0.01", "-1.00"),
        (4, 3, "0.01", "33.33"),
        (2, 3, "-0.01", "-33.33"),
        (5, 3, "0.02", "66.67"),
        (1, 3, "-0.02", "-66.67"),
        (200_025, 200_000, "0.25", "0.01"),  # 0.0125 %
        (200_010, 200_000, "0.10", "0.01"),  # 0.005 %, half away from zero
        (199_990, 200_000, "-0.10", "-0.01"),
        (200_009, 200_000, "0.09", "0.00"),
        (199_991, 200_000, "-0.09", "0.00"),  # no "-0.00"
        (1_000_000, 1, "9999.99", "99999900.00"),
        (0, 100, "-1.00", "-100.00"),
        (5, 0, "0.05", "0.00"),  # of nothing there is no percentage
        (-50, -100, "0.50", "50.00"),  # a rise, also below zero
        (-150, -100, "-0.50", "-50.00"),
    ],
)
def test_change(last: int, open_: int, change: str, change_pct: str) -> None:
    decoded = msgspec.json.decode(data(ticker(BTC, last=last, open_=open_)))
    assert (decoded["change"], decoded["change_pct"]) == (change, change_pct)


def test_an_instrument_that_is_listed_anew_is_printed_in_its_new_steps() -> None:
    listed = dict(INSTRUMENTS)
    renderer = Renderer(listed.__getitem__)
    quote = Quote(BTC, 1, T, 3, 10, 4, 2, 0)
    texts = []
    for step in ("0.01", "0.25", "0.01"):
        listed[BTC] = instrument("BTC", step, "1")
        texts.append(msgspec.to_builtins(renderer.data(quote))["bid"])
    assert texts == ["0.03", "0.75", "0.03"]


def message(key: StreamKey, event: Event | None, kind: Any) -> str:
    return msgspec.json.encode(RENDERER.message(key, event, kind=kind, seq=42, ts=T)).decode()


def test_a_message_names_its_stream_and_the_options_that_are_set() -> None:
    status = Status(BTC, 41, 0, "open", "live", "")
    assert message(StreamKey("status", BTC), status, "update") == (
        '{"channel":"status","symbol":"SIM:BTC-USD","type":"update","seq":42,"ts":1700000000000000000,'
        '"data":{"instrument":"open","feed":"live","reason":""}}'
    )
    book = Book(BTC, 41, 0, True, [], [], 0)
    assert message(StreamKey("book", BTC, 10, 100), book, "snapshot") == (
        '{"channel":"book","symbol":"SIM:BTC-USD","type":"snapshot","seq":42,"ts":1700000000000000000,'
        '"data":{"bids":[],"asks":[],"checksum":0},"depth":10,"interval_ms":100}'
    )
    assert message(StreamKey("candles", BTC, interval="1m"), None, "snapshot") == (
        '{"channel":"candles","symbol":"SIM:BTC-USD","type":"snapshot","seq":42,"ts":1700000000000000000,'
        '"data":null,"interval":"1m"}'
    )


def test_a_stream_in_replies_and_heartbeats() -> None:
    states = [stream_state(StreamKey("book", BTC, 10), 7), stream_state(StreamKey("candles", BTC, interval="1s"), 8)]
    assert msgspec.json.encode(states).decode() == (
        '[{"channel":"book","symbol":"SIM:BTC-USD","seq":7,"depth":10},'
        '{"channel":"candles","symbol":"SIM:BTC-USD","seq":8,"interval":"1s"}]'
    )


def test_an_instrument_in_the_list() -> None:
    info = instrument_info(INSTRUMENTS[EUR], Status(EUR, 1, T, "closed", "down", "not started"))
    assert msgspec.json.encode(info).decode() == (
        '{"symbol":"SIM:EUR-USD","venue":"SIM","base":"EUR","quote":"USD","asset_class":"fx","kind":"matched",'
        '"tick_size":"0.00001","lot_size":"1000",'
        '"channels":["trades","book","book_l3","quotes","candles","ticker","rates","status"],'
        '"status":{"instrument":"closed","feed":"down","reason":"not started"},'
        '"maker_fee":"0","taker_fee":"0","price_band":"","size_max":"","notional_min":"","notional_max":""}'
    )


# ---- accounts ------------------------------------------------------------------------------------

ONE = 10**ASSET_DECIMALS
PLAIN = Order(
    7, "", "alice", ES, "buy", "market", "ioc", None, 5, None, 0, False, False, 0, "cancel_newest", "s1", T, T,
    "canceled", 0, reason="not_filled",
)  # fmt: skip
PLAIN_JSON = (
    '{"order_id":"7","client_order_id":"","symbol":"SIM:ES-USD","side":"buy","type":"market","status":"canceled",'
    '"time_in_force":"ioc","price":null,"stop_price":null,"size":"5","remaining":"0","filled":"0",'
    '"average_price":null,"fee":"0","post_only":false,"reduce_only":false,"display_size":null,'
    '"self_trade_prevention":"cancel_newest","expires_at":null,"reason":"not_filled",'
    '"created":1700000000000000000,"updated":1700000000000000000}'
)
RICH = Order(
    2**60, "my id", "alice", BTC, "sell", "stop_limit", "gtd", 9_700_001, 1_500, 9_700_100, T + 9, True, True, 100,
    "decrement", "s1", T, T + 1, "open", 1_000, 500, 9_700_001 * 499 + 9_700_003, -ONE // 8, 0,
)  # fmt: skip
RICH_JSON = (
    '{"order_id":"1152921504606846976","client_order_id":"my id","symbol":"SIM:BTC-USD","side":"sell",'
    '"type":"stop_limit","status":"open","time_in_force":"gtd","price":"97000.01","stop_price":"97001.00",'
    '"size":"1.500","remaining":"1.000","filled":"0.500","average_price":"97000.01004","fee":"-0.125",'
    '"post_only":true,"reduce_only":true,"display_size":"0.100","self_trade_prevention":"decrement",'
    '"expires_at":1700000000000000009,"reason":"",'
    '"created":1700000000000000000,"updated":1700000000000000001}'
)
MAKER = Fill("alice", 5, T, BTC, "77", 12, "c", "sell", 9_700_001, 1_500, -1, "maker")
MAKER_JSON = (
    '{"symbol":"SIM:BTC-USD","trade_id":"77","order_id":"12","client_order_id":"c","side":"sell",'
    '"price":"97000.01","size":"1.500","fee":"-0.000000000000000001","fee_asset":"USD","liquidity":"maker",'
    '"seq":5,"ts":1700000000000000000}'
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (OrderUpdate("alice", 1, T, PLAIN), PLAIN_JSON),
        (OrderUpdate("alice", 1, T, RICH), RICH_JSON),
        (OpenOrders("alice", 1, T, [RICH, PLAIN]), f'{{"orders":[{RICH_JSON},{PLAIN_JSON}]}}'),
        (OpenOrders("alice", 1, T, []), '{"orders":[]}'),
        (MAKER, MAKER_JSON),
        (RecentFills("alice", 5, T, [MAKER]), f'{{"fills":[{MAKER_JSON}]}}'),
        (
            Balances("alice", 1, T, [("USD", 12 * ONE + ONE // 2, 0), ("BTC", 1, 10**30), ("EUR", -ONE // 10, 0)]),
            '{"balances":[{"asset":"USD","available":"12.5","held":"0"},'
            '{"asset":"BTC","available":"0.000000000000000001","held":"1000000000000"},'
            '{"asset":"EUR","available":"-0.1","held":"0"}]}',
        ),
        (  # long, short, flat without a price
            Positions(
                "alice",
                1,
                T,
                [
                    Position(BTC, 3, 1_000, -7, ONE // 4, 400),
                    Position(ES, -3, 12, 5, 0, 5),
                    Position(IDX, 0, 0, 2, -ONE, None),
                ],
            ),
            '{"positions":[{"symbol":"SIM:BTC-USD","size":"0.003","average_price":"3.333333","realised":"-0.00007",'
            '"unrealised":"0.00200","fees":"0.25","mark":"4.00"},'
            '{"symbol":"SIM:ES-USD","size":"-3","average_price":"1.00","realised":"1.25","unrealised":"-0.75",'
            '"fees":"0","mark":"1.25"},'
            '{"symbol":"SIM:IDX-USD","size":"0","average_price":null,"realised":"10","unrealised":null,'
            '"fees":"-1","mark":null}]}',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else "",
)
def test_data_of_an_account(event: Event, expected: str) -> None:
    check_data(event, expected)


@pytest.mark.parametrize(
    ("cost", "size", "step", "expected"),
    [
        (100, 1, "0.01", "1.00"),
        (200, 3, "0.01", "0.666667"),
        (100, 3, "0.01", "0.333333"),
        (201, 2, "0.01", "1.005"),
        (1, 20_000, "0.01", "0.000001"),  # half a step of the last decimal: up
        (1, 20_001, "0.01", "0.00"),
        (12, 5, "0.25", "0.60"),
        (7, 3, "5", "11.6667"),
        (6, 3, "5", "10"),
        (13, 2, "1", "6.5"),
        (10**30, 1, "1", "1" + "0" * 30),
    ],
)
def test_average_price(cost: int, size: int, step: str, expected: str) -> None:
    assert average_price(cost, size, scale(step)) == expected


def test_a_private_message_names_the_account() -> None:
    assert message(StreamKey("fills", "alice"), MAKER, "update") == (
        f'{{"channel":"fills","symbol":"alice","type":"update","seq":42,"ts":1700000000000000000,"data":{MAKER_JSON}}}'
    )
