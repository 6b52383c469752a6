"""What anybody may ask the Binance dialect's API: the same over REST and in messages, and what parameters mean."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from binance_api import Exchange
from support import order
from tickwire.dialects.binance.operations import METHODS, OPERATIONS, PATHS
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, Transfer

ETH = Instrument(
    venue="V", base="ETH", quote="USDT", asset_class="crypto", tick_size="0.1", lot_size="0.01", kind="mirrored"
)
SYMBOL: dict[str, Any] = {"symbol": "BTCUSDT"}


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    exchange.do(ListInstrument(ETH))
    exchange.do(order("sell", 10_100, 3), order("sell", 10_200, 5), order("buy", 10_000, 4))
    exchange.do(order("buy", 10_100, 1), order("buy", 10_100, 1))
    yield exchange
    exchange.close()


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("ping", "/ping", {}),
        ("exchangeInfo", "/exchangeInfo", {}),
        ("depth", "/depth", SYMBOL),
        ("trades.recent", "/trades", SYMBOL),
        ("trades.historical", "/historicalTrades", {**SYMBOL, "fromId": 2}),
        ("trades.aggregate", "/aggTrades", SYMBOL),
        ("klines", "/klines", {**SYMBOL, "interval": "1m"}),
        ("uiKlines", "/uiKlines", {**SYMBOL, "interval": "1h"}),
        ("avgPrice", "/avgPrice", SYMBOL),
        ("ticker.24hr", "/ticker/24hr", SYMBOL),
        ("ticker.tradingDay", "/ticker/tradingDay", {**SYMBOL, "timeZone": "8"}),
        ("ticker", "/ticker", {**SYMBOL, "windowSize": "4h"}),
        ("ticker.price", "/ticker/price", SYMBOL),
        ("ticker.book", "/ticker/bookTicker", SYMBOL),
    ],
)
def test_both_ways_answer_the_same(exchange: Exchange, method: str, path: str, params: dict[str, Any]) -> None:
    over_rest = exchange.rest("GET", path, **params)
    assert over_rest.status == 200
    assert exchange.connect().result(method, **params) == over_rest.body


def plain(body: Any) -> Any:
    """An answer with its decimals without the zeros at their ends."""
    if isinstance(body, dict):
        return {name: plain(value) for name, value in body.items()}
    if isinstance(body, list):
        return [plain(value) for value in body]
    return f"{Decimal(body).normalize():f}" if isinstance(body, str) and body[:1].isdigit() else body


def test_what_is_asked_for_most(exchange: Exchange) -> None:
    now = exchange.now_ms

    def get(path: str, **params: Any) -> Any:
        return plain(exchange.rest("GET", path, **SYMBOL, **params).body)

    assert exchange.rest("GET", "/time").body == {"serverTime": now}
    assert get("/depth") == {
        "lastUpdateId": 5,
        "bids": [["100", "0.004"]],
        "asks": [["101", "0.001"], ["102", "0.005"]],
    }
    assert get("/depth", limit=1)["asks"] == [["101", "0.001"]]
    trade = {
        "id": 1,
        "price": "101",
        "qty": "0.001",
        "quoteQty": "0.101",
        "time": now,
        "isBuyerMaker": False,
        "isBestMatch": True,
    }
    assert get("/trades") == [trade, {**trade, "id": 2}]
    assert get("/trades", limit=1) == [{**trade, "id": 2}]
    assert get("/historicalTrades", fromId=1, limit=1) == [trade]
    minute = now - now % 60_000
    (kline,) = get("/klines", interval="1m")
    assert kline == [
        minute, "101", "101", "101", "101", "0.002", minute + 59_999, "0.202", 2, "0.002", "0.202", "0",
    ]  # fmt: skip
    assert get("/ticker/price") == {"symbol": "BTCUSDT", "price": "101"}
    assert get("/ticker/bookTicker") == {
        "symbol": "BTCUSDT",
        "bidPrice": "100",
        "bidQty": "0.004",
        "askPrice": "101",
        "askQty": "0.001",
    }


def test_the_rules(exchange: Exchange) -> None:
    info = exchange.rest("GET", "/exchangeInfo").body
    symbols = info.pop("symbols")
    assert info == {
        "timezone": "UTC",
        "serverTime": exchange.now_ms,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 500},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1_600_000},
        ],
        "exchangeFilters": [],
    }
    assert [row["symbol"] for row in symbols] == ["BTCUSDT", "ETHUSDT"]

    def named(**params: Any) -> list[str]:
        return [row["symbol"] for row in exchange.rest("GET", "/exchangeInfo", **params).body["symbols"]]

    assert named(symbol="ETHUSDT") == ["ETHUSDT"]
    assert named(symbols='["ETHUSDT","BTCUSDT"]') == ["ETHUSDT", "BTCUSDT"]
    assert named(permissions="SPOT") == named(permissions='["MARGIN","SPOT"]') == ["BTCUSDT", "ETHUSDT"]
    assert named(permissions="MARGIN") == []
    bare = exchange.rest("GET", "/exchangeInfo", showPermissionSets="false").body["symbols"]
    assert bare == [row | {"permissionSets": []} for row in symbols]
    assert named(symbolStatus="TRADING") == ["BTCUSDT", "ETHUSDT"]
    assert named(symbolStatus="HALT") == []


def test_several_symbols(exchange: Exchange) -> None:
    def symbols(path: str, **params: Any) -> list[str]:
        return [row["symbol"] for row in exchange.rest("GET", path, **params).body]

    both = '["ETHUSDT","BTCUSDT"]'
    for path in ("/ticker/24hr", "/ticker", "/ticker/price", "/ticker/bookTicker", "/ticker/tradingDay"):
        assert symbols(path, symbols=both) == ["ETHUSDT", "BTCUSDT"]
    for path in ("/ticker/24hr", "/ticker/price", "/ticker/bookTicker"):
        assert symbols(path) == ["BTCUSDT", "ETHUSDT"]
    client = exchange.connect()
    assert [row["symbol"] for row in client.result("ticker.price", symbols=["ETHUSDT"])] == ["ETHUSDT"]
    mini = client.result("ticker.24hr", **SYMBOL, type="MINI")
    assert sorted(mini) == [
        "closeTime", "count", "firstId", "highPrice", "lastId", "lastPrice", "lowPrice", "openPrice", "openTime",
        "quoteVolume", "symbol", "volume",
    ]  # fmt: skip


def test_spans_of_time(exchange: Exchange) -> None:
    now = exchange.now_ms

    def get(path: str, **params: Any) -> Any:
        return exchange.rest("GET", f"/{path}", **SYMBOL, **params).body

    assert [row["a"] for row in exchange.rest("GET", "/aggTrades", **SYMBOL, startTime=now).body] == [1, 2]
    assert exchange.rest("GET", "/aggTrades", **SYMBOL, startTime=now + 1).body == []
    assert exchange.rest("GET", "/aggTrades", **SYMBOL, endTime=now - 1).body == []
    # in microseconds: the trades happened at its beginning
    assert len(exchange.rest("GET", "/aggTrades", **SYMBOL, endTime=now * 1_000).body) == 2
    assert exchange.rest("GET", "/aggTrades", **SYMBOL, endTime=now * 1_000 - 1).body == []
    exchange.clock.ns += 700_000
    exchange.do(order("buy", 10_100, 1))
    assert exchange.now_ms == now + 1
    assert [row["a"] for row in get("aggTrades", startTime=now + 1, endTime=now + 1)] == [3]
    assert get("aggTrades", startTime=now + 1, endTime=(now + 1) * 1_000 + 699) == []
    hour = 3_600_000
    (east,) = exchange.rest("GET", "/klines", **SYMBOL, interval="1d", timeZone="8").body
    (west,) = exchange.rest("GET", "/klines", **SYMBOL, interval="1d", timeZone="-3:30").body
    assert (east[0] + 8 * hour) % (24 * hour) == 0
    assert (west[0] - 3 * hour - hour // 2) % (24 * hour) == 0


# ---- an account ----------------------------------------------------------------------------------


def test_an_account(exchange: Exchange) -> None:
    client = exchange.connect()
    account = client.result("account.status", exchange.alice)
    assert account == {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000"),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": True,
        "preventSor": False,
        "updateTime": exchange.now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": "BTC", "free": "1000000000.00200000", "locked": "0.00000000"},
            {"asset": "USDT", "free": "999999999.39800000", "locked": "0.40000000"},
        ],
        "permissions": ["SPOT"],
        "uid": 3904355907,
    }
    assert exchange.rest("GET", "/account", exchange.alice).body == account
    exchange.do(Transfer("gone", "BTC", "1", "in"), Transfer("gone", "BTC", "-1", "out"))
    gone = exchange.hmac("gone", "read")
    zero = {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"}
    assert client.result("account.status", gone)["balances"] == [zero]
    assert client.result("account.status", gone, omitZeroBalances=True)["balances"] == []
    commission = {
        "symbol": "BTCUSDT",
        "standardCommission": dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000"),
        "specialCommission": dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000"),
        "taxCommission": dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000"),
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "USDT",
            "discount": "0.00000000",
        },
    }
    assert client.result("account.commission", exchange.alice, **SYMBOL) == commission
    assert exchange.rest("GET", "/account/commission", exchange.alice, **SYMBOL).body == commission


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_has_every_operation_once() -> None:
    assert len(METHODS) == len(OPERATIONS)
    assert sum(map(len, PATHS.values())) == sum(bool(operation.path) for operation in OPERATIONS)
    assert {verb for verbs in PATHS.values() for verb in verbs} == {"GET", "POST", "PUT", "DELETE"}
    for operation in OPERATIONS:
        assert len(set(operation.parameters)) == len(operation.parameters), operation.method
        assert (operation.orders > 0) == (operation.method in ("order.place", "order.cancelReplace"))
