"""The CoinAPI dialect: every field of what is said at an interval, to its value: candles, rates, metadata, tickers."""

from __future__ import annotations

from coinapi_market import ETH, FX, INDEX, Server, at, opened
from support import START_NS, order
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    ListInstrument,
    VenueQuote,
    VenueRate,
    VenueTrade,
)

SYMBOL = "SIM_SPOT_BTC_USDT"
SECOND = 1_000_000_000


def traded(server: Server, at_ns: int, price: int, size: int) -> None:
    server.until(at_ns, order("buy", price, size))
    server.do(order("sell", price, size), ms=0)


def test_ohlcv_when_a_period_closes() -> None:
    server, client = opened("ohlcv", period_id=["1SEC"])
    server.do(order("buy", 10_000, 9))
    server.do(order("sell", 10_000, 1))
    server.do(order("sell", 10_000, 2), ms=10)
    server.until(START_NS + SECOND)
    (closed,) = client.said()
    assert closed == {
        "type": "ohlcv",
        "symbol_id": SYMBOL,
        "sequence": START_NS // SECOND + 1,
        "period_id": "1SEC",
        "time_period_start": at(0),
        "time_period_end": at(1_000),
        "time_open": at(3),
        "time_close": at(13),
        "price_open": "100.00",
        "price_high": "100.00",
        "price_low": "100.00",
        "price_close": "100.00",
        "volume_traded": "0.003",
        "trades_count": 2,
    }
    server.until(START_NS + 2 * SECOND)
    assert client.said() == []  # nothing was traded in it


def test_ohlcv_every_5_s_while_a_period_is_open() -> None:
    server, client = opened("ohlcv", period_id=["3MIN"])
    traded(server, START_NS + 1 * SECOND, 10_000, 2)
    server.until(START_NS + 5 * SECOND)
    traded(server, START_NS + 6 * SECOND, 10_300, 1)
    traded(server, START_NS + 7 * SECOND, 9_900, 4)
    server.until(START_NS + 10 * SECOND)
    server.until(START_NS + 15 * SECOND)  # nothing new
    start = START_NS - START_NS % (180 * SECOND)
    for second in range(20, 101):
        server.until(START_NS + second * SECOND)
    said = client.said()
    shown = [(m["price_open"], m["price_high"], m["price_low"], m["price_close"], m["volume_traded"]) for m in said]
    assert shown == [
        ("100.00", "100.00", "100.00", "100.00", "0.002"),
        ("100.00", "103.00", "99.00", "99.00", "0.007"),
        ("100.00", "103.00", "99.00", "99.00", "0.007"),  # it closes
    ]
    assert {(m["period_id"], m["time_period_start"], m["trades_count"]) for m in said[1:]} == {
        ("3MIN", "2023-11-14T22:12:00.0000000Z", 3)
    }
    assert start == START_NS - 80 * SECOND
    assert said[-1]["time_period_end"] == "2023-11-14T22:15:00.0000000Z"


def test_ohlcv_of_every_period_without_a_filter() -> None:
    server, client = opened("ohlcv")
    traded(server, START_NS + 4 * SECOND, 10_000, 2)
    said = client.hello("ohlcv")
    assert [m["period_id"] for m in said] == list(PERIODS)
    assert len(PERIODS) == 43
    year = said[-1]
    assert (year["period_id"], year["time_period_start"]) == ("5YRS", "2020-01-01T00:00:00.0000000Z")
    assert (year["time_period_end"], year["volume_traded"]) == ("2025-01-01T00:00:00.0000000Z", "0.002")
    month = next(m for m in said if m["period_id"] == "1MTH")
    assert (month["time_period_start"], month["time_period_end"]) == (
        "2023-11-01T00:00:00.0000000Z",
        "2023-12-01T00:00:00.0000000Z",
    )


def test_a_long_period_goes_on_over_midnight() -> None:
    server, client = opened("ohlcv", period_id=["1YRS"])
    midnight = START_NS - START_NS % (86_400 * SECOND) + 86_400 * SECOND
    traded(server, START_NS + SECOND, 10_000, 2)
    server.until(midnight)
    client.said()
    traded(server, midnight + SECOND, 10_500, 3)
    server.until(midnight + 5 * SECOND)
    (year,) = client.said()
    assert (year["price_open"], year["price_high"], year["price_close"]) == ("100.00", "105.00", "105.00")
    assert (year["volume_traded"], year["trades_count"]) == ("0.005", 2)
    assert (year["time_open"], year["time_period_start"]) == (at(1_000), "2023-01-01T00:00:00.0000000Z")


def test_exrate_from_an_fx_rate() -> None:
    server = Server(FX)
    server.do(VenueRate(FX.symbol, 108_250))
    client = server.open()
    (first,) = client.hello("exrate", asset_id=["EUR/USD"])
    assert first == {
        "type": "exrate",
        "asset_id_base": "EUR",
        "asset_id_quote": "USD",
        "rate_type": "BASE_QUOTE_ISOLATED",
        "time": at(3),
        "rate": "1.0825",
    }
    server.do(VenueRate(FX.symbol, 108_300))
    assert client.said() == []
    server.until(START_NS + SECOND)
    (second,) = client.said()
    assert (second["rate"], second["time"]) == ("1.083", at(1_000))


def test_exrates_of_assets_that_are_not_listed_yet_join_when_they_are() -> None:
    server = Server(ETH)
    client, other, narrow = server.open(), server.open(), server.open()
    pairs = ["EUR/USD", "EUR", "USD/EUR", "ETH/EUR", "NONE/EUR", "USD/JPY"]
    assert client.hello("exrate", asset_id=pairs) == []
    other.hello("exrate", asset_id=pairs)
    other.say("unsubscribe", "exrate", asset_id=["EUR", "EUR/USD", "ETH/EUR"])
    narrow.hello("exrate", asset_id=pairs, apikey="narrow")
    assert server.hub._streams == {}
    server.do(ListInstrument(FX), VenueRate(FX.symbol, 125_000))
    server.until(START_NS + SECOND)
    for each in (client, other, narrow):
        each.session.check()
    server.do()
    shown = [[(m["asset_id_base"], m["asset_id_quote"], m["rate"]) for m in each.said()] for each in (client, other)]
    assert shown == [[("EUR", "USD", "1.25"), ("EUR", "USD", "1.25"), ("USD", "EUR", "0.8")], [("USD", "EUR", "0.8")]]
    server.do(VenueTrade(ETH.symbol, "1", 20_000, 1))
    server.until(START_NS + 2 * SECOND)
    assert [(m["asset_id_base"], m["rate"]) for m in client.said()[-1:]] == [("ETH", 1600)]
    (stream,) = server.hub._streams.values()
    assert len(stream.logs) == 4
    assert narrow.said() == []


def test_exrate_over_other_assets() -> None:
    usdt = Instrument(
        venue="KRAKEN", base="USDT", quote="USD", asset_class="crypto", tick_size="0.0001", lot_size="1",
        kind="mirrored", book="none",
    )  # fmt: skip
    server = Server(FX, usdt)
    server.do(VenueRate(FX.symbol, 125_000), VenueQuote(usdt.symbol, 9_990, 1, 10_010, 1))
    server.do(order("buy", 5_000_000, 5))
    server.do(order("sell", 5_000_000, 1), ms=0)  # 50,000 for 0.001
    client = server.open()
    said = client.hello("exrate", asset_id=["btc/usd", "BTC/EUR", "EUR/BTC", "btc", "BTC/JPY"])
    assert [(m["asset_id_base"], m["asset_id_quote"], m["rate_type"], m["rate"]) for m in said] == [
        ("BTC", "USD", "BASE_ALL_CROSSES_TO_REF", 50000),
        ("BTC", "EUR", "BASE_AND_QUOTE_TO_REF", 40000),
        ("EUR", "BTC", "BASE_AND_QUOTE_TO_REF", "0.000025"),
        ("BTC", "USD", "BASE_ALL_CROSSES_TO_REF", 50000),
    ]


def test_index() -> None:
    server = Server(INDEX)
    server.do(VenueRate(INDEX.symbol, 108_572))
    client = server.open("/indexes")
    (first,) = client.hello(index_id=["IDX_REFRATE_BTC_USD"])
    assert first == {
        "type": "index",
        "index_id": "IDX_REFRATE_BTC_USD",
        "sequence": 1,
        "time_coinapi": at(3),
        "value": "1085.720",
    }
    server.do(VenueRate(INDEX.symbol, 108_600))
    (second,) = client.said()
    assert (second["sequence"], second["value"]) == (2, "1086.000")


def test_asset() -> None:
    server = Server(ETH)
    server.do(VenueTrade(ETH.symbol, "1", 20_000, 150, "buy"))
    client = server.open()
    (asset,) = client.hello("asset", asset_id=["ETH"])
    assert asset == {
        "type": "asset",
        "data_start": "2023-11-14",
        "data_end": "2023-11-14",
        "data_quote_start": None,
        "data_quote_end": None,
        "data_orderbook_start": None,
        "data_orderbook_end": None,
        "data_trade_start": "2023-11-14",
        "data_trade_end": "2023-11-14",
        "volume_1hrs_usd": 3000,
        "volume_1day_usd": 3000,
        "volume_1mth_usd": 3000,
        "asset_id": "ETH",
        "name": "ETH",
        "type_is_crypto": 1,
        "data_symbols_count": 1,
        "price_usd": 2000,
        "id_icon": None,
    }
    (dollar,) = client.hello("asset", asset_id=["usd"])
    assert (dollar["asset_id"], dollar["type_is_crypto"], dollar["price_usd"]) == ("USD", 0, 1)


def test_exchange() -> None:
    server = Server(ETH)
    server.do(VenueTrade(ETH.symbol, "1", 20_000, 150, "buy"))
    client = server.open()
    sim, kraken = client.hello("exchange")
    assert kraken == {
        "type": "exchange",
        "data_start": "2023-11-14",
        "data_end": "2023-11-14",
        "data_quote_start": None,
        "data_quote_end": None,
        "data_orderbook_start": None,
        "data_orderbook_end": None,
        "data_trade_start": "2023-11-14",
        "data_trade_end": "2023-11-14",
        "volume_1hrs_usd": 3000,
        "volume_1day_usd": 3000,
        "volume_1mth_usd": 3000,
        "exchange_id": "KRAKEN",
        "website": None,
        "name": "KRAKEN",
        "data_symbols_count": 1,
    }
    assert (sim["exchange_id"], sim["data_start"], sim["volume_1day_usd"]) == ("SIM", None, 0)


def test_symbol_on_subscribing_and_then_every_minute() -> None:
    server = Server(ETH)
    server.do(VenueTrade(ETH.symbol, "1", 20_000, 150, "buy"))
    client = server.open()
    (symbol,) = client.hello("symbol", exchange_id=["KRAKEN"])
    expected = {
        "type": "symbol",
        "data_start": "2023-11-14",
        "data_end": "2023-11-14",
        "data_quote_start": None,
        "data_quote_end": None,
        "data_orderbook_start": None,
        "data_orderbook_end": None,
        "data_trade_start": "2023-11-14",
        "data_trade_end": "2023-11-14",
        "volume_1hrs_usd": 3000,
        "volume_1day_usd": 3000,
        "volume_1mth_usd": 3000,
        "symbol_id": "KRAKEN_SPOT_ETH_USD",
        "exchange_id": "KRAKEN",
        "symbol_type": "SPOT",
        "asset_id_base": "ETH",
        "asset_id_quote": "USD",
        "asset_id_unit": "USD",
        "volume_1hrs": "1.50",
        "volume_1day": "1.50",
        "volume_1mth": "1.50",
        "price": "2000.0",
        "symbol_id_exchange": "ETH-USD",
        "asset_id_base_exchange": "ETH",
        "asset_id_quote_exchange": "USD",
        "price_precision": "0.1",
        "size_precision": "0.01",
        "index_id": None,
    }
    assert symbol == expected
    server.until(START_NS + 39 * SECOND)
    assert client.said() == []
    server.until(START_NS + 40 * SECOND)  # 22:14:00
    assert client.said() == [expected]


def test_volume() -> None:
    server = Server()
    traded(server, START_NS + SECOND, 10_000, 2)
    server.until(START_NS + 4_000 * SECOND)
    traded(server, START_NS + 4_001 * SECOND, 20_000, 3)
    client = server.open()
    said = client.hello("volume")
    assert said == [
        {
            "type": "volume",
            "period_id": period_id,
            "time_coinapi": "2023-11-14T23:20:01.0000000Z",
            "volume_by_symbol": [
                {
                    "symbol_id": SYMBOL,
                    "asset_id_base": "BTC",
                    "asset_id_quote": "USDT",
                    "volume_base": base,
                    "volume_quote": quote,
                }
            ],
        }
        for period_id, base, quote in (
            ("1HRS", "0.003", "0.60000"),
            ("1DAY", "0.005", "0.80000"),
            ("1MTH", "0.005", "0.80000"),
        )
    ]


def test_ticker() -> None:
    server = Server()
    traded(server, START_NS + SECOND, 10_000, 2)
    server.do(order("buy", 9_000, 1))
    client = server.open()
    (ticker,) = client.hello("ticker")
    assert list(ticker) == [
        "type",
        "symbol_id",
        "last_quote",
        "last_trade",
        "last_ohlcv_5sec",
        "last_ohlcv_15sec",
        "last_ohlcv_1min",
        "last_ohlcv_5min",
        "last_ohlcv_15min",
    ]
    assert (ticker["type"], ticker["symbol_id"]) == ("ticker", SYMBOL)
    quote, trade = ticker["last_quote"], ticker["last_trade"]
    assert (quote["type"], quote["symbol_id"], quote["bid_price"], quote["bid_size"]) == (
        "quote",
        SYMBOL,
        "90.00",
        "0.001",
    )
    assert (trade["type"], trade["price"], trade["size"], trade["taker_side"]) == ("trade", "100.00", "0.002", "SELL")
    for name, start, end in (
        ("5sec", at(0), at(5_000)),
        ("15sec", at(-5_000), at(10_000)),
        ("1min", at(-20_000), at(40_000)),
        ("5min", "2023-11-14T22:10:00.0000000Z", "2023-11-14T22:15:00.0000000Z"),
        ("15min", "2023-11-14T22:00:00.0000000Z", "2023-11-14T22:15:00.0000000Z"),
    ):
        candle = ticker[f"last_ohlcv_{name}"]
        assert (candle["type"], candle["price_close"], candle["volume_traded"]) == ("ohlcv", "100.00", "0.002")
        assert (candle["time_period_start"], candle["time_period_end"]) == (start, end)
    server.until(START_NS + 2 * SECOND)
    assert len(client.said()) == 1
    server.until(START_NS + 3 * SECOND)
    assert client.said() == []  # nothing is new
    server.do(order("buy", 9_100, 1))
    server.until(START_NS + 4 * SECOND)
    (again,) = client.said()
    assert again["last_quote"]["bid_price"] == "91.00"
    assert Server().open().hello("ticker") == [
        {"type": "ticker", "symbol_id": SYMBOL, "last_quote": None, "last_trade": None}
        | dict.fromkeys(list(ticker)[4:])
    ]
