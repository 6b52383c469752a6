"""The state of a market as a snapshot keeps it, types only: what is decoded can't be compiled (decision 14)."""

from __future__ import annotations

import msgspec

from tickwire.market.candles import CandleState
from tickwire.market.window import BucketState
from tickwire.model.events import Fill, Quote, Rate, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order, RestingOrder
from tickwire.model.outcome import Outcome
from tickwire.model.records import FeedState, GuardScope, Level, PlaceOrder, TradingState


class PositionBook(msgspec.Struct, gc=False):
    """What the fills on one instrument add up to; `Position` says what the numbers mean."""

    size: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0

    def fill(self, side: str, price: int, size: int, fee: int) -> None:
        """Count a fill. What it closes is realised at the average price, rounded down to a tick x lot; the cost that
        stays makes up for the rounding, so that no unit is lost in the sum."""
        self.fees += fee
        signed = size if side == "buy" else -size
        if self.size * signed < 0:
            closed = min(size, abs(self.size))
            cost = self.cost * closed // abs(self.size)
            self.cost -= cost
            self.realised += price * closed - cost if self.size > 0 else cost - price * closed
            size -= closed
        self.size += signed
        self.cost += price * size


class AccountState(msgspec.Struct, frozen=True):
    """An account as a snapshot keeps it."""

    name: str
    seq: dict[str, int]
    live: list[Order]
    closed: list[Order]
    answers: list[tuple[str, PlaceOrder, Outcome]]
    fills: list[Fill]
    positions: dict[str, PositionBook]
    killed: bool
    dead_man: int


class AccountsState(msgspec.Struct, frozen=True):
    """All accounts as a snapshot keeps them."""

    next_order_id: int
    balances: dict[str, dict[str, tuple[int, int]]]
    accounts: list[AccountState]
    guards: dict[str, tuple[str, GuardScope]]
    killed: list[str]
    transfers: list[tuple[str, tuple[str, str, str]]]


class MirrorState(msgspec.Struct, frozen=True):
    """What a mirrored listing has beside: what it holds back, and what the venue's next records are judged by."""

    held: dict[str, dict[int, int]]
    held_orders: list[RestingOrder]
    held_since: int
    depth: int
    venue_quotes: bool


class ListingState(msgspec.Struct, frozen=True):
    """A listing as a snapshot keeps it. `orders` are in the order in which they came onto the book; `levels` are
    bids, then asks, and only there where no orders are known."""

    instrument: Instrument
    seq: dict[str, int]
    trading: TradingState
    feed: FeedState
    feed_reason: str
    problem: str
    last_price: int | None
    quote: Quote
    rate: Rate | None
    recent: list[Trade]
    candles: list[CandleState]
    window: list[BucketState]
    orders: list[RestingOrder]
    levels: tuple[list[Level], list[Level]]
    extra: msgspec.Raw
    """What only a mirrored listing has, in its own form."""


class Version(msgspec.Struct, frozen=True):
    """What says how to read the rest."""

    version: int


class MarketState(Version, frozen=True):
    """A whole market."""

    now: int
    feeds: dict[str, tuple[FeedState, str]]
    listings: list[ListingState]
    trading: AccountsState
