"""Order entry (EMS) on one server: exchanges, symbols, balances and positions, and the codec that says them.

Each venue of ours with instruments that can be traded is an exchange. An account is one account, whichever exchange it
trades on: its balances are shown on each of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import UNSET

from tickwire.dialects.base import Services
from tickwire.dialects.coinapi.codecs import NamedCodec, framed
from tickwire.dialects.coinapi.ems_messages import NOTHING, Balance, Position, Snapshot, SymbolRow
from tickwire.dialects.coinapi.ems_reports import Blotter
from tickwire.dialects.coinapi.exrates import prices, significant
from tickwire.dialects.coinapi.ids import find_instrument, guid, native_id, symbol_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.view import View
from tickwire.errors import UnknownSymbol
from tickwire.model import events
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances, Event, OrderUpdate, Positions
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.units import asset_text
from tickwire.protocol.render_account import average_price

UpdatedBy = Literal["INITIALIZATION", "BALANCE_MANAGER", "EXCHANGE"]


class Ems:
    """What all sessions of order entry on one server share.

    Attributes:
        blotter: the orders, as reports.
        started: when the first of them came, ns.
        instance_guid: another one after each start.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self.blotter = Blotter(services.market)
        self.started = services.now()
        self.instance_guid = guid(f"server {services.epoch} {self.started}").lower()
        self._exchanges: list[str] = []
        self._listed = -1

    @property
    def exchanges(self) -> list[str]:
        """The venues that can be traded on."""
        market = self.services.market
        if self._listed != market.listed:
            self._listed = market.listed
            self._exchanges = list(dict.fromkeys(each.venue for each in market.instruments if each.kind == "matched"))
        return self._exchanges

    def symbols(self, exchange_id: str, identity: Identity) -> list[SymbolRow]:
        """The instruments of an exchange of which the key may see anything."""
        return [
            SymbolRow(
                symbol_id_coinapi=symbol_id(each),
                symbol_id_exchange=native_id(each),
                asset_id_base_exchange=each.base,
                asset_id_quote_exchange=each.quote,
                asset_id_base_coinapi=each.base,
                asset_id_quote_coinapi=each.quote,
                price_precision=Number(each.tick_size),
                size_precision=Number(each.lot_size),
            )
            for each in self.services.market.instruments
            if _tradable(each, exchange_id) and any(identity.may_see(channel, each.symbol) for channel in each.channels)
        ]

    def find(self, exchange_id: str, symbol: str) -> Instrument | None:
        """The instrument of an exchange with this symbol id, the vendor's, the exchange's or ours."""
        market = self.services.market
        found = find_instrument(market, symbol)
        for name in (f"{exchange_id}:{symbol}", symbol):
            if found is None:
                with suppress(UnknownSymbol):
                    found = market.listing(name).instrument
        return found if found is not None and _tradable(found, exchange_id) else None

    def balances(self, rows: list[tuple[str, int, int]], by: UpdatedBy, exchange_id: str = "") -> list[Balance]:
        """Balances, (asset, available, held) each; with an exchange as messages of their own, else as rows."""
        return [
            Balance(
                type="BALANCE_UPDATE" if exchange_id else UNSET,
                exchange_id=exchange_id or UNSET,
                asset_id_exchange=asset,
                asset_id_coinapi=asset,
                balance=Number(asset_text(available + held)),
                available=Number(asset_text(available)),
                locked=Number(asset_text(held)),
                last_updated_by=by,
                rate_usd=self._rate_usd(asset),
            )
            for asset, available, held in rows
        ]

    def positions(self, rows: list[events.Position], *, update: bool) -> list[tuple[str, Position]]:
        """Positions, each with its exchange; as messages of their own, or as rows."""
        shown = []
        for row in rows:
            instrument = self.services.market.listing(row.instrument).instrument
            size, unrealised = abs(row.size), row.unrealised
            profit = None if unrealised is None else Number(instrument.notional.format(unrealised))
            position = Position(
                type="POSITION_UPDATE" if update else UNSET,
                exchange_id=instrument.venue if update else UNSET,
                symbol_id_exchange=native_id(instrument),
                symbol_id_coinapi=symbol_id(instrument),
                avg_entry_price=Number(average_price(row.cost, size, instrument.price)) if size else NOTHING,
                quantity=Number(instrument.size.format(size)),
                side="SELL" if row.size < 0 else "BUY",
                unrealised_pnl=profit,
                unrealized_pnl=profit,
            )
            shown.append((instrument.venue, position))
        return shown

    # ---- an account as it stands -----------------------------------------------------------------

    def open_orders(self, account: str, exchange_id: str) -> list[Any]:
        """The open orders of an account on an exchange, oldest first."""
        orders = self.services.market.open_orders_of(account)
        return self.blotter.reports(
            account, [order for order in orders if self._venue(order.symbol) == exchange_id], update=False
        )

    def all_balances(self, account: str) -> list[Balance]:
        """Every balance of an account."""
        event = self.services.market.view(StreamKey("balances", account))
        assert isinstance(event, Balances)
        return self.balances(event.balances, "INITIALIZATION")

    def all_positions(self, account: str, exchange_id: str) -> list[Position]:
        """Every position of an account on an exchange that is not closed."""
        event = self.services.market.view(StreamKey("positions", account))
        assert isinstance(event, Positions)
        rows = self.positions([row for row in event.positions if row.size], update=False)
        return [position for venue, position in rows if venue == exchange_id]

    def _venue(self, symbol: str) -> str:
        return self.services.market.listing(symbol).instrument.venue

    def _rate_usd(self, asset: str) -> Number | None:
        """What one of an asset is worth in US dollars."""
        ratio = prices(View.of(self.services, None)).in_usd().get(asset)
        return None if ratio is None else Number(significant(*ratio))


@dataclass(frozen=True, slots=True)
class EmsCodec(NamedCodec):
    """Says what happens to an account. All its sessions share the bytes; what a client missed, the snapshots that
    follow make up for."""

    ems: Ems

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """The orders, balances and positions that a transaction has changed, in order."""
        ems, account = self.ems, key.symbol
        orders = [event.order for event in events if isinstance(event, OrderUpdate)]
        reports = iter(ems.blotter.reports(account, orders, update=True))
        by: UpdatedBy = "EXCHANGE" if orders else "BALANCE_MANAGER"
        said: list[Any] = []
        for event in events:
            if isinstance(event, OrderUpdate):
                said.append(next(reports))
            elif isinstance(event, Balances):
                for exchange_id in ems.exchanges:
                    said += ems.balances(event.balances, by, exchange_id)
            elif isinstance(event, Positions):
                said += [position for _, position in ems.positions(event.positions, update=True)]
        return b"".join(map(framed, said))

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """The account as it stands, exchange by exchange. It replaces what the client had."""
        account, ems = key.symbol, self.ems
        said: list[Snapshot] = []
        for exchange_id in ems.exchanges:
            said.append(Snapshot("ORDER_EXEC_REPORT_SNAPSHOT", exchange_id, ems.open_orders(account, exchange_id)))
            said.append(Snapshot("BALANCE_SNAPSHOT", exchange_id, ems.all_balances(account)))
            said.append(Snapshot("POSITION_SNAPSHOT", exchange_id, ems.all_positions(account, exchange_id)))
        return b"".join(map(framed, said))


def _tradable(instrument: Instrument, exchange_id: str) -> bool:
    return instrument.kind == "matched" and instrument.venue == exchange_id
