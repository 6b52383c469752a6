"""Metadata over HTTP: exchanges, assets and symbols, and what this server has none of."""

from __future__ import annotations

import msgspec

from tickwire.dialects.coinapi.ids import native_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.metadata import AssetObject, Catalog, ExchangeObject, SymbolObject, catalog
from tickwire.dialects.coinapi.rest_call import Call, NoData, NotYet
from tickwire.market.listing import Listing


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
    wanted, objects = call.listed("filter_exchange_id"), catalog(call.view)
    found = {
        name: listings
        for name, listings in objects.by_exchange.items()
        if (not wanted or name.upper() in wanted) and any(call.has(each.instrument) for each in listings)
    }
    call.charge(len(found), "filter_exchange_id")
    _look_at(objects, [each for listings in found.values() for each in listings])
    return [shown for name in found if (shown := objects.exchange(name)) is not None]


def exchange(call: Call) -> list[ExchangeObject]:
    """`/exchanges/{exchange_id}`"""
    exchange_id = call.exchange()
    return [each for each in exchanges(call) if each.exchange_id.upper() == exchange_id]


def assets(call: Call) -> list[AssetObject]:
    """`/assets`"""
    return _assets(call, call.listed("filter_asset_id"))


def asset(call: Call) -> list[AssetObject]:
    """`/assets/{asset_id}`"""
    asset_id = call.names["asset_id"].upper()
    found = _assets(call, [asset_id])
    if not found:
        raise NoData(f"there is no asset {asset_id!r}")
    return found


def symbols(call: Call) -> list[SymbolObject]:
    """`/symbols` and `/symbols/{exchange_id}`"""
    objects, found = catalog(call.view), [listing for _, listing in _found(call)]
    _look_at(objects, found)
    return [objects.symbol(each.instrument) for each in found]


def mapping(call: Call) -> list[MappingRow]:
    """`/symbols/map/{exchange_id}`"""
    return [
        MappingRow(
            name, native_id(each), each.base, each.quote, each.base, each.quote, Number(each.tick_size),
            Number(each.lot_size),
        )
        for name, each in ((name, listing.instrument) for name, listing in _found(call))
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


def _assets(call: Call, wanted: list[str]) -> list[AssetObject]:
    """Those that are wanted; none means all."""
    objects = catalog(call.view)
    found = objects.assets_named(wanted) if wanted else objects.by_asset
    call.charge(len(found), "filter_asset_id")
    _look_at(objects, [each for listings in found.values() for each in listings])
    return [shown for name in found if (shown := objects.asset(name)) is not None]


def _found(call: Call) -> list[tuple[str, Listing]]:
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
            found.append((name, listing))
    call.charge(len(found), "filter_symbol_id")
    return found


def _look_at(objects: Catalog, listings: list[Listing]) -> None:
    """Raises:
    NotYet: they are too many for one moment.
    """
    if not objects.know(listings):
        raise NotYet
