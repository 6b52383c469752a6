"""The CoinAPI dialect: keys, paths, what the vendor's clients need, and clients that lag."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from coinapi_market import BTC_ID, ETH, FX, GUID, INDEX, KEYS, SOL_ID, Server, beat, said, trade_both, two
from support import BTC, START_NS, order
from tickwire.dialects.base import Refused
from tickwire.dialects.coinapi.market_session import HELLOS_MAX
from tickwire.limits import LOGIN_SECONDS_MAX
from tickwire.model.records import ListInstrument, VenueBookSnapshot, VenueRate, VenueTrade
from tickwire.streams.log import Retention

SECOND = 1_000_000_000


# ---- keys ------------------------------------------------------------------------------------------------


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


WAYS: list[Any] = [
    {"x_coinapi_key": "K"},
    {"x_apibricks_key": "K"},
    {"query": "apikey=K"},
    {"query": "x=1&apikey=K"},
    {"path": "/v1/APIKEY-K"},
    {"path": "/APIKEY-K"},
    {"authorization": "K"},
    {"authorization": basic("coinapi:K")},
    {"apikey": "K"},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_key_may_come_in_many_ways(way: dict[str, str]) -> None:
    for key, expected in (("other", KEYS["other"]), ("wrong", None)):
        shown: dict[str, Any] = {
            name: basic(f"coinapi:{key}")
            if value.startswith("Basic")
            else value.replace("K", key)
            if name != "path"
            else value.removesuffix("K") + key
            for name, value in way.items()
        }
        apikey = shown.pop("apikey", None)
        server = Server(require_key=True)
        client = server.open(**shown)
        assert client.session.identity is None  # the upgrade says nothing about the key
        answers = client.hello("trade", apikey=apikey)
        if expected is None:
            assert client.error(answers) == ("Invalid API key", 4401)
        else:
            assert answers == []
            assert client.session.identity == expected
            assert client.session.ending is None


@pytest.mark.parametrize("authorization", [basic("someone:other"), basic("coinapi"), "Basic ***", "Digest x"])
def test_an_authorization_that_means_nothing_is_refused(authorization: str) -> None:
    client = Server().open(authorization=authorization)
    assert client.error(client.hello("trade")) == ("Invalid API key", 4401)


def test_a_key_is_looked_at_even_where_none_is_needed() -> None:
    client = Server().open()
    assert client.error(client.hello("trade", apikey="wrong")) == ("Invalid API key", 4401)


def test_without_a_key_where_one_is_needed() -> None:
    client = Server(require_key=True).open()
    assert client.error(client.hello("trade")) == ("Invalid API key", 4401)


def test_no_hello_in_time_where_a_key_is_needed() -> None:
    server = Server(require_key=True)
    client = server.open()
    for _ in range(LOGIN_SECONDS_MAX - 1):
        client.session.check()
    assert client.session.ending is None
    client.session.check()
    assert client.session.ending == (4401, f"no hello within {LOGIN_SECONDS_MAX} s")
    server.do()
    assert client.said() == [{"type": "error", "message": f"no hello within {LOGIN_SECONDS_MAX} s"}]
    client = server.open(x_coinapi_key="other")
    client.hello("trade")
    for _ in range(LOGIN_SECONDS_MAX):
        client.session.check()
    assert client.session.ending is None


TOKEN = KEYS["other"]._replace(key_id="k9")


@pytest.mark.parametrize(
    ("apikey", "token", "bearer", "expected"),
    [
        ("other", TOKEN, "a.b.c", "k3"),  # the key, and a token of our own, of the same account, on top
        (GUID, TOKEN, "a.b.c", None),  # of another account
        ("other", None, "a.b.c", None),  # the token does not hold
        ("other", None, "token.of.other", "k3"),  # signed by the key's owner
        ("other", None, f"token.of.{GUID}", None),
        ("", TOKEN, "a.b.c", "k9"),
        ("", None, "a.b.c", None),
        ("", None, "token.of.", None),
    ],
)
def test_a_token_on_top_of_a_key(apikey: str, token: Any, bearer: str, expected: str | None) -> None:
    client = Server().open(token=token, authorization=f"Bearer {bearer}", x_coinapi_key=apikey)
    answers = client.hello("trade")
    if expected is None:
        assert client.error(answers) == ("Invalid API key", 4401)
    else:
        assert client.session.identity is not None
        assert client.session.identity.key_id == expected


def test_too_many_wrong_keys() -> None:
    server = Server()
    server.flooded = True
    client = server.open()
    text, code = client.error(client.hello("trade", apikey=GUID))
    assert (text, code) == ("more than 30 failed logins a minute; slow down", 4101)


def test_a_key_that_is_revoked_ends_the_session() -> None:
    server = Server()
    client, other = server.open(), server.open()
    for each in (client, other):
        each.hello("trade", apikey=GUID)
    server.revoked.add("k1")
    client.session.check()
    assert client.session.ending == (4403, "Invalid API key: it was revoked")
    assert other.error(other.say("subscribe", "quote")) == ("Invalid API key: it was revoked", 4403)
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1))
    assert client.said() == [{"type": "error", "message": "Invalid API key: it was revoked"}]
    assert other.said() == []


def test_another_key_needs_a_hello() -> None:
    client = Server().open()
    client.hello("trade", apikey=GUID)
    assert client.say("subscribe", "quote", apikey=GUID) == []
    client.hello("trade", apikey="other")
    assert client.session.identity == KEYS["other"]
    assert client.error(client.say("subscribe", "quote", apikey=GUID)) == (
        "Parameter apikey: it is another than before; send a hello with it",
        4400,
    )


def test_a_key_sees_what_it_is_entitled_to() -> None:
    server = two()
    server.do(ListInstrument(ETH), VenueTrade(ETH.symbol, "1", 20_000, 150, "buy"))
    server.do(VenueBookSnapshot(ETH.symbol, [(31_000, 5)], [(31_010, 7)]))
    client = server.open()
    types = ("trade", "quote", "book", "ohlcv", "exrate", "symbol", "asset", "exchange")
    begun = client.hello(*types, apikey="narrow", asset_id=["ETH", "BTC", "ETH/USD"])
    assert [m["symbol_id"] for m in begun if m["type"] == "symbol"] == [BTC_ID]
    assert [m["exchange_id"] for m in begun if m["type"] == "exchange"] == ["SIM"]
    assert [m["asset_id"] for m in begun if m["type"] == "asset"] == ["BTC"]
    assert len(begun) == 3
    server.do(VenueTrade(ETH.symbol, "2", 20_000, 150, "buy"))
    trade_both(server)
    assert sorted(set(said(client))) == [("quote", BTC_ID), ("trade", BTC_ID)]


# ---- paths, flavours and headers -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/V1", "/APIKEY-other", "/v1/APIKEY-other", "/ds", "/ds/v1"])
def test_paths_of_market_data(path: str) -> None:
    assert Server().open(path).hello("trade") == []


def test_the_currencies_flavour() -> None:
    server = Server(FX)
    server.do(VenueRate(FX.symbol, 108_250))
    for path in ("/currencies", "/currencies/v1/APIKEY-other"):
        client = server.open(path)
        (rate,) = client.hello(asset_id=["EUR/USD"], heartbeat=False)
        assert (rate["type"], rate["rate"]) == ("exrate", "1.0825")
    client = server.open("/currencies")
    text = "Parameter subscribe_filter_asset_id is required for exrate"
    assert client.error(client.hello()) == (text, 4400)


def test_the_indexes_flavour() -> None:
    server = Server(INDEX)
    server.do(VenueRate(INDEX.symbol, 108_250))
    (value,) = server.open("/indexes/v1").hello()
    assert (value["type"], value["index_id"]) == ("index", "IDX_REFRATE_BTC_USD")


def test_whole_ids_only_on_ds() -> None:
    server = two()
    client = server.open("/ds")
    client.hello("trade", symbol_id=["SIM_SPOT_", "SOL-USDT"])
    trade_both(server)
    assert said(client) == [("trade", SOL_ID)]


@pytest.mark.parametrize("path", ["/nowhere", "/v2", "/v1/x", "/sec"])
def test_other_paths_are_refused(path: str) -> None:
    refused = Server().try_open(path)
    assert isinstance(refused, Refused)
    assert refused.status == 404
    assert "/coinapi/currencies" in refused.text


def test_headers_of_the_upgrade() -> None:
    client = Server().open()
    client.hello("trade")
    assert dict(client.session.headers) == {
        "X-WsRequestsPerIpLimit-Limit": "100",
        "X-WsRequestsPerIpLimit-Remaining": "98",
        "X-WsRequestsPerIpLimit-WindowSizeMs": "1000",
        "X-WsRequestsPerIpLimit-RetryAfterMs": "0",
        "X-WsHelloPerIpLimit-Limit": "100",
        "X-WsHelloPerIpLimit-Remaining": "99",
        "X-WsHelloPerIpLimit-WindowSizeMs": "10000",
        "X-WsHelloPerIpLimit-RetryAfterMs": "0",
        "X-ConcurrencyLimit-Limit": "1000",
        "X-ConcurrencyLimit-Remaining": "997",
    }
    for _ in range(HELLOS_MAX - 1):
        client.hello("trade")
    assert dict(client.session.headers)["X-WsHelloPerIpLimit-RetryAfterMs"] == "100"


# ---- the vendor's clients --------------------------------------------------------------------------------


def test_the_python_example() -> None:
    server = two()
    client = server.open()
    hello = (
        b'{"type": "hello", "apikey": "%s", "heartbeat": true, "subscribe_data_type": ["trade", "quote", "book20"]}'
        % GUID.encode()
    )
    assert {m["type"] for m in client.send(hello)} == {"book20"}  # there is no quote yet
    trade_both(server)
    server.do(order("buy", 9_000, 1))
    server.until(START_NS + SECOND)
    assert {kind for kind, _ in said(client)} == {"trade", "quote", "book20"}


def test_clients_that_send_null_for_what_is_not_set_and_0_for_limits() -> None:
    server = two()
    client = server.open()
    message = {
        "type": "hello",
        "apikey": GUID,
        "heartbeat": True,
        "subscribe_data_type": ["trade"],
        "subscribe_filter_symbol_id": None,
        "subscribe_filter_asset_id": None,
        "subscribe_filter_exchange_id": None,
        "subscribe_filter_period_id": None,
        "subscribe_update_limit_ms_quote": 0,
        "subscribe_update_limit_ms_book_snapshot": 0,
        "subscribe_update_limit_ms_exrate": 0,
        "something_new": {"a": 1},
    }
    assert client.send(json.dumps(message).encode()) == []
    trade_both(server)
    assert said(client) == [("trade", BTC_ID), ("trade", SOL_ID)]
    assert beat(client) == b""
    assert beat(client) == b'{"type":"hearbeat"}'  # within ten seconds: the C# client goes away after that


def test_clients_that_hold_a_sequence_in_32_bits_and_parse_times_strictly() -> None:
    server = two()
    server.market.listing(BTC.symbol).seq["book"] = 2**32 + 5
    client = server.open()
    (book,) = client.hello("book", symbol_id=[BTC_ID])
    server.do(order("buy", 10_000, 1))
    (update,) = client.said()
    assert (book["sequence"], update["sequence"]) == (5, 6)
    for message in (book, update):
        for name in ("time_exchange", "time_coinapi"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", message[name])


def test_a_client_that_writes_assets_small() -> None:
    server = Server(FX)
    server.do(VenueRate(FX.symbol, 108_250))
    (rate,) = server.open().hello("exrate", asset_id=["eur/usd"])
    assert (rate["asset_id_base"], rate["asset_id_quote"]) == ("EUR", "USD")


def test_a_client_with_its_key_in_a_header_repeats_its_hello() -> None:
    server = Server(require_key=True)
    for _ in range(2):
        client = server.open(x_coinapi_key=GUID)
        (book,) = client.hello("book", symbol_id=[f"{BTC_ID}$"])
        assert book["is_snapshot"]


# ---- clients that lag ------------------------------------------------------------------------------------


def test_a_full_socket_gets_the_newest_quote_and_every_trade() -> None:
    server = Server()
    client = server.open()
    client.hello("quote", "trade")
    client.sink.fill()
    for price in (1, 2, 3):
        server.do(order("buy", price, 1))
    server.do(order("sell", 3, 1), order("sell", 2, 1))
    assert client.said() == []
    server.hub.catch_up(client.sink)
    shown = client.said()
    assert [m["bid_price"] for m in shown if m["type"] == "quote"] == ["0.01"]
    assert [m["sequence"] for m in shown if m["type"] == "trade"] == [1, 2]
    assert len(shown) == 3


def test_a_full_socket_that_missed_too_much_of_a_book_gets_a_new_one() -> None:
    server = Server()
    server.hub._retention = Retention(bytes_max=1, bytes_per_stream_max=1)
    client = server.open()
    client.hello("book", "trade")
    client.sink.fill()
    for price in (1, 2, 3):
        server.do(order("buy", price, 1))
    server.do(order("sell", 3, 1))
    server.do(order("sell", 2, 1))
    server.hub.catch_up(client.sink)
    book, *more = client.said()
    assert (book["type"], book["is_snapshot"], book["sequence"]) == ("book", True, 5)
    assert book["bids"] == [{"price": "0.01", "size": "0.001"}]
    server.do(order("sell", 1, 1))
    assert [(m["type"], m["sequence"]) for m in more + client.said()] == [("trade", 3), ("book", 6)]
    assert not client.sink.closed


def test_a_client_that_can_not_be_told_of_a_candles_close_is_closed() -> None:
    for types, closed in ((("ohlcv",), True), (("exrate", "ticker", "volume", "symbol"), False)):
        server = Server()
        server.hub._retention = Retention(bytes_max=1, bytes_per_stream_max=1)
        client = server.open()
        client.hello(*types, asset_id=["BTC"])
        client.sink.fill()
        for second in (1, 2, 3):
            server.until(START_NS + second * SECOND, order("buy", 10_000, 1), order("sell", 10_000, 1))
        server.until(START_NS + 60 * SECOND)
        server.hub.catch_up(client.sink)
        assert client.sink.closed is closed


def test_everything_at_once_on_one_symbol() -> None:
    server = Server(FX)
    server.do(VenueRate(FX.symbol, 108_250))
    client = server.open()
    types = (
        "trade", "quote", "book", "book5", "book20", "book50", "book_l3", "ohlcv", "volume", "ticker", "exrate",
        "symbol", "asset", "exchange",
    )  # fmt: skip
    begun = client.hello(*types, asset_id=["BTC", "EUR/USD"], heartbeat=True)
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1), ms=60_000)
    assert {m["type"] for m in begun + client.said()} == set(types)
