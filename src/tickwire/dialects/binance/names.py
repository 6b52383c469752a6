"""What the venue calls things: symbols, and an instrument as `exchangeInfo` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tickwire.dialects.binance.decimals import formats, padded
from tickwire.limits import ICEBERG_SLICES_MAX, OPEN_ORDERS_MAX
from tickwire.market.market import Market
from tickwire.model.events import Status
from tickwire.model.instrument import MILLIONTHS, Instrument
from tickwire.model.units import ASSET_DECIMALS, UNITS_MAX

ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
SELF_TRADE_PREVENTION = {
    "cancel_newest": "EXPIRE_TAKER",
    "cancel_oldest": "EXPIRE_MAKER",
    "cancel_both": "EXPIRE_BOTH",
    "decrement": "DECREMENT",
}
"""What we call the ways of it, and what the venue does."""
_STATUS = {"open": "TRADING", "halted": "HALT", "closed": "BREAK"}


def name_of(instrument: Instrument) -> str:
    """What the venue calls it: "BTCUSDT"."""
    return (instrument.base + instrument.quote).upper()


class Names:
    """The instruments by the venue's names. Where several have one name, it is that of the one that is matched here,
    else of the one that was listed first."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._listed = -1
        self._table: dict[str, Instrument] = {}

    def table(self) -> Mapping[str, Instrument]:
        """All of them as they are now, in the order of listing. To be asked for once a request."""
        if self._listed != self._market.listed:
            self._listed, self._table = self._market.listed, {}
            for instrument in self._market.instruments:
                name = name_of(instrument)
                holder = self._table.setdefault(name, instrument)
                if holder.kind != "matched" and instrument.kind == "matched":
                    self._table[name] = instrument
        return self._table


def symbol_info(instrument: Instrument, status: Status) -> dict[str, Any]:
    """An instrument as `exchangeInfo` describes it. One that only mirrors a venue can be watched, not traded."""
    matched = instrument.kind == "matched"
    return {
        "symbol": name_of(instrument),
        "status": _STATUS[status.trading],
        "baseAsset": instrument.base,
        "baseAssetPrecision": ASSET_DECIMALS,
        "quoteAsset": instrument.quote,
        "quotePrecision": ASSET_DECIMALS,
        "quoteAssetPrecision": ASSET_DECIMALS,
        "baseCommissionPrecision": ASSET_DECIMALS,
        "quoteCommissionPrecision": ASSET_DECIMALS,
        "orderTypes": ORDER_TYPES if matched else [],
        "icebergAllowed": matched,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": matched,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": matched,
        "amendAllowed": matched,
        "isSpotTradingAllowed": matched,
        "isMarginTradingAllowed": False,
        "filters": filters(instrument),
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": SELF_TRADE_PREVENTION["cancel_newest"],
        "allowedSelfTradePreventionModes": list(SELF_TRADE_PREVENTION.values()),
    }


def filters(instrument: Instrument) -> list[dict[str, Any]]:
    """The rules of an instrument's orders, PRICE_FILTER first: there are clients that look for it there."""
    i = instrument
    price, size, _ = formats(i)
    rows: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price(1),
            "maxPrice": price(UNITS_MAX),
            "tickSize": price(1),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": size(1),
            "maxQty": padded(i.size_max) if i.size_max else size(UNITS_MAX),
            "stepSize": size(1),
        },
        {
            "filterType": "MIN_NOTIONAL",
            "minNotional": padded(i.notional_min or "0"),
            "applyToMarket": True,
            "avgPriceMins": 0,
        },
    ]
    if i.notional_max:
        rows.append(
            {
                "filterType": "NOTIONAL",
                "minNotional": padded(i.notional_min or "0"),
                "applyMinToMarket": True,
                "maxNotional": padded(i.notional_max),
                "applyMaxToMarket": True,
                "avgPriceMins": 0,
            }
        )
    if i.price_band:
        band = MILLIONTHS.parse(i.price_band, "price_band")
        rows.append(
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": MILLIONTHS.format(1_000_000 + band),
                "multiplierDown": MILLIONTHS.format(max(0, 1_000_000 - band)),
                "avgPriceMins": 0,
            }
        )
    if i.kind == "matched":
        rows.append({"filterType": "ICEBERG_PARTS", "limit": ICEBERG_SLICES_MAX})
        rows.append({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX})
    return rows
