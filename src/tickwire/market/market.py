"""The market: the pure fold of the tape. Same records, same events, same state, on every machine.

    market = Market()
    for record in transaction:
        events = market.apply(record)

It reads no clock and knows no one who listens. Time is the last `Clock` record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from tickwire.book.l3 import L3Book
from tickwire.engine.ledger import Ledger
from tickwire.errors import InvalidInput, TapeError, UnknownSymbol
from tickwire.limits import INSTRUMENTS_MAX
from tickwire.market.accounts import Account
from tickwire.market.listing import Listing
from tickwire.market.matched import MatchedListing
from tickwire.market.mirrored import MirroredListing
from tickwire.market.out import Heard, Out
from tickwire.market.portfolio import portfolio
from tickwire.market.state import MarketState, Version
from tickwire.market.trading import Trading
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Event, Fill
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order, RestingOrder
from tickwire.model.outcome import Done, Outcome, Refused
from tickwire.model.records import (
    COMMANDS,
    Clock,
    Command,
    FeedState,
    FeedStatus,
    ListInstrument,
    Record,
    TradingStatus,
)

SECOND_NS = 1_000_000_000
_VERSION = 4


class Market:
    """All instruments of a server.

    Attributes:
        now: the tape's time, nanoseconds.
        changed: symbols that a record has touched since whoever publishes last cleared it.
        outcome: what the last record came to, where it was a command.
        listed: how many records have listed an instrument, or another in its place. It is not part of the state.
        heard: the lossless streams that events are made for; None for all. It changes no state.
    """

    def __init__(self) -> None:
        self.now = 0
        self.changed: set[str] = set()
        self.outcome: Outcome | None = None
        self.listed = 0
        self.heard: Heard | None = None
        self._listings: dict[str, Listing] = {}
        self._trading = Trading(self._listings, self.changed)
        self._feeds: dict[str, tuple[FeedState, str]] = {}
        self._folds: dict[type, Callable[[Any, Out], None]] = {
            Clock: self._clock,
            ListInstrument: self._list,
            FeedStatus: self._feed_status,
            TradingStatus: self._trading_status,
            **dict.fromkeys(COMMANDS, self._command),
        }
        """What is done with a record. `isinstance` takes long to find that a Struct is of another type."""

    def apply(self, record: Record) -> list[Event]:
        """Fold one record and return what it makes public, in order.

        A record that makes no sense (an unknown symbol, an order that is gone) changes nothing: the tape
        holds what was asked, the market decides.
        """
        out = Out(self.heard)
        self._folds.get(type(record), self._report)(record, out)
        return out.events

    def _report(self, record: Any, out: Out) -> None:
        """What a venue says of one instrument."""
        listing = self._listings.get(record.symbol)
        if listing is not None:
            self.changed.add(record.symbol)
            listing.apply(record, self.now, out)

    def _command(self, record: Command, out: Out) -> None:
        self.outcome = self._trading.apply(record, out)

    def _feed_status(self, record: FeedStatus, out: Out) -> None:
        self._feeds[record.feed] = (record.state, record.reason)
        for listing in self._listings.values():
            if listing.instrument.feed == record.feed:
                listing.set_feed(record.state, record.reason, self.now, out)

    def _trading_status(self, record: TradingStatus, out: Out) -> None:
        self.outcome = Refused("unknown_symbol", f"no instrument {record.symbol!r}", "symbol")
        if record.symbol in self._listings:
            self.outcome = Done([])
            self._listings[record.symbol].set_trading(record.state, self.now, out)

    def _clock(self, record: Clock, out: Out) -> None:
        ts = record.ts
        if ts <= self.now:
            return
        new_second = ts // SECOND_NS != self.now // SECOND_NS
        self.now = ts
        self._trading.clock(ts, out)
        if new_second:
            for symbol, listing in self._listings.items():
                before = listing.seq["ticker"]
                listing.clock(ts, out)
                if listing.seq["ticker"] != before:
                    self.changed.add(symbol)

    def _list(self, record: ListInstrument, out: Out) -> None:
        instrument = record.instrument
        symbol = instrument.symbol
        known = self._listings.get(symbol)
        if known is not None and known.instrument == instrument:
            return
        if known is None and len(self._listings) >= INSTRUMENTS_MAX:
            return
        listing = _new_listing(instrument)
        self.listed += 1
        if known is not None:
            self._trading.relist(symbol, out)
        self._listings[symbol] = listing
        self.changed.add(symbol)
        if instrument.feed in self._feeds:
            listing.feed, listing.feed_reason = self._feeds[instrument.feed]
        if known is not None:
            listing.count_on(known.seq)
            listing.candles.count_on(known.candles)
            listing.set_quote(self.now, None, 0, None, 0, ts_event=0)
        listing.say_status(self.now, out)
        if known is not None:
            listing.say_snapshot(self.now, out)

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def instruments(self) -> list[Instrument]:
        """Every instrument, in the order of listing."""
        return [listing.instrument for listing in self._listings.values()]

    @property
    def feeds(self) -> Mapping[str, tuple[FeedState, str]]:
        """Every feed ever heard of: its state and the reason."""
        return self._feeds

    def listing(self, symbol: str) -> Listing:
        """The state of one instrument.

        Raises:
            UnknownSymbol: there is none.
        """
        listing = self._listings.get(symbol)
        if listing is None:
            raise UnknownSymbol(symbol)
        return listing

    def view(self, key: StreamKey) -> Event | None:
        """A stream as it stands now, of a channel that the instrument has; None for what has not happened yet.

        A private stream of an account that has not done anything yet is an empty one.

        Raises:
            UnknownSymbol: there is no such instrument.
        """
        if key.channel in PRIVATE_CHANNELS:
            account = self._account(key.symbol)
            marks = {symbol: self._listings[symbol].last_price for symbol in account.positions}
            return account.view(key.channel, self.now, marks)
        return self.listing(key.symbol).view(key, self.now)

    def seq(self, key: StreamKey) -> int:
        """The number of the last change of a stream."""
        if key.channel in PRIVATE_CHANNELS:
            return self._account(key.symbol).seq[key.channel]
        return self.listing(key.symbol).seq_of(key)

    def book(self, symbol: str) -> L3Book:
        """The book of an instrument, live: it changes with the next record."""
        return self.listing(symbol).book

    def open_orders(self, symbol: str, account: str) -> Mapping[int, RestingOrder]:
        """An account's resting orders by id, live."""
        listing = self.listing(symbol)
        return listing.open_orders(account) if isinstance(listing, MatchedListing) else {}

    def last_price(self, symbol: str) -> int | None:
        """Ticks of the last trade, None before the first."""
        return self.listing(symbol).last_price

    # ---- accounts --------------------------------------------------------------------------------

    def _account(self, name: str) -> Account:
        return self._trading.accounts.get(name) or Account(name, {})

    @property
    def ledger(self) -> Ledger:
        """All balances. Not to be changed."""
        return self._trading.ledger

    @property
    def guarded_sessions(self) -> list[str]:
        """Sessions whose end would cancel orders."""
        return self._trading.guarded_sessions

    def order(self, account: str, order_id: int = 0, client_order_id: str = "") -> Order | None:
        """An order of an account by either id, live or ended not long ago. Not to be changed."""
        return self._account(account).order(order_id, client_order_id)

    def open_orders_of(self, account: str, symbol: str = "") -> list[Order]:
        """An account's open and waiting orders, oldest first. Not to be changed."""
        return [order for order in self._account(account).live.values() if symbol in ("", order.symbol)]

    def ended_orders_of(self, account: str) -> list[Order]:
        """An account's orders that ended not long ago, in the order of their ends. Not to be changed."""
        return list(self._account(account).closed.values())

    def fills_of(self, account: str) -> list[Fill]:
        """An account's newest fills, oldest first."""
        return list(self._account(account).fills)

    def order_fills(self, account: str, order_id: int) -> list[Fill]:
        """Those of an account's newest fills that are an order's."""
        return [fill for fill in self._account(account).fills if fill.order_id == order_id]

    def missed_fills(self, account: str, after_seq: int) -> list[Fill] | None:
        """An account's fills after a number; None when not all are kept, or the number is yet to come."""
        return self._account(account).missed_fills(after_seq)

    def portfolio(self, account: str, currency: str) -> tuple[int, list[tuple[str, int, int | None]]]:
        """The total and each asset's (asset, amount, value), valued in a currency at the present prices.

        Raises:
            InvalidInput: no instrument has to do with this currency.
        """
        return portfolio(self._account(account).balances, currency, self._listings.values())

    # ---- snapshots -------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The whole state as JSON, which has integers of any size. Equal states give equal bytes."""
        state = MarketState(
            _VERSION,
            self.now,
            self._feeds,
            [listing.dump() for listing in self._listings.values()],
            self._trading.dump(),
        )
        return msgspec.json.encode(state)

    @classmethod
    def restore(cls, snapshot: bytes) -> Market:
        """The market that `snapshot` was taken of.

        Raises:
            TapeError: the bytes are not a snapshot of this version.
        """
        market = cls()
        try:
            version = msgspec.json.decode(snapshot, type=Version).version
            if version != _VERSION:
                raise TapeError(f"the snapshot has version {version}, this tickwire reads {_VERSION}")
            state = msgspec.json.decode(snapshot, type=MarketState)
            for row in state.listings:
                listing = market._listings[row.instrument.symbol] = _new_listing(row.instrument)
                listing.load(row)
            market._trading.load(state.trading)
        except (msgspec.DecodeError, InvalidInput, ValueError) as error:
            raise TapeError(f"the snapshot is not one that this version can read: {error}") from error
        market.now, market._feeds = state.now, state.feeds
        market._trading.now = state.now
        return market

    def digest(self) -> str:
        """A hash of the whole state: two markets are equal when their digests are."""
        return blake2b(self.snapshot(), digest_size=16).hexdigest()


def _new_listing(instrument: Instrument) -> Listing:
    return MatchedListing(instrument) if instrument.kind == "matched" else MirroredListing(instrument)
