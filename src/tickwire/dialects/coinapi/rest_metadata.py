"""Metadata over HTTP: exchanges, assets and symbols, and what this server has none of."""

from __future__ import annotations

import msgspec

from tickwire.dialects.coinapi.ids import native_id, symbol_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.metadata import AssetObject, ExchangeObject, SymbolObject, catalog
from tickwire.dialects.coinapi.rest_call import ITEMS_MAX, Call, NoData
from tickwire.errors import InvalidInput
from tickwire.model.instrument import Instrument


class MappingRow(msgspec.Struct, frozen=True):
    """How a symbol and its assets are called at the exchange, and here."""

    symbol_id: str
    symbol_id_exchange: str
    asset_id_base_exchange: str
    asset_id_quote_exchange: str
    asset_id_base: str
    asset_id_quote: str
    price_precision: Number
    size_precision: Number


def exchanges(call: Call) -> list[ExchangeObject]:
    """`/exchanges`"""
    wanted = call.listed("filter_exchange_id")
    return [
        found
        for each in dict.fromkeys(instrument.venue for instrument in _instruments(call))
        if (not wanted or each.upper() in wanted) and (found := catalog(call.view).exchange(each)) is not None
    ]


def exchange(call: Call) -> list[ExchangeObject]:
    """`/exchanges/{exchange_id}`"""
    exchange_id = call.exchange()
    return [each for each in exchanges(call) if each.exchange_id.upper() == exchange_id]


def assets(call: Call) -> list[AssetObject]:
    """`/assets`"""
    wanted = call.listed("filter_asset_id")
    objects = catalog(call.view)
    names = [each for each in objects.asset_ids if not wanted or each.upper() in wanted]
    _bounded(len(names), "filter_asset_id")
    return [found for each in names if (found := objects.asset(each)) is not None]


def asset(call: Call) -> list[AssetObject]:
    """`/assets/{asset_id}`"""
    objects, asset_id = catalog(call.view), call.names["asset_id"].upper()
    name = next((each for each in objects.asset_ids if each.upper() == asset_id), "")
    found = objects.asset(name) if name else None
    if found is None:
        raise NoData(f"there is no asset {asset_id!r}")
    return [found]


def symbols(call: Call) -> list[SymbolObject]:
    """`/symbols` and `/symbols/{exchange_id}`"""
    venues = [call.exchange()] if "exchange_id" in call.names else call.listed("filter_exchange_id")
    wanted, parts = call.listed("filter_asset_id"), call.listed("filter_symbol_id")
    found = [
        each
        for each in _instruments(call)
        if (not venues or each.venue.upper() in venues)
        and (not wanted or each.base.upper() in wanted or each.quote.upper() in wanted)
        and (not parts or any(part in symbol_id(each).upper() for part in parts))
    ]
    _bounded(len(found), "filter_symbol_id")
    return [catalog(call.view).symbol(each) for each in found]


def mapping(call: Call) -> list[MappingRow]:
    """`/symbols/map/{exchange_id}`"""
    exchange_id = call.exchange()
    return [
        MappingRow(
            symbol_id(each),
            native_id(each),
            each.base,
            each.quote,
            each.base,
            each.quote,
            Number(each.tick_size),
            Number(each.lot_size),
        )
        for each in _instruments(call)
        if each.venue.upper() == exchange_id
    ]


def nothing(_: Call) -> list[object]:
    """There are no icons, and no metrics to list."""
    return []


def options(call: Call) -> list[object]:
    """`/options/{exchange_id}/current`: no exchange here has any."""
    call.exchange()
    return []


def metrics(_: Call) -> list[object]:
    """Metrics, current or past."""
    raise NoData("no metrics are kept here; what was traded is in /v1/symbols and /v1/ohlcv")


def iex_messages(_: Call) -> list[object]:
    """The native messages of an exchange."""
    raise NoData("the native messages of this exchange are not kept; trades, quotes and books are under /coinapi/v1")


def _instruments(call: Call) -> list[Instrument]:
    return [each for each in catalog(call.view).instruments if call.has(each)]


def _bounded(count: int, field: str) -> None:
    if count > ITEMS_MAX:
        raise InvalidInput(f"there are {count}; name those that you want, at most {ITEMS_MAX}", field=field)
