"""What REST and the WebSocket API answer about the market, each field to its value."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from binance_market import VenueWorld
from support import BTC, START_NS, order
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.intervals import EAST_8_NS, INTERVALS
from tickwire.dialects.binance.names import filters
from tickwire.dialects.binance.public import exchange_symbols
from tickwire.dialects.candles import DAY_NS, SECOND_NS
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, TradingStatus, VenueTrade

START = START_NS // 1_000_000
MS, US = 1_000_000, 1_000
MINUTE = 1_699_999_980_000
DAY = 86_400_000
MIRROR = Instrument(
    venue="V", base="ETH", quote="USD", asset_class="crypto", tick_size="0.5", lot_size="0.1", kind="mirrored"
)


@pytest.fixture
def world() -> VenueWorld:
    """At START + 3 ms one order has bought 2 and 3 at 101.00 and 3 at 102.00, then one has sold 1 at 100.00."""
    world = VenueWorld()
    world.do(
        order("sell", 10_100, 2),
        order("sell", 10_100, 3),
        order("sell", 10_200, 7),
        order("buy", 10_000, 4),
        order("buy", 9_900, 6),
    )
    world.do(order("buy", 10_200, 8))
    world.do(order("sell", 10_000, 1))
    return world


def plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_depth(world: VenueWorld) -> None:
    assert world.ask("depth", limit=1) == {
        "lastUpdateId": 7,
        "bids": [["100.00000000", "0.00300000"]],
        "asks": [["102.00000000", "0.00400000"]],
    }
    assert world.ask("depth")["bids"] == [
        ["100.00000000", "0.00300000"],
        ["99.00000000", "0.00600000"],
    ]


def test_trades(world: VenueWorld) -> None:
    rows = world.ask("trades.recent")
    assert rows[0] == {
        "id": 1,
        "price": "101.00000000",
        "qty": "0.00200000",
        "quoteQty": "0.20200000",
        "time": START + 3,
        "isBuyerMaker": False,
        "isBestMatch": True,
    }
    assert [(row["id"], row["qty"], row["isBuyerMaker"]) for row in rows[1:]] == [
        (2, "0.00300000", False),
        (3, "0.00300000", False),
        (4, "0.00100000", True),
    ]
    assert [row["id"] for row in world.ask("trades.recent", limit=2)] == [3, 4]
    assert [row["id"] for row in world.ask("trades.historical", limit=2, fromId=2)] == [2, 3]
    assert world.ask("trades.recent", unit=US, limit=1)[0]["time"] == (START + 4) * 1000


def test_agg_trades(world: VenueWorld) -> None:
    def asked(**params: int) -> list[Any]:
        found: list[Any] = world.ask("trades.aggregate", **params)
        return found

    rows = asked()
    assert rows[0] == {
        "a": 1,
        "p": "101.00000000",
        "q": "0.00500000",
        "f": 1,
        "l": 2,
        "T": START + 3,
        "m": False,
        "M": True,
    }
    assert [(row["a"], row["q"], row["f"], row["l"], row["m"]) for row in rows[1:]] == [
        (3, "0.00300000", 3, 3, False),
        (4, "0.00100000", 4, 4, True),
    ]
    assert [row["a"] for row in asked(limit=1)] == [4]
    assert [row["a"] for row in asked(limit=2, fromId=2)] == [3, 4]
    assert [row["a"] for row in asked(limit=1, startTime=START)] == [1]
    assert [row["a"] for row in asked(startTime=START + 4)] == [4]
    assert [row["a"] for row in asked(endTime=START + 3)] == [1, 3]


def test_an_aggregate_of_which_a_part_is_no_longer_kept_is_left_out(world: VenueWorld) -> None:
    kept = world.market.listing(BTC.symbol).recent.maxlen or 0
    world.do(order("buy", 10_200, 4))
    world.do(*[order("sell", 10_500, 1) for _ in range(40)], order("buy", 10_500, 40))
    world.do(*[order("sell", 10_500, 1) for _ in range(kept - 10)], order("buy", 10_500, kept - 10))
    (row,) = world.ask("trades.aggregate")  # of the forty, ten are kept
    assert (row["f"], row["l"], row["q"]) == (46, 35 + kept, f"{(kept - 10) // 1000}.{(kept - 10) % 1000:03d}00000")


# ---- klines --------------------------------------------------------------------------------------------


def klines(world: VenueWorld, interval: str, limit: int = 500, **params: Any) -> list[Any]:
    found: list[Any] = world.ask("klines", interval=interval, limit=limit, **params)
    return found


def test_klines_have_no_holes(world: VenueWorld) -> None:
    world.until((MINUTE + 180_500) * MS, order("sell", 10_000, 2))
    first = [
        MINUTE,
        "101.00000000",
        "102.00000000",
        "100.00000000",
        "100.00000000",
        "0.00900000",
        MINUTE + 59_999,
        "0.91100000",
        4,
        "0.00800000",
        "0.81100000",
        "0",
    ]
    flat = ["100.00000000"] * 4 + ["0.00000000"]
    rest = ["0.00000000", 0, "0.00000000", "0.00000000", "0"]
    holes = [[MINUTE + n * 60_000, *flat, MINUTE + n * 60_000 + 59_999, *rest] for n in (1, 2)]
    now = [
        MINUTE + 180_000,
        *flat[:4],
        "0.00200000",
        MINUTE + 239_999,
        "0.20000000",
        1,
        "0.00000000",
        "0.00000000",
        "0",
    ]
    assert klines(world, "1m") == [first, *holes, now]
    assert klines(world, "1m", 2) == [holes[1], now]
    assert klines(world, "1m", startTime=MINUTE + 1) == [*holes, now]
    assert klines(world, "1m", 1, startTime=MINUTE) == [first]
    assert klines(world, "1m", endTime=MINUTE + 60_000) == [first, holes[0]]
    assert klines(world, "1m", startTime=0) == [first, *holes, now]  # from the first there is
    assert klines(world, "1m", 2, startTime=0) == [first, holes[0]]
    assert klines(world, "1m", startTime=MINUTE + 240_000) == []
    assert klines(world, "1m", startTime=MINUTE + 60_000, endTime=MINUTE + 60_000) == [holes[0]]


@pytest.mark.parametrize("interval", INTERVALS)
def test_klines_of_every_interval(world: VenueWorld, interval: str) -> None:
    world.until(START_NS + 40 * DAY_NS, order("sell", 10_000, 2))
    rows = klines(world, interval, 1_000, timeZone=8 if interval == "1d" else 0)
    period = INTERVALS[interval]._replace(origin=INTERVALS[interval].origin - (EAST_8_NS if interval == "1d" else 0))
    ends = [period.start_of(START_NS + 40 * DAY_NS)]
    while len(ends) < 1_000 and ends[-1] > period.start_of(START_NS):
        ends.append(period.after(ends[-1], -1))
    assert [row[0] for row in rows] == [start // MS for start in reversed(ends)]
    assert rows[-1][4:6] == ["100.00000000", "0.00200000"]
    whole = rows[0][0] == period.start_of(START_NS) // MS
    assert sum(row[8] for row in rows) == (5 if whole else 1)
    for row, after in pairwise(rows):
        assert row[6] == after[0] - 1


@pytest.mark.parametrize(("quarters", "rows", "first"), [(0, 81, 0), (4, 81, 0), (1, 62, 80 - 61)])
def test_klines_that_many_candles_are_read_for_are_fewer(
    world: VenueWorld, quarters: int, rows: int, first: int
) -> None:
    """Days of a clock that is a quarter of an hour ahead are made of 96 candles each, 62 of 6,000."""
    world.until(START_NS + 80 * DAY_NS, order("sell", 10_000, 2))
    offset = quarters * 15 * 60 * SECOND_NS
    got = klines(world, "1d", 1_000, timeZone=f"{quarters // 4}:{quarters % 4 * 15:02d}")
    start = INTERVALS["1d"]._replace(origin=-offset).start_of(START_NS)
    assert (len(got), got[0][0]) == (rows, (start + first * DAY_NS) // MS)


def test_an_unknown_interval(world: VenueWorld) -> None:
    with pytest.raises(BinanceError, match="Invalid interval") as refused:
        klines(world, "7m")
    assert refused.value.number == -1120


def test_klines_before_the_first_trade() -> None:
    assert klines(VenueWorld(), "1m") == []


# ---- tickers -------------------------------------------------------------------------------------------

STATS = {
    "symbol": "BTCUSDT",
    "priceChange": "-1.00000000",
    "priceChangePercent": "-0.990",
    "weightedAvgPrice": "101.22222222",
    "openPrice": "101.00000000",
    "highPrice": "102.00000000",
    "lowPrice": "100.00000000",
    "lastPrice": "100.00000000",
    "volume": "0.00900000",
    "quoteVolume": "0.91100000",
    "openTime": MINUTE - DAY + 60_000,
    "closeTime": START + 4,
    "firstId": 1,
    "lastId": 4,
    "count": 4,
}
TOP = {"bidPrice": "100.00000000", "bidQty": "0.00300000", "askPrice": "102.00000000", "askQty": "0.00400000"}
ONLY_FULL = ("priceChange", "priceChangePercent", "weightedAvgPrice")


def short(stats: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in stats.items() if field not in ONLY_FULL}


def test_ticker_24hr(world: VenueWorld) -> None:
    day = STATS | TOP | {"prevClosePrice": "0.00000000", "lastQty": "0.00100000"}
    assert world.ask("ticker.24hr") == day
    assert world.ask("ticker.24hr", type="MINI") == short(STATS)


def test_ticker_24hr_of_what_was_not_traded() -> None:
    empty = VenueWorld().ask("ticker.24hr")
    prices = ("priceChange", "openPrice", "highPrice", "lowPrice", "lastPrice", "prevClosePrice", "bidPrice")
    assert {empty[field] for field in prices} == {"0.00000000"}
    assert (empty["priceChangePercent"], empty["weightedAvgPrice"]) == ("0.000", "0.00000000")
    assert (empty["firstId"], empty["lastId"], empty["count"]) == (-1, -1, 0)
    assert (empty["lastQty"], empty["volume"], empty["quoteVolume"]) == ("0.00000000", "0.00000000", "0.00000000")


def test_ticker_of_a_window(world: VenueWorld) -> None:
    hour = STATS | {"openTime": MINUTE - 3_600_000}
    assert world.ask("ticker", windowSize="1h") == hour
    assert world.ask("ticker", windowSize="1h", type="MINI") == short(hour)
    world.do(order("sell", 10_000, 1), ms=180_000)
    minutes = world.ask("ticker", windowSize="2m")
    assert (minutes["count"], minutes["firstId"], minutes["volume"]) == (1, 5, "0.00100000")


def test_ticker_of_the_day(world: VenueWorld) -> None:
    day = STATS | {"openTime": 1_699_920_000_000, "closeTime": 1_699_920_000_000 + DAY - 1}
    assert world.ask("ticker.tradingDay") == day
    east = world.ask("ticker.tradingDay", type="MINI", timeZone=8)
    assert east == short(STATS | {"openTime": 1_699_977_600_000, "closeTime": 1_699_977_600_000 + DAY - 1})


def test_prices(world: VenueWorld) -> None:
    assert world.ask("ticker.price") == {"symbol": "BTCUSDT", "price": "100.00000000"}
    assert world.ask("ticker.book") == {"symbol": "BTCUSDT"} | TOP
    average = {"mins": 5, "price": "101.22222222", "closeTime": START + 4}
    assert world.ask("avgPrice") == average
    empty = {"mins": 5, "price": "0.00000000", "closeTime": 0}
    assert VenueWorld().ask("avgPrice") == empty


# ---- exchangeInfo --------------------------------------------------------------------------------------

PRICE = {
    "filterType": "PRICE_FILTER",
    "minPrice": "0.01000000",
    "maxPrice": "10000000000000000.00000000",
    "tickSize": "0.01000000",
}
LOT = {
    "filterType": "LOT_SIZE",
    "minQty": "0.00100000",
    "maxQty": "1000000000000000.00000000",
    "stepSize": "0.00100000",
}
NOTIONAL = {"filterType": "MIN_NOTIONAL", "minNotional": "0.00000000", "applyToMarket": True, "avgPriceMins": 0}
ICEBERG = {"filterType": "ICEBERG_PARTS", "limit": 100}
MAX_ORDERS = {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 1000}
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 18,
    "quoteAsset": "USDT",
    "quotePrecision": 18,
    "quoteAssetPrecision": 18,
    "baseCommissionPrecision": 18,
    "quoteCommissionPrecision": 18,
    "orderTypes": [
        "LIMIT",
        "LIMIT_MAKER",
        "MARKET",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    ],
    "icebergAllowed": True,
    "ocoAllowed": False,
    "otoAllowed": False,
    "quoteOrderQtyMarketAllowed": True,
    "allowTrailingStop": False,
    "cancelReplaceAllowed": True,
    "amendAllowed": True,
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "filters": [PRICE, LOT, NOTIONAL, ICEBERG, MAX_ORDERS],
    "permissions": ["SPOT"],
    "permissionSets": [["SPOT"]],
    "defaultSelfTradePreventionMode": "EXPIRE_TAKER",
    "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
}


def test_exchange_info_of_a_matched_instrument(world: VenueWorld) -> None:
    assert plain(exchange_symbols(world.services, None, [BTC])) == [SYMBOL]
    world.do(TradingStatus(BTC.symbol, "halted"))
    assert exchange_symbols(world.services, None, [BTC])[0]["status"] == "HALT"
    world.do(TradingStatus(BTC.symbol, "closed"))
    assert exchange_symbols(world.services, None, [BTC])[0]["status"] == "BREAK"


def test_exchange_info_of_what_is_only_mirrored(world: VenueWorld) -> None:
    world.do(ListInstrument(MIRROR), VenueTrade(MIRROR.symbol, "x", 5_000, 1, "buy", 0))
    (row,) = plain(exchange_symbols(world.services, None, [MIRROR]))
    assert (row["symbol"], row["isSpotTradingAllowed"], row["orderTypes"]) == ("ETHUSD", False, [])
    assert [rule["filterType"] for rule in row["filters"]] == ["PRICE_FILTER", "LOT_SIZE", "MIN_NOTIONAL"]


def test_exchange_info_hides_what_a_key_may_not_see(world: VenueWorld) -> None:
    world.do(ListInstrument(MIRROR))
    both = [BTC, MIRROR]
    identity = Identity("k", "a", frozenset(), (), ("V:*",))
    assert [row["symbol"] for row in exchange_symbols(world.services, identity, both)] == ["ETHUSD"]
    locked = VenueWorld(require_key=True)
    assert exchange_symbols(locked.services, None, [BTC]) == []


def test_filters_say_the_limits_of_the_instrument() -> None:
    limited = msgspec.structs.replace(
        BTC, size_max="100", notional_min="5", notional_max="1000000", price_band="0.2", lot_size="0.00010"
    )
    assert filters(limited) == [
        PRICE,
        LOT | {"minQty": "0.00010000", "maxQty": "100.00000000", "stepSize": "0.00010000"},
        NOTIONAL | {"minNotional": "5.00000000"},
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "1000000.00000000",
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.200000",
            "multiplierDown": "0.800000",
            "avgPriceMins": 0,
        },
        ICEBERG,
        MAX_ORDERS,
    ]
