"""Every path of the REST interfaces for market data, asked in full: the status and the fields of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from ems_client import RestClient, Server
from support import START_NS, order
from tickwire.dialects.coinapi.rest import ROUTES, Route
from tickwire.model.instrument import Instrument
from tickwire.model.records import FeedStatus, ListInstrument, VenueTrade

IBM = Instrument(
    venue="NYSE", base="IBM", quote="USD", asset_class="equity", tick_size="0.01", lot_size="1", kind="mirrored",
)  # fmt: skip
SYMBOL = "SIM_SPOT_BTC_USDT"
NAMED = {
    "size": "32",
    "asset_id": "BTC",
    "asset_id_base": "BTC",
    "asset_id_quote": "USDT",
    "exchange_id": "SIM",
    "symbol_id": SYMBOL,
    "symbol": "IBM",
    "what": "symbol",
}
OF_STOCKS = {"exchange_id": "NYSE", "symbol_id": "IBM"}
QUERY = "period_id=1MIN&time_start=2023-11-14&time_end=2023-11-15&metric_id=x"

KNOWN = (
    "data_start data_end data_quote_start data_quote_end data_orderbook_start data_orderbook_end data_trade_start "
    "data_trade_end volume_1hrs_usd volume_1day_usd volume_1mth_usd"
)
EXCHANGE = [f"{KNOWN} exchange_id website name data_symbols_count"]
ASSET = [f"{KNOWN} asset_id name type_is_crypto data_symbols_count price_usd id_icon"]
NAMES_THERE = "asset_id_base_exchange asset_id_quote_exchange"
PRECISION = "price_precision size_precision"
SYMBOLS = [
    f"{KNOWN} symbol_id exchange_id symbol_type asset_id_base asset_id_quote asset_id_unit volume_1hrs volume_1day "
    f"volume_1mth price symbol_id_exchange {NAMES_THERE} {PRECISION} index_id"
]
MAPPING = [f"symbol_id symbol_id_exchange {NAMES_THERE} asset_id_base asset_id_quote {PRECISION}"]
PERIOD = ["period_id length_seconds length_months unit_count unit_name display_name"]
TIMES = "time_period_start time_period_end time_open time_close"
CANDLE = f"{TIMES} price_open price_high price_low price_close volume_traded trades_count"
CANDLES_OF_ALL = [f"symbol_id_exchange symbol_id_coinapi {CANDLE}"]
RATE = "time asset_id_base asset_id_quote rate"
RATES = "asset_id_base rates"
RATE_HISTORY = [f"{TIMES} rate_open rate_high rate_low rate_close"]
TRADE = ["symbol_id time_exchange time_coinapi uuid price size taker_side"]
QUOTE = "symbol_id time_exchange time_coinapi ask_price ask_size bid_price bid_size"
BOOK = "symbol_id sequence time_exchange time_coinapi asks bids"
DEPTH = "symbol_id time_exchange time_coinapi ask_levels bid_levels ask_depth bid_depth"

_OF_RATES: dict[str, Any] = {
    "/assets": ASSET,
    "/assets/icons/32": [],
    "/assets/BTC": ASSET,
    "/exchangerate/history/periods": PERIOD,
    "/exchangerate/BTC": RATES,
    "/exchangerate/BTC/USDT": RATE,
    "/exchangerate/BTC/USDT/history": RATE_HISTORY,
}
ANSWERED: dict[str, Any] = {
    **{f"/v1{path}": shape for path, shape in _OF_RATES.items()},
    "/v1/exchanges": EXCHANGE,
    "/v1/exchanges/icons/32": [],
    "/v1/exchanges/SIM": EXCHANGE,
    "/v1/symbols": SYMBOLS,
    "/v1/symbols/map/SIM": MAPPING,
    "/v1/symbols/SIM": SYMBOLS,
    "/v1/ohlcv/periods": PERIOD,
    "/v1/ohlcv/exchanges/SIM/history": CANDLES_OF_ALL,
    f"/v1/ohlcv/{SYMBOL}/history": [CANDLE],
    f"/v1/ohlcv/{SYMBOL}/latest": [CANDLE],
    "/v1/trades/latest": TRADE,
    f"/v1/trades/{SYMBOL}/history": TRADE,
    f"/v1/trades/{SYMBOL}/latest": TRADE,
    "/v1/quotes/current": [f"{QUOTE} last_trade"],
    "/v1/quotes/latest": [QUOTE],
    f"/v1/quotes/{SYMBOL}/current": f"{QUOTE} last_trade",
    f"/v1/quotes/{SYMBOL}/latest": [QUOTE],
    f"/v1/quotes/{SYMBOL}/history": [QUOTE],
    f"/v1/orderbooks/{SYMBOL}/current": BOOK,
    f"/v1/orderbooks/{SYMBOL}/latest": [BOOK],
    f"/v1/orderbooks/{SYMBOL}/history": [BOOK],
    f"/v1/orderbooks/{SYMBOL}/depth/current": DEPTH,
    "/v1/orderbooks3/current": [BOOK],
    f"/v1/orderbooks3/{SYMBOL}/current": BOOK,
    "/v1/options/SIM/current": [],
    "/v1/metrics/listing": [],
    "/v1/metrics/exchange/listing": [],
    "/v1/metrics/symbol/listing": [],
    "/v1/metrics/asset/listing": [],
    "/v1/metrics/symbol/current": 550,
    "/v1/metrics/symbol/history": 550,
    **{f"/currencies/v1{path}": shape for path, shape in _OF_RATES.items()},
    "/stock/v1/exchanges": EXCHANGE,
    "/stock/v1/symbols/NYSE": SYMBOLS,
    "/stock/v1/ohlcv/periods": PERIOD,
    "/stock/v1/ohlcv/exchange-symbol/NYSE/IBM/history": [CANDLE],
    "/stock/v1/ohlcv/exchange-symbol/NYSE/IBM/latest": [CANDLE],
    "/stock/v1/ohlcv/exchange/NYSE/history": CANDLES_OF_ALL,
    "/stock/v1/native/iex/trade/IBM": 550,
    "/stock/v1/native/iex/level1-quote/IBM": 550,
    "/stock/v1/native/iex/level2-price-level-update/IBM": 550,
    "/stock/v1/native/iex/level3-order-book/IBM": 550,
    "/stock/v1/native/iex/admin/messages/IBM": 550,
    "/stock/v1/native/iex/admin/system-event": 550,
}
"""The fields of each answer, in a list where it is one; or the status of an error."""
ROUTES_OF_DATA = [route for route in ROUTES if route.market is not None]


@pytest.fixture
def client() -> RestClient:
    """A trade of each of a matched instrument, which has a book, and of a mirrored equity."""
    server = Server()
    server.do(ListInstrument(IBM), FeedStatus("test", "live"))
    server.do(order("sell", 10_100, 50), order("buy", 10_000, 30))
    server.do(order("buy", 10_100, 10), VenueTrade(IBM.symbol, "n-1", 9_900, 3, None, START_NS))
    return RestClient(server)


def path_of(route: Route) -> str:
    """A route with everything in braces named."""
    named = NAMED | (OF_STOCKS if route.parts[0] == "stock" else {})
    return "".join(f"/{named[part[1:-1]] if part.startswith('{') else part}" for part in route.parts)


def shape(answer: Any) -> Any:
    return [shape(row) for row in answer[:1]] if isinstance(answer, list) else " ".join(answer)


@pytest.mark.parametrize("route", ROUTES_OF_DATA, ids=lambda route: route.name)
def test_a_route(client: RestClient, route: Route) -> None:
    status, answer = client.ask(path_of(route), QUERY, method=route.method)
    wanted = ANSWERED[path_of(route)]
    assert (status, shape(answer)) == ((wanted, "error") if isinstance(wanted, int) else (200, wanted))


def test_there_are_no_others() -> None:
    assert sorted(map(path_of, ROUTES_OF_DATA)) == sorted(ANSWERED)


@pytest.mark.parametrize("path", _OF_RATES)
def test_currencies_are_answered_like_everything_else(client: RestClient, path: str) -> None:
    assert client.get(f"/currencies/v1{path}", QUERY) == client.get(f"/v1{path}", QUERY)
