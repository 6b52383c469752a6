"""The CoinAPI dialect: scopes, update limits, heartbeats and errors."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinapi_market import BTC_ID, ETH, FX, GUID, SOL, SOL_ID, Server, beat, said, sol, trade_both, two
from support import START_NS, funded, order
from tickwire.dialects.coinapi.filters import Filter
from tickwire.dialects.coinapi.market_session import HELLOS_MAX
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.scope import EXRATES_MAX, NAMED_MAX, RULES_MAX
from tickwire.limits import IDLE_SECONDS_MAX, SUBSCRIPTIONS_MAX
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueBookSnapshot, VenueOrdersSnapshot, VenueRate, VenueTrade

SECOND = 1_000_000_000

# ---- scope ---------------------------------------------------------------------------------------------


def test_a_hello_replaces_a_subscribe_adds_an_unsubscribe_removes() -> None:
    server = two()
    client = server.open()
    client.hello("trade", symbol_id=[BTC_ID])
    trade_both(server)
    assert said(client) == [("trade", BTC_ID)]
    client.say("subscribe", "trade", symbol_id=[SOL_ID])
    trade_both(server)
    assert sorted(said(client)) == [("trade", BTC_ID), ("trade", SOL_ID)]
    client.say("unsubscribe", "trade", symbol_id=[BTC_ID])
    trade_both(server)
    assert said(client) == [("trade", SOL_ID)]
    client.hello("trade", symbol_id=[BTC_ID])
    trade_both(server)
    assert said(client) == [("trade", BTC_ID)]


def test_an_unsubscribe_may_take_a_part_of_a_subscription() -> None:
    server = two()
    client = server.open()
    client.hello("trade", "book")
    client.said()
    client.say("unsubscribe", "book")
    client.say("unsubscribe", "trade", asset_id=["BTC"])
    trade_both(server)
    assert said(client) == [("trade", SOL_ID)]


def test_an_unsubscribe_of_what_there_is_not_is_no_error() -> None:
    client = two().open()
    client.hello("trade")
    assert client.say("unsubscribe", "quote", symbol_id=["X"]) == []
    assert client.session.ending is None


def test_a_subscribe_begins_what_is_new_only_and_a_hello_everything() -> None:
    server = two()
    server.do(order("buy", 10_000, 1), sol("buy", 200, 10))
    client = server.open()
    assert [m["symbol_id"] for m in client.hello("book", symbol_id=[BTC_ID])] == [BTC_ID]
    assert [m["symbol_id"] for m in client.say("subscribe", "book")] == [SOL_ID]
    again = client.hello("book")
    assert [(m["symbol_id"], m["is_snapshot"]) for m in again] == [(BTC_ID, True), (SOL_ID, True)]
    server.do(order("buy", 9_000, 1))
    assert said(client) == [("book", BTC_ID)]  # once


def test_the_first_message_may_be_a_subscribe() -> None:
    server = two()
    client = server.open()
    assert client.say("subscribe", "trade", asset_id=["SOL"]) == []
    trade_both(server)
    assert said(client) == [("trade", SOL_ID)]


def test_periods_are_added_and_removed() -> None:
    server = two()
    client = server.open()
    client.hello("ohlcv", period_id=["1SEC"], asset_id=["BTC"])
    client.say("subscribe", "ohlcv", period_id=["5SEC"], asset_id=["BTC"])
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1))
    server.until(START_NS + 5 * SECOND)
    assert [m["period_id"] for m in client.said()] == ["1SEC", "5SEC"]
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1))
    client.say("unsubscribe", "ohlcv", period_id=["5SEC"])
    for second in (6, 10):
        server.until(START_NS + second * SECOND)
    assert [m["period_id"] for m in client.said()] == ["1SEC"]


def test_instruments_that_are_listed_later_join() -> None:
    server = Server()
    everything, part, other, none = (server.open() for _ in range(4))
    everything.hello("trade", "book", "asset")
    part.hello("trade")
    part.say("unsubscribe", "trade", asset_id=["SOL"])
    other.hello("trade", exchange_id=["KRAKEN"])
    for client in (everything, part, other):
        client.said()
    server.do(ListInstrument(SOL), *funded("a", "b", assets=["SOL"]))
    server.until(START_NS + SECOND)
    for client in (everything, part, other, none):
        client.session.check()
    trade_both(server)
    begun = everything.said()
    assert [m["asset_id"] for m in begun if m["type"] == "asset"] == ["SOL"]
    books = [m for m in begun if m["type"] == "book" and m["symbol_id"] == SOL_ID]
    assert [m["is_snapshot"] for m in books] == [True, False, False]
    assert [m["sequence"] for m in books] == [0, 1, 2]
    assert [m["symbol_id"] for m in begun if m["type"] == "trade"] == [BTC_ID, SOL_ID]
    assert said(part) == [("trade", BTC_ID)]
    assert said(other) == said(none) == []
    everything.session.check()
    trade_both(server)
    assert [m["type"] for m in everything.said()].count("trade") == 2


def test_an_instrument_that_is_listed_anew_as_something_else() -> None:
    server = Server(ETH)
    client = server.open()
    assert [m["type"] for m in client.hello("book_l3", "book20", symbol_id=["KRAKEN"])] == ["book20", "book_l3"]
    server.do(ListInstrument(msgspec.structs.replace(ETH, book="orders")))
    client.session.check()
    client.said()
    server.do(VenueOrdersSnapshot(ETH.symbol, [("x", 31_000, 5), ("y", 31_000, 5)], []))
    begun, orders = client.said()
    assert (begun["type"], begun["is_snapshot"], begun["bids"]) == ("book_l3", True, [])
    assert (orders["type"], len(orders["bids"])) == ("book_l3", 2)
    assert orders["bids"][0]["id"] != orders["bids"][1]["id"]
    server.do(ListInstrument(ETH))
    client.session.check()
    server.do(VenueBookSnapshot(ETH.symbol, [(31_000, 5), (30_000, 5)], []))
    levels = [m for m in client.said() if m["type"] == "book_l3"][-1]["bids"]
    assert levels == [{"price": "3100.0", "size": "0.05"}, {"price": "3000.0", "size": "0.05"}]


def test_an_instrument_that_is_listed_anew_may_have_more_to_say() -> None:
    server = Server(FX)
    client = server.open()
    assert client.hello("book5", symbol_id=["FXCM"]) == []  # it has no book
    server.do(ListInstrument(msgspec.structs.replace(FX, book="levels")))
    client.session.check()
    server.do(VenueBookSnapshot(FX.symbol, [(108_000, 5)], []))
    assert [(m["type"], m["bids"]) for m in client.said()] == [
        ("book5", []),
        ("book5", [{"price": "1.08000", "size": 5000}]),
    ]


def test_of_what_was_asked_and_given_up_the_last_counts() -> None:
    server = Server()
    client = server.open()
    client.hello("trade")
    client.say("unsubscribe", "trade", asset_id=["SOL"])
    client.say("subscribe", "trade")
    server.do(ListInstrument(SOL), *funded("a", "b", assets=["SOL"]))
    server.until(START_NS + SECOND)
    client.session.check()
    trade_both(server)
    assert said(client) == [("trade", BTC_ID), ("trade", SOL_ID)]


def test_clients_with_equal_needs_are_handed_the_same_bytes() -> None:
    server = two()
    one, other = server.open(), server.open()
    types = ("trade", "quote", "book", "book5", "book_l3", "ohlcv", "ticker")
    one.hello(*types)
    other.hello(*types, symbol_id=["SIM_"], apikey=GUID)
    for client in (one, other):
        client.said()
    trade_both(server)
    server.until(START_NS + 5 * SECOND)
    pieces = [[piece for write in client.sink.writes for piece in write] for client in (one, other)]
    assert len(pieces[0]) == 8 + 2 * (len(PERIODS) + 1)
    assert all(a is b for a, b in zip(*pieces, strict=True))


@pytest.mark.parametrize(("asked", "ms"), [(0, 0), (None, 0), (1, 100), (100, 100), (101, 250), (60_000, 60_000)])
def test_update_limits_of_quotes_are_rounded_up(asked: int | None, ms: int) -> None:
    server = Server()
    client = server.open()
    client.hello("quote", subscribe_update_limit_ms_quote=asked)
    for price in (1, 2, 3):
        server.do(order("buy", price, 1))
    quotes = client.said()
    if ms == 0:
        assert [m["bid_price"] for m in quotes] == ["0.01", "0.02", "0.03"]
        return
    assert quotes == []
    start = START_NS - START_NS % (ms * 1_000_000) + ms * 1_000_000
    server.until(start - 1_000_000)
    assert client.said() == []
    server.until(start)
    assert [m["bid_price"] for m in client.said()] == ["0.03"]


def test_a_subscribe_leaves_the_limits_that_it_does_not_give() -> None:
    server = Server()
    client = server.open()
    client.hello("quote", subscribe_update_limit_ms_quote=1_000)
    client.say("subscribe", "trade", subscribe_update_limit_ms_quote=0)
    server.do(order("buy", 1, 1))
    assert client.said() == []
    client.say("subscribe", "trade", subscribe_update_limit_ms_quote=100)
    server.do(order("buy", 2, 1), ms=100)
    assert [m["bid_price"] for m in client.said()] == ["0.02"]


def test_update_limits_of_books_and_exrates() -> None:
    server = Server(FX)
    server.do(VenueRate(FX.symbol, 108_250))
    client = server.open()
    limits = {"subscribe_update_limit_ms_book_snapshot": 1_500, "subscribe_update_limit_ms_exrate": 4_000}
    client.hello("book5", "book20", "exrate", asset_id=["EUR/USD", "BTC"], **limits)
    for second in range(1, 10):
        server.until(START_NS + second * SECOND, order("buy", second, 1))
    assert [(m["type"], m.get("sequence")) for m in client.said()] == [("book5", 5), ("book20", 5), ("exrate", None)]
    client.say("subscribe", "trade", subscribe_update_limit_ms_exrate=0)  # leaves it as it is
    for second in range(10, 15):
        server.until(START_NS + second * SECOND)
    assert [m["type"] for m in client.said()] == ["book5", "book20", "exrate"]


# ---- silence and the end ---------------------------------------------------------------------------------


def test_a_heartbeat_after_a_second_of_silence_if_asked_for() -> None:
    server = Server()
    client, quiet = server.open(), server.open()
    assert client.session.beat_ms == 1_000
    client.hello("trade", heartbeat=True)
    quiet.hello("trade", heartbeat=False)
    assert beat(client) == b'{"type":"hearbeat"}'
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1))
    assert beat(client) == b""
    assert beat(client) == b'{"type":"hearbeat"}'
    assert beat(quiet) == beat(quiet) == b""
    client.say("subscribe", "quote", heartbeat=None)  # says nothing about it
    assert beat(client) == b'{"type":"hearbeat"}'
    client.say("subscribe", "quote", heartbeat=False)
    assert beat(client) == b""


def test_a_reconnect_notice() -> None:
    server = Server()
    client = server.open()
    frame = client.session.drain(server.clock() + 9_100_000_000)
    assert json.loads(frame[2:]) == {
        "type": "reconnect",
        "within_seconds": 10,
        "before_time": "2023-11-14T22:13:29.1010000Z",
    }


def test_a_session_that_is_over_gives_everything_up() -> None:
    server = Server()
    client = server.open()
    client.hello("trade", "quote", "ohlcv", "asset")
    client.session.closed()
    client.session.closed()
    assert server.hub._streams == {}
    server.do(order("buy", 10_000, 1))
    assert client.said() == []


def test_who_never_asks_for_anything_is_closed() -> None:
    client = Server().open()
    for _ in range(IDLE_SECONDS_MAX - 1):
        client.session.check()
    assert client.session.ending is None
    client.session.check()
    assert client.session.ending == (4103, f"nothing asked for in {IDLE_SECONDS_MAX} s")


# ---- errors ----------------------------------------------------------------------------------------------

HELLO = {"type": "hello", "subscribe_data_type": ["trade"]}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"type": "hello"}, "Parameter subscribe_data_type is required."),
        (HELLO | {"subscribe_data_type": []}, "Parameter subscribe_data_type is required."),
        (HELLO | {"subscribe_data_type": None}, "Parameter subscribe_data_type is required."),
        ({"type": "unsubscribe"}, "Parameter type: the first message must be hello or subscribe"),
        (
            HELLO | {"type": "login"},
            "Parameter type: there is no type 'login'; there are hello, subscribe, unsubscribe",
        ),
        ({}, "Parameter type: Object missing required field `type`"),
        ([], "Parameter type: Expected `object`, got `array`"),
        (
            HELLO | {"subscribe_data_type": "trade"},
            "Parameter subscribe_data_type: Expected `array | null`, got `str`",
        ),
        (
            HELLO | {"subscribe_filter_symbol_id": ["A", 5]},
            "Parameter subscribe_filter_symbol_id: Expected `str`, got `int`",
        ),
        (
            HELLO | {"subscribe_data_type": ["trade", "trades"]},
            "Parameter subscribe_data_type: there is no data type 'trades'; there are trade, quote, book, book5, "
            "book20, book50, book_l3, ohlcv, volume, ticker, index, exrate, symbol, asset, exchange",
        ),
        (
            HELLO | {"subscribe_data_type": ["fillings"]},
            "Parameter subscribe_data_type: this server has no source of SEC filings, so there are no fillings",
        ),
        (HELLO | {"subscribe_data_type": ["exrate"]}, "Parameter subscribe_filter_asset_id is required for exrate"),
        (
            HELLO | {"subscribe_filter_asset_id": ["BTC/"]},
            "Parameter subscribe_filter_asset_id: 'BTC/' must be an asset, BTC, or a pair of them, BTC/USD",
        ),
        (
            HELLO | {"subscribe_update_limit_ms_quote": -1},
            "Parameter subscribe_update_limit_ms_quote: it must be from 0 to 60000 ms",
        ),
        (
            HELLO | {"subscribe_update_limit_ms_book_snapshot": 60_001},
            "Parameter subscribe_update_limit_ms_book_snapshot: it must be from 0 to 60000 ms",
        ),
        (
            HELLO | {"subscribe_update_limit_ms_exrate": "5"},
            "Parameter subscribe_update_limit_ms_exrate: Expected `int | null`, got `str`",
        ),
    ],
    ids=str,
)
def test_an_error_names_the_parameter_and_ends_the_connection(message: Any, text: str) -> None:
    server = Server()
    client = server.open()
    assert client.error(client.send(json.dumps(message).encode())) == (text, 4400)
    assert client.session.ending is not None
    reason = client.session.ending[1]
    assert text.startswith(reason)
    assert len(reason.encode()) <= 123
    assert client.hello("trade") == []  # there is nothing more to say


def test_a_period_that_there_is_not() -> None:
    client = Server().open()
    text, code = client.error(client.hello("ohlcv", period_id=["7SEC"]))
    assert code == 4400
    assert text.startswith("Parameter subscribe_filter_period_id: there is no period '7SEC'; there are 1SEC, 2SEC,")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"type":"\xff"}', b"[" * 2_000, b"nonsense"])
def test_what_is_not_json_is_an_error(data: bytes) -> None:
    client = Server().open()
    text, code = client.error(client.send(data))
    assert text.startswith(("the message is not JSON: ", "Parameter type: "))
    assert code == 4400


def test_an_error_ends_the_streams() -> None:
    server = Server()
    client = server.open()
    client.hello("trade")
    client.error(client.say("subscribe"))
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1))
    assert client.said() == []
    assert server.hub._streams == {}


TOO_MANY = (
    "Parameter subscribe_filter_symbol_id: a connection may have 1024 streams (each period of a symbol is one); name "
    "fewer"
)


def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bases of the instruments that filters are asked about from now on."""
    asked: list[str] = []
    matches = Filter.matches

    def asking(self: Filter, instrument: Instrument) -> bool:
        asked.append(instrument.base)
        return matches(self, instrument)

    monkeypatch.setattr(Filter, "matches", asking)
    return asked


def test_too_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    count = SUBSCRIPTIONS_MAX // len(PERIODS)
    rest = SUBSCRIPTIONS_MAX - count * len(PERIODS)
    server = Server(*(msgspec.structs.replace(SOL, base=f"A{number}") for number in range(3 * count)))
    everything = server.open()
    asked = looks(monkeypatch)
    assert everything.error(everything.hello("ohlcv")) == (TOO_MANY, 4400)
    assert len(asked) == count + 1  # and at no more than that
    client = server.open()
    client.hello("ohlcv", symbol_id=[f"SIM_SPOT_A{number}_USDT$" for number in range(count)])
    client.say("subscribe", "trade", symbol_id=[f"SIM_SPOT_A{number}_USDT$" for number in range(rest)])
    client.say("subscribe", "book", symbol_id=[SOL_ID])
    assert client.session.ending is None
    server.do(ListInstrument(SOL))
    server.until(START_NS + SECOND)
    client.session.check()  # the instrument that was listed is one too many
    assert client.session.ending is not None
    assert client.session.ending[0] == 4400
    server.do()
    assert client.said() == [{"type": "error", "message": TOO_MANY}]


def test_an_unsubscribe_looks_at_what_the_client_has(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(*(msgspec.structs.replace(ETH, base=f"A{number}") for number in range(50)))
    client = server.open()
    client.hello("trade", "ohlcv", symbol_id=["KRAKEN_SPOT_A1_", "KRAKEN_SPOT_A2_"])
    asked = looks(monkeypatch)
    client.say("unsubscribe", "trade", "ohlcv", "asset", "exrate", asset_id=["A1"])
    assert asked == ["A1", "A2"]
    server.do(*(VenueTrade(f"KRAKEN:A{number}-USD", "1", 5, 5) for number in (1, 2)))
    server.until(START_NS + SECOND)
    assert {m["symbol_id"] for m in client.said()} == {"KRAKEN_SPOT_A2_USD"}


def test_an_unsubscribe_of_assets_and_exchanges() -> None:
    server = Server(SOL, ETH)
    client = server.open()
    begun = client.hello("asset", "exchange")
    assert [m.get("asset_id") or m["exchange_id"] for m in begun] == [
        "SIM", "BTC", "USDT", "SOL", "KRAKEN", "ETH", "USD"
    ]  # fmt: skip
    client.say("unsubscribe", "asset", "exchange", exchange_id=["KRAKEN"])
    client.say("unsubscribe", "asset", asset_id=["USDT"])
    server.until(START_NS + 60 * SECOND)
    assert sorted(m.get("asset_id") or m["exchange_id"] for m in client.said()) == ["BTC", "SIM", "SOL"]


def test_what_begins_many_streams_counts_as_many_messages() -> None:
    server = Server(*(msgspec.structs.replace(SOL, base=f"A{number}") for number in range(6)))
    client = server.open()
    for _ in range(HELLOS_MAX // 4):  # 301 streams: one message, and three for the hundreds
        client.hello("ohlcv")
    assert client.session.ending is None
    text, code = client.error(client.hello("trade"))
    assert (text, code) == ("more than 100 messages in 10 s; slow down", 4101)


def test_too_many_different_requests() -> None:
    server = Server()
    client = server.open()
    for number in range(RULES_MAX):
        server.clock.advance(ms=1_000)
        assert client.say("subscribe", "trade", symbol_id=[f"X{number}"]) == []
    assert client.say("unsubscribe", "trade", symbol_id=["X0"]) == []  # the same again counts once
    text, code = client.error(client.say("subscribe", "trade", symbol_id=["Y"]))
    assert code == 4400
    assert text == (
        "Parameter type: a connection may have 100 different requests that name 4096 things and 256 exrates; send one "
        "hello"
    )


def test_filters_that_name_too_much() -> None:
    client = Server().open()
    names = [f"X{number}$" for number in range(NAMED_MAX)]
    assert client.hello("trade", symbol_id=names) == []
    assert client.error(client.say("subscribe", "quote", symbol_id=["Y$"]))[1] == 4400


def test_too_many_exrates() -> None:
    client = Server().open()
    pairs = [f"A{number}/B" for number in range(EXRATES_MAX)]
    assert client.hello("exrate", asset_id=pairs) == []
    assert client.hello("trade", asset_id=[*pairs, "A"]) == []
    assert client.hello("exrate", asset_id=pairs) == []
    assert client.error(client.say("subscribe", "exrate", asset_id=["A"]))[1] == 4400


def test_too_many_messages() -> None:
    client = Server().open()
    for _ in range(HELLOS_MAX):
        client.hello("trade")
    assert client.session.ending is None
    text, code = client.error(client.hello("trade"))
    assert (text, code) == ("more than 100 messages in 10 s; slow down", 4101)
    assert client.session.ending == (4101, "more than 100 messages in 10 s; slow down; retry_after=1")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_nothing_that_a_client_sends_makes_a_session_raise(data: st.DataObject) -> None:
    names = st.sampled_from(["SIM_", BTC_ID, "BTC", "BTC/USDT", "$", "", "1SEC", "é", "\U0001f600"]) | st.text(
        max_size=4
    )
    lists = st.none() | st.lists(names, max_size=3)
    fields = {
        "heartbeat": st.none() | st.booleans(),
        "apikey": st.none() | st.sampled_from(["", GUID, "wrong"]),
        "subscribe_data_type": lists | st.lists(st.sampled_from(["trade", "book", "ohlcv", "exrate", "asset"])),
        "subscribe_filter_symbol_id": lists,
        "subscribe_filter_asset_id": lists,
        "subscribe_filter_exchange_id": lists,
        "subscribe_filter_period_id": lists,
        "subscribe_update_limit_ms_quote": st.none() | st.integers(-1, 10**6),
    }
    server = Server()
    client = server.open()
    junk = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
    for _ in range(3):
        client.said()
        message: dict[str, Any] = {"type": data.draw(st.sampled_from(["hello", "subscribe", "unsubscribe", "x"]))}
        for name in data.draw(st.sets(st.sampled_from(list(fields)), max_size=4)):
            message[name] = data.draw(fields[name] if data.draw(st.integers(0, 9)) else junk)
        answers = client.send(json.dumps(message).encode())
        errors = [answer for answer in answers if answer["type"] == "error"]
        assert bool(errors) == (client.session.ending is not None)
        client.session.check()
        client.session.heartbeat()
        server.do(order("buy", 10_000, 1))
        if errors:
            assert answers == errors
            assert len(errors) == 1
            assert client.said() == []
            break
