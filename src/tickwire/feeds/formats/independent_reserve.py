"""Independent Reserve: the book by order (L3), as cryptofeed records it.

The snapshot of a pair is a REST answer, the changes are WebSocket frames of one channel for each primary
currency, with the order's price in every secondary one. Nothing orders the one against the other: neither the
arrival, as either may wait, nor the stamps, as the answer trails the frames by tens of milliseconds. But an
order's id is used once and the changes of a channel are numbered without a hole, so every change of the
recording is applied to the snapshot, wherever it came: an order that is there is not added again, one that
is gone is not removed again, and a size only falls.
Source: github.com/independentreserve/websockets, "Order Book Ticker".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from tickwire.errors import FeedError
from tickwire.feeds.formats import cryptofeed
from tickwire.feeds.formats.base import (
    DIGITS_MAX,
    Count,
    Format,
    Line,
    Milliseconds,
    Steps,
    decoded,
    iso_ns,
    mirrored,
    step_of,
)
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    BookOrder,
    Record,
    Side,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
)

_LOT_SIZE = "0.00000001"
_DECIMALS_MIN = 2
"""of a price; every secondary currency has cents"""
_PENDING_MAX = 10_000
"""Changes of a channel kept until all of its pairs have their snapshot, which takes seconds; ten a second come."""

_OrderType: TypeAlias = Literal["LimitBid", "LimitOffer", "MarketBid", "MarketOffer"]


class _Order(msgspec.Struct, frozen=True):
    Guid: str
    Price: Decimal
    Volume: Decimal


class _Orders(msgspec.Struct, frozen=True):
    """The answer to GetAllOrders."""

    BuyOrders: list[_Order]
    SellOrders: list[_Order]
    PrimaryCurrencyCode: str
    SecondaryCurrencyCode: str
    CreatedTimestampUtc: str


class _Frame(msgspec.Struct, frozen=True):
    Event: str
    Channel: str = ""
    Nonce: Count = 0
    Time: Milliseconds = 0
    Data: msgspec.Raw = msgspec.Raw()


class _New(msgspec.Struct, frozen=True):
    OrderGuid: str
    OrderType: _OrderType
    Price: dict[str, Decimal]
    Volume: Decimal


class _Changed(msgspec.Struct, frozen=True):
    OrderGuid: str
    Volume: Decimal


class _Canceled(msgspec.Struct, frozen=True):
    OrderGuid: str


_ORDERS = msgspec.json.Decoder(_Orders)
_FRAME = msgspec.json.Decoder(_Frame)
_CHANGES: dict[str, msgspec.json.Decoder[Any]] = {
    "NewOrder": msgspec.json.Decoder(_New),
    "OrderChanged": msgspec.json.Decoder(_Changed),
    "OrderCanceled": msgspec.json.Decoder(_Canceled),
}


class _Change(NamedTuple):
    ts_event: int
    data: _New | _Changed | _Canceled


class _Resting(NamedTuple):
    side: Side
    price: int
    size: int


class _Pair:
    """One book. `orders` is None until the snapshot has come."""

    __slots__ = ("orders", "secondary", "steps")

    def __init__(self, steps: Steps, secondary: str) -> None:
        self.steps = steps
        self.secondary = secondary
        self.orders: dict[str, _Resting] | None = None


class IndependentReserve(Format):
    """`Format` of Independent Reserve. A pair is listed when its snapshot is in the recording.

    Only the book: the trades of the `ticker` channels are passed over.
    """

    holds = "Independent Reserve orders (L3) by cryptofeed (a folder with INDEPENDENT_RESERVE.0, .http.* and .ws.*)"
    files = ("INDEPENDENT_RESERVE.*",)
    open_line = staticmethod(cryptofeed.open_line)

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        self._pairs_configured: int | None = None
        self._pairs: dict[str, dict[str, _Pair]] = {}
        """by primary, then secondary currency, in lower case as in the channels' names"""
        self._nonces: dict[str, int] = {}
        self._pending: dict[str, list[_Change]] = {}

    def learn(self, line: Line) -> bool:
        if line.about == "configuration":
            self._pairs_configured = len(cryptofeed.configured_pairs(line.body))
        elif _holds_orders(line):
            orders = decoded(_ORDERS, line.body, "the orders of a pair")
            primary, secondary = orders.PrimaryCurrencyCode.lower(), orders.SecondaryCurrencyCode.lower()
            pairs = self._pairs.setdefault(primary, {})
            if secondary not in pairs:
                instrument = _instrument(orders, self.feed)
                self.instruments.append(instrument)
                pairs[secondary] = _Pair(Steps(instrument), secondary)
        return len(self.instruments) == self._pairs_configured

    def records(self, line: Line) -> list[Record]:
        if line.about == "opened":
            self._restart()
        elif _holds_orders(line):
            return self._snapshot(decoded(_ORDERS, line.body, "the orders of a pair"))
        elif not line.about:
            return self._frame(decoded(_FRAME, line.body, "a frame with an Event"))
        return []

    def _restart(self) -> None:
        """Changes were missed while there was no connection: every book waits for a new snapshot."""
        self._nonces.clear()
        self._pending.clear()
        for pairs in self._pairs.values():
            for pair in pairs.values():
                pair.orders = None

    def _snapshot(self, answer: _Orders) -> list[Record]:
        primary = answer.PrimaryCurrencyCode.lower()
        pair = self._pairs[primary][answer.SecondaryCurrencyCode.lower()]
        if pair.orders is not None:
            return []  # the numbered changes keep the book; another answer could only be older
        orders: dict[str, _Resting] = {}
        for bid in answer.BuyOrders:
            orders[bid.Guid] = _resting(pair.steps, "buy", bid.Price, bid.Volume)
        for ask in answer.SellOrders:
            orders[ask.Guid] = _resting(pair.steps, "sell", ask.Price, ask.Volume)
        pair.orders = orders
        for change in self._pending.get(primary, []):
            _apply(pair, orders, change)
        if all(other.orders is not None for other in self._pairs[primary].values()):
            self._pending.pop(primary, None)
        return [
            VenueOrdersSnapshot(
                symbol=pair.steps.symbol,
                bids=_listed(orders, "buy"),
                asks=_listed(orders, "sell"),
                ts_event=iso_ns(answer.CreatedTimestampUtc),
            )
        ]

    def _frame(self, frame: _Frame) -> list[Record]:
        decoder = _CHANGES.get(frame.Event)
        if decoder is None:
            return []  # heartbeats, confirmed subscriptions
        expected = self._nonces.get(frame.Channel, frame.Nonce)
        if frame.Nonce != expected:
            raise FeedError(f"gap: expected Nonce {expected} on {frame.Channel}, got {frame.Nonce}")
        self._nonces[frame.Channel] = expected + 1
        data = decoded(decoder, frame.Data, f"the Data of {frame.Event}")
        change = _Change(frame.Time * 1_000_000, data)
        primary = frame.Channel.removeprefix("orderbook-")
        pairs = self._pairs.get(primary, {})
        if any(pair.orders is None for pair in pairs.values()):
            pending = self._pending.setdefault(primary, [])
            if len(pending) == _PENDING_MAX:
                raise FeedError(f"expected the orders of every pair of {primary} within {_PENDING_MAX} changes")
            pending.append(change)
        applied = (_apply(pair, pair.orders, change) for pair in pairs.values() if pair.orders is not None)
        return [record for record in applied if record is not None]


def _holds_orders(line: Line) -> bool:
    return "/GetAllOrders?" in line.about


def _instrument(answer: _Orders, feed: str) -> Instrument:
    """The pair's prices in the decimals that its orders use; a finer price later is an error."""
    prices = [order.Price for order in (*answer.BuyOrders, *answer.SellOrders)]
    decimals = max((len(_plain(price).partition(".")[2]) for price in prices), default=0)
    return mirrored(
        feed,
        "INDEPENDENT_RESERVE",
        answer.PrimaryCurrencyCode.upper(),
        answer.SecondaryCurrencyCode.upper(),
        tick_size=step_of(max(decimals, _DECIMALS_MIN)),
        lot_size=_LOT_SIZE,
        book="orders",
    )


def _plain(number: Decimal) -> str:
    """The number without an exponent (the venue's JSON may have 1E-8)."""
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX or len(number.as_tuple().digits) > DIGITS_MAX:
        raise FeedError(f"expected a number of at most {DIGITS_MAX} digits")
    return format(number, "f")


def _resting(steps: Steps, side: Side, price: Decimal, size: Decimal) -> _Resting:
    # a bid far below the market may come as 0.0: a price in one currency, rounded in another
    least = 0 if side == "buy" else 1
    return _Resting(side, steps.ticks(_plain(price), least=least), steps.lots(_plain(size), least=1))


def _listed(orders: dict[str, _Resting], side: Side) -> list[BookOrder]:
    """One side, best price first. The sort is stable: within a price the snapshot's order stays, later ones follow."""
    listed = [(guid, order.price, order.size) for guid, order in orders.items() if order.side == side]
    return sorted(listed, key=lambda order: order[1], reverse=side == "buy")


def _apply(pair: _Pair, orders: dict[str, _Resting], change: _Change) -> Record | None:
    """Make the change in `orders`. None when they show it already, or it concerns no resting order."""
    ts_event, data = change
    symbol, guid = pair.steps.symbol, data.OrderGuid
    resting = orders.get(guid)
    if isinstance(data, _New):
        if resting is not None or data.OrderType.startswith("Market"):
            return None
        price = data.Price.get(pair.secondary)
        if price is None:
            raise FeedError(f"expected a Price in {pair.secondary}, got {', '.join(data.Price)}")
        side: Side = "buy" if data.OrderType == "LimitBid" else "sell"
        orders[guid] = resting = _resting(pair.steps, side, price, data.Volume)
        return VenueOrderAdd(
            symbol=symbol, order_id=guid, side=side, price=resting.price, size=resting.size, ts_event=ts_event
        )
    size = pair.steps.lots(_plain(data.Volume)) if isinstance(data, _Changed) else 0
    if resting is None or size >= resting.size:
        return None
    if size:
        orders[guid] = resting._replace(size=size)
        return VenueOrderChange(symbol=symbol, order_id=guid, size=size, ts_event=ts_event)
    del orders[guid]
    return VenueOrderRemove(symbol=symbol, order_id=guid, ts_event=ts_event)
