"""Metadata over HTTP: exchanges, assets and symbols, and what this server has none of."""

from __future__ import annotations

import msgspec

from tickwire.dialects.coinapi.ids import native_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.metadata import AssetObject, Catalog, ExchangeObject, SymbolObject, catalog, pasts
from tickwire.dialects.coinapi.rest_call import Call, NoData, NotYet
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
    wanted, objects = call.listed("filter_exchange_id"), _objects(call)
    names = [
        name
        for name, listings in objects.by_exchange.items()
        if (not wanted or name.upper() in wanted) and any(call.has(each.instrument) for each in listings)
    ]
    call.charge(len(names), "filter_exchange_id")
    return [found for each in names if (found := objects.exchange(each)) is not None]


def exchange(call: Call) -> list[ExchangeObject]:
    """`/exchanges/{exchange_id}`"""
    exchange_id = call.exchange()
    return [each for each in exchanges(call) if each.exchange_id.upper() == exchange_id]


def assets(call: Call) -> list[AssetObject]:
    """`/assets`"""
    wanted, objects = call.listed("filter_asset_id"), _objects(call)
    names = [each for each in objects.by_asset if not wanted or each.upper() in wanted]
    call.charge(len(names), "filter_asset_id")
    return [found for each in names if (found := objects.asset(each)) is not None]


def asset(call: Call) -> list[AssetObject]:
    """`/assets/{asset_id}`"""
    objects, asset_id = _objects(call), call.names["asset_id"].upper()
    name = next((each for each in objects.by_asset if each.upper() == asset_id), "")
    found = objects.asset(name)
    if found is None:
        raise NoData(f"there is no asset {asset_id!r}")
    return [found]


def symbols(call: Call) -> list[SymbolObject]:
    """`/symbols` and `/symbols/{exchange_id}`"""
    objects, found = _objects(call), _found(call)
    return [objects.symbol(each) for _, each in found]


def mapping(call: Call) -> list[MappingRow]:
    """`/symbols/map/{exchange_id}`"""
    return [
        MappingRow(
            name, native_id(each), each.base, each.quote, each.base, each.quote, Number(each.tick_size),
            Number(each.lot_size),
        )
        for name, each in _found(call)
    ]  # fmt: skip


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


def _objects(call: Call) -> Catalog:
    """Everything that the caller may see.

    Raises:
        NotYet: it has not all been looked up today.
    """
    if not pasts(call.view).read_on():
        raise NotYet
    return catalog(call.view)


def _found(call: Call) -> list[tuple[str, Instrument]]:
    """The instruments that are asked for, each with its symbol id; counted."""
    venues = [call.exchange()] if "exchange_id" in call.names else call.listed("filter_exchange_id")
    wanted, parts = call.listed("filter_asset_id"), call.listed("filter_symbol_id")
    found = []
    for name, listing in catalog(call.view).listings:
        each = listing.instrument
        if (
            call.has(each)
            and (not venues or each.venue.upper() in venues)
            and (not wanted or each.base.upper() in wanted or each.quote.upper() in wanted)
            and (not parts or any(part in name.upper() for part in parts))
        ):
            found.append((name, each))
    call.charge(len(found), "filter_symbol_id")
    return found
