"""Market data over HTTP: every route, every field, every error, and what it costs."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ems_client import RestClient, Server, iso
from support import BTC, START_NS, order
from tickwire.dialects.base import HttpAnswer, HttpRequest
from tickwire.dialects.coinapi.ids import order_guid, trade_uuid
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.rest import ROUTES, Route
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument
from tickwire.model.records import FeedStatus, ListInstrument, VenueBookSnapshot, VenueQuote, VenueRate, VenueTrade

EUR = Instrument(
    venue="FXCM", base="EUR", quote="USD", asset_class="fx", tick_size="0.0001", lot_size="1", kind="mirrored",
    book="none",
)  # fmt: skip
IBM = Instrument(
    venue="NYSE", base="IBM", quote="USD", asset_class="equity", tick_size="0.01", lot_size="1", kind="mirrored",
)  # fmt: skip
SYMBOL = "SIM_SPOT_BTC_USDT"
MINUTE_NS, DAY_NS = CANDLE_INTERVALS_NS["1m"], CANDLE_INTERVALS_NS["1d"]
MINUTE = START_NS - START_NS % MINUTE_NS


@pytest.fixture
def client() -> RestClient:
    """Two sells at 101.00, a buy at 100.00, and a trade of 0.010 at 101.00 four milliseconds after the beginning."""
    server = Server()
    server.do(ListInstrument(EUR), ListInstrument(IBM), FeedStatus("test", "live"))
    server.do(order("sell", 10_100, 50), order("sell", 10_200, 7), order("buy", 10_000, 30))
    server.do(order("buy", 10_100, 10))
    return RestClient(server)


T = 4
NOW = iso(T)


def candle(
    symbol: str, interval: int, start: int, *, price: int = 10_000, size: int = 5, closed: bool = True
) -> Candle:
    """A candle of two trades, the second one tick higher."""
    return Candle(
        symbol, 1, start, interval, start, price, price + 3, price - 2, price + 1, size, size * price, 2, closed,
        first_ts=start + 1_000_000, last_ts=start + 2_000_000,
    )  # fmt: skip


def keep(client: RestClient, instrument: Instrument, interval: str, *starts: int) -> None:
    length, symbol = CANDLE_INTERVALS_NS[interval], instrument.symbol
    client.server.history.add(candle(symbol, length, start) for start in starts)


def error(client: RestClient, path: str, query: str = "") -> tuple[int, str]:
    status, answer = client.ask(path, query)
    assert list(answer) == ["error"]
    return status, answer["error"]


# ---- the table -----------------------------------------------------------------------------------


def test_every_route_there_is() -> None:
    data = [
        "/exchanges",
        "/exchanges/icons/{size}",
        "/exchanges/{exchange_id}",
        "/symbols",
        "/symbols/map/{exchange_id}",
        "/symbols/{exchange_id}",
        "/ohlcv/periods",
        "/ohlcv/exchanges/{exchange_id}/history",
        "/ohlcv/{symbol_id}/history",
        "/ohlcv/{symbol_id}/latest",
        "/trades/latest",
        "/trades/{symbol_id}/history",
        "/trades/{symbol_id}/latest",
        "/quotes/current",
        "/quotes/latest",
        "/quotes/{symbol_id}/current",
        "/quotes/{symbol_id}/latest",
        "/quotes/{symbol_id}/history",
        "/orderbooks/{symbol_id}/current",
        "/orderbooks/{symbol_id}/latest",
        "/orderbooks/{symbol_id}/history",
        "/orderbooks/{symbol_id}/depth/current",
        "/orderbooks3/current",
        "/orderbooks3/{symbol_id}/current",
        "/options/{exchange_id}/current",
        "/metrics/listing",
        "/metrics/exchange/listing",
        "/metrics/symbol/listing",
        "/metrics/asset/listing",
        "/metrics/{what}/current",
        "/metrics/{what}/history",
    ]
    rates = [
        "/assets",
        "/assets/icons/{size}",
        "/assets/{asset_id}",
        "/exchangerate/history/periods",
        "/exchangerate/{asset_id_base}",
        "/exchangerate/{asset_id_base}/{asset_id_quote}",
        "/exchangerate/{asset_id_base}/{asset_id_quote}/history",
    ]
    stock = [
        "/exchanges",
        "/symbols/{exchange_id}",
        "/ohlcv/periods",
        "/ohlcv/exchange-symbol/{exchange_id}/{symbol_id}/history",
        "/ohlcv/exchange-symbol/{exchange_id}/{symbol_id}/latest",
        "/ohlcv/exchange/{exchange_id}/history",
        "/native/iex/trade/{symbol}",
        "/native/iex/level1-quote/{symbol}",
        "/native/iex/level2-price-level-update/{symbol}",
        "/native/iex/level3-order-book/{symbol}",
        "/native/iex/admin/messages/{symbol}",
        "/native/iex/admin/system-event",
    ]
    ems = [
        "POST/orders",
        "POST/orders/cancel",
        "POST/orders/cancel/all",
        "GET/orders",
        "GET/orders/history",
        "GET/orders/status/{client_order_id}",
        "GET/balances",
        "GET/positions",
    ]
    wanted = [f"GET/v1{path}" for path in rates + data]
    wanted += [f"GET/currencies/v1{path}" for path in rates] + [f"GET/stock/v1{path}" for path in stock]
    wanted += [each.replace("/", "/ems/v1/", 1) for each in ems]
    assert sorted(f"{route.method}/{'/'.join(route.parts)}" for route in ROUTES) == sorted(wanted)


# ---- metadata ------------------------------------------------------------------------------------


def test_exchanges(client: RestClient) -> None:
    rows = client.get("/v1/exchanges")
    assert [(row["exchange_id"], row["data_symbols_count"]) for row in rows] == [
        ("SIM", "1"), ("FXCM", "1"), ("NYSE", "1")
    ]  # fmt: skip
    assert client.get("/v1/exchanges", "filter_exchange_id=sim;nyse") == [rows[0], rows[2]]
    assert client.get("/v1/exchanges/SIM") == [rows[0]]
    assert client.get("/v1/exchanges/icons/32") == []
    assert error(client, "/v1/exchanges/KRAKEN") == (550, "there is no exchange 'KRAKEN'")


def test_assets(client: RestClient) -> None:
    rows = client.get("/v1/assets")
    assert [row["asset_id"] for row in rows] == ["BTC", "USDT", "EUR", "USD", "IBM"]
    for names in ("eur,IBM", "IBM;EUR;ibm"):
        assert client.get("/v1/assets", f"filter_asset_id={names}") == [rows[2], rows[4]]
    assert client.get("/v1/assets/btc") == [rows[0]]
    assert client.get("/v1/assets/icons/32") == []
    assert error(client, "/v1/assets/DOGE") == (550, "there is no asset 'DOGE'")
    assert client.get("/currencies/v1/assets/EUR") == [rows[2]]


def test_symbols(client: RestClient) -> None:
    rows = client.get("/v1/symbols")
    assert [row["symbol_id"] for row in rows] == [SYMBOL, "FXCM_SPOT_EUR_USD", "NYSE_SPOT_IBM_USD"]
    assert client.get("/v1/symbols", "filter_symbol_id=_btc_") == [rows[0]]
    assert client.get("/v1/symbols", "filter_exchange_id=FXCM,NYSE") == rows[1:]
    assert client.get("/v1/symbols", "filter_asset_id=USD") == rows[1:]
    assert client.get("/v1/symbols", "filter_asset_id=USD&filter_exchange_id=NYSE") == [rows[2]]
    assert client.get("/v1/symbols/sim") == [rows[0]]
    assert error(client, "/v1/symbols/KRAKEN") == (550, "there is no exchange 'KRAKEN'")
    assert client.get("/v1/symbols/map/SIM") == [
        {
            "symbol_id": SYMBOL,
            "symbol_id_exchange": "BTC-USDT",
            "asset_id_base_exchange": "BTC",
            "asset_id_quote_exchange": "USDT",
            "asset_id_base": "BTC",
            "asset_id_quote": "USDT",
            "price_precision": "0.01",
            "size_precision": "0.001",
        }
    ]


def test_what_there_is_nothing_of(client: RestClient) -> None:
    assert client.get("/v1/options/SIM/current") == []
    assert error(client, "/v1/options/KRAKEN/current")[0] == 550
    for path in ("/listing", "/exchange/listing", "/symbol/listing", "/asset/listing"):
        assert client.get(f"/v1/metrics{path}") == []
    words = "no metrics are kept here; what was traded is in /v1/symbols and /v1/ohlcv"
    for what in ("exchange", "symbol", "asset"):
        assert error(client, f"/v1/metrics/{what}/current", "metric_id=x") == (550, words)
        assert error(client, f"/v1/metrics/{what}/history", "metric_id=x") == (550, words)


# ---- exchange rates ------------------------------------------------------------------------------


def test_a_rate(client: RestClient) -> None:
    row = {"time": NOW, "asset_id_base": "BTC", "asset_id_quote": "USDT", "rate": "101"}
    assert client.get("/v1/exchangerate/BTC/USDT") == row
    assert client.get("/v1/exchangerate/btc/usdt") == row
    assert client.get("/currencies/v1/exchangerate/BTC/USDT") == row
    inverse = {"time": NOW, "asset_id_base": "USDT", "asset_id_quote": "BTC", "rate": "0.0099009900990099"}
    assert client.get("/v1/exchangerate/USDT/BTC") == inverse
    assert error(client, "/v1/exchangerate/BTC/EUR") == (550, "no price leads from BTC to EUR")
    assert error(client, "/v1/exchangerate/DOGE/EUR") == (550, "no price leads from DOGE to EUR")


def test_all_rates_of_an_asset(client: RestClient) -> None:
    client.server.do(
        VenueRate(EUR.symbol, 12_500), VenueQuote(IBM.symbol, 9_990, 1, 10_010, 1), ms=0
    )  # EUR/USD 1.25, IBM/USD 100
    assert client.get("/v1/exchangerate/USD") == {
        "asset_id_base": "USD",
        "rates": [
            {"time": NOW, "asset_id_quote": "EUR", "rate": "0.8"},
            {"time": NOW, "asset_id_quote": "IBM", "rate": "0.01"},
        ],
    }
    inverted = client.get("/v1/exchangerate/USD", "invert=true&filter_asset_id=eur")
    assert inverted == {"asset_id_base": "USD", "rates": [{"time": NOW, "asset_id_quote": "EUR", "rate": "1.25"}]}
    assert client.get("/v1/exchangerate/EUR", "filter_asset_id=IBM")["rates"][0]["rate"] == "0.0125"
    assert error(client, "/v1/exchangerate/DOGE") == (550, "there is no asset 'DOGE'")
    assert error(client, "/v1/exchangerate/USD", "invert=maybe") == (400, "invert must be true or false")


def test_rates_of_the_past(client: RestClient) -> None:
    keep(client, BTC, "1m", MINUTE - 2 * MINUTE_NS)
    at = f"time={iso(0)}"
    close = {"time": "2023-11-14T22:11:00.0020000Z", "asset_id_base": "BTC", "asset_id_quote": "USDT", "rate": "100.01"}
    assert client.get("/v1/exchangerate/BTC/USDT", at) == close
    inverse = client.get("/v1/exchangerate/USDT/BTC", at)
    assert (inverse["time"], inverse["rate"]) == (close["time"], "0.00999900009999")
    assert client.get("/v1/exchangerate/BTC", at) == {
        "asset_id_base": "BTC",
        "rates": [{"time": close["time"], "asset_id_quote": "USDT", "rate": "100.01"}],
    }
    assert client.get("/v1/exchangerate/USDT", f"{at}&invert=true")["rates"][0]["rate"] == "100.01"
    latest = close | {"time": NOW, "rate": "101"}
    for time in ("time=2023-11-14T22:13:21Z", "time=2030-01-01"):
        assert client.get("/v1/exchangerate/BTC/USDT", time) == latest
    words = "nothing is known of BTC/USDT before 2023-11-14T00:00:00.0000000Z"
    assert error(client, "/v1/exchangerate/BTC/USDT", "time=2023-11-14") == (550, words)
    words = "no instrument trades BTC against EUR, so that the past of their rate is not known"
    assert error(client, "/v1/exchangerate/BTC/EUR", at) == (550, words)


def test_the_history_of_a_rate(client: RestClient) -> None:
    keep(client, BTC, "1d", 0, DAY_NS)
    row = {
        "time_period_start": "1970-01-01T00:00:00.0000000Z",
        "time_period_end": "1970-01-02T00:00:00.0000000Z",
        "time_open": "1970-01-01T00:00:00.0010000Z",
        "time_close": "1970-01-01T00:00:00.0020000Z",
        "rate_open": "100",
        "rate_high": "100.03",
        "rate_low": "99.98",
        "rate_close": "100.01",
    }
    path, query = "/v1/exchangerate/BTC/USDT/history", "period_id=1DAY&time_start=1970-01-01&limit=1"
    assert client.get(path, query) == [row]
    assert client.get(path, "period_id=1DAY&time_start=1970-01-02&time_end=1970-01-03")[0]["rate_high"] == "100.03"
    (inverse,) = client.get("/v1/exchangerate/USDT/BTC/history", query)
    assert inverse == row | {
        "rate_open": "0.01",
        "rate_high": "0.01000200040008",
        "rate_low": "0.00999700089973008",
        "rate_close": "0.00999900009999",
    }
    assert error(client, path, "period_id=1WEEK")[0] == 400
    assert error(client, "/v1/exchangerate/BTC/EUR/history", query)[0] == 550
    periods = client.get("/v1/exchangerate/history/periods")
    assert periods == client.get("/v1/ohlcv/periods") == client.get("/stock/v1/ohlcv/periods")


# ---- time series ---------------------------------------------------------------------------------


def test_periods(client: RestClient) -> None:
    rows = client.get("/v1/ohlcv/periods")
    assert [row["period_id"] for row in rows] == list(PERIODS)
    by_id = {row["period_id"]: row for row in rows}
    assert by_id["30MIN"] == {
        "period_id": "30MIN",
        "length_seconds": "1800",
        "length_months": "0",
        "unit_count": "30",
        "unit_name": "minute",
        "display_name": "30 Minutes",
    }
    assert by_id["2YRS"] | {"period_id": ""} == {
        "period_id": "",
        "length_seconds": "0",
        "length_months": "24",
        "unit_count": "2",
        "unit_name": "year",
        "display_name": "2 Years",
    }


OPEN = {
    "time_period_start": "2023-11-14T22:13:00.0000000Z",
    "time_period_end": "2023-11-14T22:14:00.0000000Z",
    "time_open": NOW,
    "time_close": NOW,
    "price_open": "101.00",
    "price_high": "101.00",
    "price_low": "101.00",
    "price_close": "101.00",
    "volume_traded": "0.010",
    "trades_count": "1",
}
CLOSED = {
    "time_period_start": "2023-11-14T22:11:00.0000000Z",
    "time_period_end": "2023-11-14T22:12:00.0000000Z",
    "time_open": "2023-11-14T22:11:00.0010000Z",
    "time_close": "2023-11-14T22:11:00.0020000Z",
    "price_open": "100.00",
    "price_high": "100.03",
    "price_low": "99.98",
    "price_close": "100.01",
    "volume_traded": "0.005",
    "trades_count": "2",
}
EMPTY = {
    "time_period_start": "2023-11-14T22:12:00.0000000Z",
    "time_period_end": "2023-11-14T22:13:00.0000000Z",
    "time_open": None,
    "time_close": None,
    "price_open": None,
    "price_high": None,
    "price_low": None,
    "price_close": None,
    "volume_traded": "0.000",
    "trades_count": "0",
}


def test_ohlcv(client: RestClient) -> None:
    keep(client, BTC, "1m", MINUTE - 2 * MINUTE_NS)
    history, latest = f"/v1/ohlcv/{SYMBOL}/history", f"/v1/ohlcv/{SYMBOL}/latest"
    query = "period_id=1MIN&time_start=2023-11-14T22:11:00"
    assert client.get(history, query) == [CLOSED, OPEN]
    assert client.get(history, f"{query}&time_end=2023-11-14T22:13:00Z") == [CLOSED]
    assert client.get(history, f"{query}&limit=1") == [CLOSED]
    assert client.get(history, "period_id=1min") == [CLOSED, OPEN]
    assert client.get(history, f"{query}&include_empty_items=true") == [CLOSED, EMPTY, OPEN]
    assert client.get(history, f"{query}&include_empty_items=true&limit=2") == [CLOSED, EMPTY]
    middle = "period_id=1MIN&time_start=2023-11-14T22:11:30&include_empty_items=true"
    assert client.get(history, middle) == [EMPTY, OPEN]
    assert client.get(history, "period_id=1MIN&include_empty_items=true") == [CLOSED, EMPTY, OPEN]
    assert client.get(history, "period_id=1MIN&date=2023-11-14") == [CLOSED, OPEN]
    assert client.get(latest, "period_id=1MIN") == [OPEN, CLOSED]
    assert client.get(latest, "period_id=1MIN&limit=1") == [OPEN]
    assert client.get(latest, "period_id=1MIN&include_empty_items=true&limit=3") == [OPEN, EMPTY, CLOSED]
    assert client.get("/v1/ohlcv/NYSE_SPOT_IBM_USD/history", "period_id=1MIN&include_empty_items=true") == []


def test_ohlcv_of_an_exchange(client: RestClient) -> None:
    path, query = "/v1/ohlcv/exchanges/SIM/history", "period_id=1MIN&time_start=2023-11-14&time_end=2023-11-15"
    names = {"symbol_id_exchange": "BTC-USDT", "symbol_id_coinapi": SYMBOL}
    assert client.get(path, query) == [names | OPEN]
    assert client.get("/v1/ohlcv/exchanges/NYSE/history", query) == []
    assert error(client, path, "period_id=1MIN&time_end=2023-11-15") == (400, "give date, or time_start")
    assert error(client, path, "period_id=1MIN&time_start=2023-11-14") == (400, "give time_end")
    words = "ask for a day at most, in periods of a day at most"
    assert error(client, path, query.replace("1MIN", "2DAY")) == (400, words)
    assert error(client, path, query.replace("1MIN", "1MTH")) == (400, words)
    assert error(client, path, query.replace("11-15", "11-16")) == (400, words)
    keep(client, BTC, "1s", *(MINUTE - 10**9 * second for second in range(2_100, 0, -1)))
    words = "that is more than 2000 items; ask for less time, longer periods or fewer symbols"
    assert error(client, path, query.replace("1MIN", "1SEC")) == (400, words)


# ---- trades --------------------------------------------------------------------------------------


def test_trades(client: RestClient) -> None:
    first = client.server.market.listing(BTC.symbol).recent[-1]
    client.server.do(order("sell", 10_000, 5))
    client.server.do(VenueTrade(IBM.symbol, "n-1", 9_900, 3, None, START_NS - 10**9), ms=2)
    second = client.server.market.listing(BTC.symbol).recent[-1]
    rows = [
        {
            "symbol_id": SYMBOL,
            "time_exchange": NOW,
            "time_coinapi": NOW,
            "uuid": trade_uuid(first),
            "price": "101.00",
            "size": "0.010",
            "taker_side": "BUY",
        },
        {
            "symbol_id": SYMBOL,
            "time_exchange": iso(T + 1),
            "time_coinapi": iso(T + 1),
            "uuid": trade_uuid(second),
            "price": "100.00",
            "size": "0.005",
            "taker_side": "SELL",
        },
    ]
    ids = [
        {"id_trade": "1", "id_order_maker": "1", "id_order_taker": "4"},
        {"id_trade": "2", "id_order_maker": "3", "id_order_taker": "5"},
    ]
    latest, history = f"/v1/trades/{SYMBOL}/latest", f"/v1/trades/{SYMBOL}/history"
    assert client.get(latest) == rows[::-1]
    assert client.get(latest, "limit=1") == rows[1:]
    assert client.get(latest, "include_id=true") == [rows[1] | ids[1], rows[0] | ids[0]]
    assert client.get(history, "date=2023-11-14") == rows
    assert client.get(history, "time_start=2023-11-14T22:13:20Z&limit=1") == rows[:1]
    assert client.get(history, f"time_start={iso(T + 1)}&include_id=true") == [rows[1] | ids[1]]
    assert client.get(history, f"time_start=2023-11-14&time_end={iso(T + 1)}") == rows[:1]
    assert client.get(history, "date=2023-11-13") == []
    assert error(client, history) == (400, "give date, or time_start")
    everything = client.get("/v1/trades/latest", "include_id=true")
    assert everything[1:] == [rows[1] | ids[1], rows[0] | ids[0]]
    assert everything[0] == {
        "symbol_id": "NYSE_SPOT_IBM_USD",
        "time_exchange": "2023-11-14T22:13:19.0000000Z",
        "time_coinapi": iso(T + 3),
        "uuid": everything[0]["uuid"],
        "price": "99.00",
        "size": "3",
        "taker_side": "UNKNOWN",
        "id_trade": "n-1",
    }
    assert [row["price"] for row in client.get("/v1/trades/latest", "limit=2")] == ["99.00", "100.00"]
    assert client.get("/v1/trades/latest", "filter_symbol_id=SIM_;NONE") == rows[::-1]


# ---- quotes --------------------------------------------------------------------------------------


def test_quotes(client: RestClient) -> None:
    last = client.server.market.listing(BTC.symbol).recent[-1]
    quote = {
        "symbol_id": SYMBOL,
        "time_exchange": NOW,
        "time_coinapi": NOW,
        "ask_price": "101.00",
        "ask_size": "0.040",
        "bid_price": "100.00",
        "bid_size": "0.030",
    }
    trade = {
        "time_exchange": NOW,
        "time_coinapi": NOW,
        "uuid": trade_uuid(last),
        "price": "101.00",
        "size": "0.010",
        "taker_side": "BUY",
    }
    assert client.get(f"/v1/quotes/{SYMBOL}/current") == quote | {"last_trade": trade}
    assert client.get(f"/v1/quotes/{SYMBOL}/latest") == [quote]
    assert client.get(f"/v1/quotes/{SYMBOL}/history", "date=2023-11-14") == [quote]
    assert client.get(f"/v1/quotes/{SYMBOL}/history", "date=2023-11-13") == []
    assert error(client, f"/v1/quotes/{SYMBOL}/history") == (400, "give date, or time_start")
    assert client.get("/v1/quotes/current") == [quote | {"last_trade": trade}]
    ibm, message = "NYSE_SPOT_IBM_USD", "NYSE_SPOT_IBM_USD has no quote yet"
    assert error(client, f"/v1/quotes/{ibm}/current") == (550, message)
    assert client.get(f"/v1/quotes/{ibm}/latest") == client.get(f"/v1/quotes/{ibm}/history", "date=1970-01-01") == []
    client.server.do(VenueQuote(EUR.symbol, 10_000, 0, 10_002, 0))
    rows = client.get("/v1/quotes/latest")
    assert [row["symbol_id"] for row in rows] == ["FXCM_SPOT_EUR_USD", SYMBOL]
    assert rows[0]["bid_price"] == "1.0000"
    assert client.get("/v1/quotes/latest", "limit=1") == rows[:1]
    assert client.get("/v1/quotes/latest", "filter_symbol_id=SIM") == rows[1:]


# ---- books ---------------------------------------------------------------------------------------


def test_books(client: RestClient) -> None:
    base = f"/v1/orderbooks/{SYMBOL}"
    book = {
        "symbol_id": SYMBOL,
        "sequence": "4",
        "time_exchange": NOW,
        "time_coinapi": NOW,
        "asks": [{"price": "101.00", "size": "0.040"}, {"price": "102.00", "size": "0.007"}],
        "bids": [{"price": "100.00", "size": "0.030"}],
    }
    assert client.get(f"{base}/current") == book
    assert client.get(f"{base}/current", "limit_levels=1") == book | {"asks": book["asks"][:1]}
    assert client.get(f"{base}/latest") == [book]
    assert client.get(f"{base}/history", "time_start=2023-11-14T22:13:20Z") == [book]
    assert client.get(f"{base}/history", "date=2023-11-13") == []
    assert client.get(f"{base}/depth/current") == {
        "symbol_id": SYMBOL,
        "time_exchange": NOW,
        "time_coinapi": NOW,
        "ask_levels": "2",
        "bid_levels": "1",
        "ask_depth": "0.047",
        "bid_depth": "0.030",
    }
    assert client.get(f"{base}/depth/current", "limit_levels=1")["ask_depth"] == "0.040"
    assert error(client, f"{base}/current", "limit_levels=0") == (400, "limit_levels must be a number from 1 to 100000")
    words = "FXCM_SPOT_EUR_USD has no book; it has trades, quotes, candles, ticker, rates, status"
    assert error(client, "/v1/orderbooks/FXCM_SPOT_EUR_USD/current") == (550, words)


def test_books_by_order(client: RestClient) -> None:
    client.server.do(order("sell", 10_100, 3))
    ids = {number: order_guid(BTC.symbol, str(number)) for number in (1, 2, 3, 5)}
    asks = [
        {"price": "101.00", "size": "0.040", "id": ids[1]},
        {"price": "101.00", "size": "0.003", "id": ids[5]},
        {"price": "102.00", "size": "0.007", "id": ids[2]},
    ]
    at = iso(T + 1)
    book = {
        "symbol_id": SYMBOL,
        "sequence": "5",
        "time_exchange": at,
        "time_coinapi": at,
        "asks": asks,
        "bids": [{"price": "100.00", "size": "0.030", "id": ids[3]}],
    }
    assert client.get(f"/v1/orderbooks3/{SYMBOL}/current") == book
    assert client.get(f"/v1/orderbooks3/{SYMBOL}/current", "limit_levels=1") == book | {"asks": asks[:2]}
    client.server.do(VenueBookSnapshot(IBM.symbol, [(9_900, 5)], []), ms=0)
    by_level = client.get("/v1/orderbooks3/current")
    assert by_level[0] == book
    assert by_level[1] == {
        "symbol_id": "NYSE_SPOT_IBM_USD",
        "sequence": "1",
        "time_exchange": at,
        "time_coinapi": at,
        "asks": [],
        "bids": [{"price": "99.00", "size": "5"}],
    }
    assert client.get("/v1/orderbooks3/current", "filter_symbol_id=IBM") == by_level[1:]


# ---- stocks --------------------------------------------------------------------------------------


def test_stocks_are_the_equities(client: RestClient) -> None:
    keep(client, IBM, "1m", MINUTE)
    assert [row["exchange_id"] for row in client.get("/stock/v1/exchanges")] == ["NYSE"]
    assert [row["symbol_id"] for row in client.get("/stock/v1/symbols/NYSE")] == ["NYSE_SPOT_IBM_USD"]
    assert error(client, "/stock/v1/symbols/SIM") == (550, "there is no exchange 'SIM'")
    row = CLOSED | {
        "time_period_start": OPEN["time_period_start"],
        "time_period_end": OPEN["time_period_end"],
        "time_open": "2023-11-14T22:13:00.0010000Z",
        "time_close": "2023-11-14T22:13:00.0020000Z",
        "volume_traded": "5",
    }
    for name in ("IBM", "IBM-USD", "NYSE_SPOT_IBM_USD"):
        path = f"/stock/v1/ohlcv/exchange-symbol/NYSE/{name}"
        assert client.get(f"{path}/history", "period_id=1MIN") == [row]
        assert client.get(f"{path}/latest", "period_id=1MIN") == [row]
    query = "period_id=1MIN&time_start=2023-11-14&time_end=2023-11-15"
    names = {"symbol_id_exchange": "IBM-USD", "symbol_id_coinapi": "NYSE_SPOT_IBM_USD"}
    assert client.get("/stock/v1/ohlcv/exchange/NYSE/history", query) == [names | row]
    for path in (f"NYSE/{SYMBOL}", "NYSE/AAPL", "SIM/IBM"):
        name = path.split("/")[1]
        got = error(client, f"/stock/v1/ohlcv/exchange-symbol/{path}/latest", "period_id=1MIN")
        assert got == (550, f"there is no symbol {name!r}")


@pytest.mark.parametrize(
    "path",
    [
        "trade/IBM", "level1-quote/IBM", "level2-price-level-update/IBM", "level3-order-book/IBM", "admin/messages/IBM",
        "admin/system-event",
    ],
)  # fmt: skip
def test_native_messages_are_not_kept(client: RestClient, path: str) -> None:
    words = "the native messages of this exchange are not kept; trades, quotes and books are under /coinapi/v1"
    assert error(client, f"/stock/v1/native/iex/{path}", "date=2023-11-14") == (550, words)


# ---- who may, and what it costs --------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        {"x-coinapi-key": "trader"},
        {"x-apibricks-key": "trader"},
        {"authorization": "trader"},
        {"authorization": "Basic Y29pbmFwaTp0cmFkZXI="},
    ],
)
def test_a_key_is_shown_in_a_header(shown: dict[str, str]) -> None:
    client = RestClient(Server(require_key=True))
    assert client.ask("/v1/trades/latest", shown=shown) == (200, [])
    assert client.ask("/ems/v1/orders", shown=shown) == (200, [])


def test_a_key_is_shown_in_the_address() -> None:
    client = RestClient(Server(require_key=True), key="")
    assert client.ask("/v1/trades/latest", "apikey=trader") == (200, [])
    assert client.ask("/v1/trades/latest/APIKEY-trader") == (200, [])
    assert client.ask("/v1/trades/latest/apikey-nobody") == (401, {"error": "Invalid API key"})


def test_without_a_key() -> None:
    assert RestClient(key="").ask("/v1/trades/latest") == (200, [])
    words = "this needs an API key, in the header X-CoinAPI-Key or the parameter apikey"
    assert RestClient(Server(require_key=True), key="").ask("/v1/trades/latest") == (401, {"error": words})
    assert RestClient(key="nobody").ask("/v1/trades/latest") == (401, {"error": "Invalid API key"})


def test_a_key_sees_what_it_is_entitled_to(client: RestClient) -> None:
    client.key = "narrow"
    assert [row["symbol_id"] for row in client.get("/v1/symbols")] == ["FXCM_SPOT_EUR_USD"]
    assert client.get("/v1/trades/latest") == []
    assert error(client, f"/v1/trades/{SYMBOL}/latest") == (403, "this key sees FXCM:*, not SIM:BTC-USDT")
    assert error(client, "/v1/exchanges/SIM") == (550, "there is no exchange 'SIM'")
    assert error(client, "/v1/exchangerate/BTC/USDT")[0] == 550
    assert error(client, "/v1/exchangerate/BTC/USDT/history", "period_id=1DAY")[0] == 550
    client.key = "quotes"
    assert client.get("/v1/trades/latest") == client.get("/v1/orderbooks3/current") == []
    assert "last_trade" not in client.get("/v1/quotes/current")[0]
    assert error(client, f"/v1/trades/{SYMBOL}/latest") == (403, "this key sees the channels quotes, not trades")


def test_the_headers_say_what_is_left(client: RestClient) -> None:
    client.get("/v1/trades/latest")
    assert client.headers == {
        "X-RateLimit-Used": "1",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "49",
        "X-RateLimit-Request-Cost": "1",
        "X-RateLimit-Reset": iso(T + 20),
        "X-RateLimit-Quota-Overage": "DISABLED",
        "X-RateLimit-Quota-Allocated": "50",
        "X-RateLimit-Quota-Remaining": "49",
    }


def test_requests_are_counted_for_a_key_or_an_address(client: RestClient) -> None:
    client.get("/v1/trades/latest")
    client.ask("/v1/trades/latest", shown={})
    assert client.server.counted == ["trader", "address ::1"]  # the server counts addresses apart from keys


def test_a_hundred_items_are_a_request(client: RestClient) -> None:
    keep(client, BTC, "1s", *(MINUTE - 10**9 * second for second in range(500, 0, -1)))
    query = "period_id=1SEC&time_start=2023-11-14&time_end=2023-11-15"
    assert len(client.get("/v1/ohlcv/exchanges/SIM/history", query)) == 501
    assert client.headers["X-RateLimit-Request-Cost"] == "6"
    path = f"/v1/ohlcv/{SYMBOL}/history"
    assert len(client.get(path, "period_id=1SEC")) == 100
    assert client.headers["X-RateLimit-Request-Cost"] == "1"
    assert len(client.get(path, "period_id=1SEC&limit=201")) == 201
    assert (client.headers["X-RateLimit-Request-Cost"], client.headers["X-RateLimit-Remaining"]) == ("3", "40")
    client.server.allowance = 2
    status, _ = client.ask(path, "period_id=1SEC&limit=100000")
    assert (status, client.server.allowance) == (429, 1)  # not at a reduced price
    client.server.allowance = 0
    assert error(client, path, "period_id=1SEC") == (429, "more than 50 requests a second of one key; slow down")
    assert client.headers == {
        "Retry-After": "1",
        "X-RateLimit-Used": "50",
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Request-Cost": "1",
        "X-RateLimit-Reset": iso(T + 1_000),
        "X-RateLimit-Quota-Overage": "DISABLED",
        "X-RateLimit-Quota-Allocated": "50",
        "X-RateLimit-Quota-Remaining": "0",
    }


def test_an_answer_has_only_so_many_items(client: RestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(client, BTC, "1s", *(MINUTE - 10**9 * second for second in range(2_500, 0, -1)))
    assert len(client.get(f"/v1/ohlcv/{SYMBOL}/history", "period_id=1SEC&limit=100000")) == 2_000
    for module in ("rest_call", "rest_market"):
        monkeypatch.setattr(f"tickwire.dialects.coinapi.{module}.ITEMS_MAX", 2)
    words = "there are 3; name those that you want, at most 2"
    assert error(client, "/v1/symbols") == (400, words)
    assert error(client, "/v1/assets") == (400, "there are 5; name those that you want, at most 2")
    words = "there are 3 symbols; name those that you want, at most 2"
    assert error(client, "/v1/trades/latest") == (400, words)
    words = "that is more than 2 orders; name fewer symbols, or a lower limit_levels"
    assert error(client, "/v1/orderbooks3/current", "filter_symbol_id=SIM") == (400, words)


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/v1/trades/latest", "limit=0", 400, "limit must be a number from 1 to 100000"),
        ("/v1/trades/latest", "limit=100001", 400, "limit must be a number from 1 to 100000"),
        ("/v1/trades/latest", "limit=ten", 400, "limit must be a number from 1 to 100000"),
        ("/v1/trades/latest", "include_id=yes", 400, "include_id must be true or false"),
        (
            f"/v1/trades/{SYMBOL}/history",
            "time_start=yesterday",
            400,
            "time_start must be a time in ISO 8601, like 2024-02-22T23:55:31.5424443Z",
        ),
        (
            f"/v1/trades/{SYMBOL}/history",
            "time_start=2023-01-02&time_end=2023-01-01",
            400,
            "time_end must not be before time_start",
        ),
        (f"/v1/ohlcv/{SYMBOL}/latest", "", 400, f"period_id must be one of {', '.join(PERIODS)}"),
        ("/v1/trades/KRAKEN_SPOT_BTC_USD/latest", "", 550, "there is no symbol 'KRAKEN_SPOT_BTC_USD'"),
        ("/v1/nothing", "", 404, "there is no path '/v1/nothing' here"),
        ("/v2/trades/latest", "", 404, "there is no path '/v2/trades/latest' here"),
        ("/", "", 404, "there is no path '/' here"),
    ],
)
def test_what_makes_no_sense(client: RestClient, path: str, query: str, status: int, words: str) -> None:
    assert error(client, path, query) == (status, words)


def test_the_wrong_method(client: RestClient) -> None:
    assert client.ask("/v1/trades/latest", method="POST") == (405, {"error": "this path takes GET"})
    assert client.headers["Allow"] == "GET, HEAD"
    assert client.ask("/v1/trades/latest", method="HEAD") == client.ask("/v1/trades/latest")
    assert client.ask("/ems/v1/orders", method="PUT")[0] == 405
    assert client.ask("/ems/v1/orders", method="DELETE") == (405, {"error": "this path takes POST and GET"})


def test_an_offset_in_a_query_need_not_be_escaped(client: RestClient) -> None:
    path = f"/v1/trades/{SYMBOL}/history"
    assert len(client.get(path, "time_start=2023-11-14T23:13:20+01:00")) == 1
    assert len(client.get(path, "time_start=2023-11-14%2022:13:20")) == 1
    assert client.get(path, "time_start=2023-11-14T23:13:20%2B00:00") == []


def test_requests_are_counted_by_route(client: RestClient) -> None:
    client.get("/v1/trades/latest")
    client.ask("/v1/trades/X/latest")
    client.ask("/v1/any thing")
    assert dict(client.server.services.meters.requests) == {
        ("coinapi GET /v1/trades/latest", "ok"): 1,
        ("coinapi GET /v1/trades/{symbol_id}/latest", "550"): 1,
        ("unknown", "404"): 1,
    }


def test_numbers_are_json_numbers(client: RestClient) -> None:
    answers: list[HttpAnswer] = []
    client.rest.http(HttpRequest("GET", f"/v1/quotes/{SYMBOL}/current", "", {}, b"", "::1"), answers.append)
    assert json.loads(answers[0].body)["ask_price"] == 101.0
    assert b'"ask_price":101.00,"ask_size":0.040' in answers[0].body


_VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "0", "-1", "true", "1MIN", "5YRS", "2023-11-14", "2023-11-14T22:13:20Z", "9999-12-31", SYMBOL]
    ),
    st.text(max_size=20),
)
_NAMES = st.one_of(
    st.sampled_from(["SIM", "NYSE", SYMBOL, "BTC", "USDT", "EUR", "X_IDX_Y"]), st.text(min_size=1, max_size=9)
)
_QUERIES = st.dictionaries(
    st.sampled_from([
        "limit", "limit_levels", "period_id", "time", "time_start", "time_end", "date", "include_id", "invert",
        "include_empty_items", "filter_symbol_id", "filter_asset_id", "filter_exchange_id", "exchange_id",
    ]),
    _VALUES,
)  # fmt: skip


@given(st.sampled_from(ROUTES), st.lists(_NAMES, min_size=2, max_size=2), _QUERIES, st.binary(max_size=30))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_is_answered(
    client: RestClient, route: Route, names: list[str], query: dict[str, str], body: bytes
) -> None:
    left = iter(names)
    path = "".join(f"/{next(left) if part.startswith('{') else part}" for part in route.parts)
    client.server.allowance = 50
    status, answer = client.ask(path, urlencode(query), method=route.method, body=body)
    assert status in (200, 400, 404, 405, 490, 550)
    assert status == 200 or answer["error"]
