"""An instrument that mirrors a venue's own book, by level (L2) or by order (L3), and its trades and quotes.

A published book is never crossed or locked. Venues send changes that cross for a moment, because they report
the two sides of one event one after the other. Here such a change is *held*: it waits until what stands in its
way has gone. Everything else is applied at once, so the book converges to the venue's and is uncrossed at
every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tickwire.limits import HELD_CHANGES_MAX, HELD_SECONDS_MAX
from tickwire.market.listing import Listing
from tickwire.market.out import Out
from tickwire.market.state import MirrorState
from tickwire.model.events import L3Action
from tickwire.model.instrument import BookDetail, Instrument
from tickwire.model.order import RestingOrder
from tickwire.model.records import (
    Level,
    Record,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueRate,
    VenueTrade,
)

CROSSED = "the venue's book is crossed"
MISMATCH = "the venue's checksum disagrees"
NO_BOOK = "no whole book from the venue yet"


class MirroredListing(Listing):
    """An instrument whose book is fed from outside."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.problem = "" if instrument.book == "none" else NO_BOOK
        self._handlers = _HANDLERS[instrument.book]
        self._depth = 0
        """Levels kept of each side; 0 for all."""
        self._venue_quotes = False
        self._held: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}
        self._held_orders: dict[int | str, RestingOrder] = {}
        self._held_since = 0
        self._touched: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}
        """Levels that the record at hand has set: price -> size before it."""

    def apply(self, record: Record, ts: int, out: Out) -> None:
        """Fold a record of the venue. One that does not fit the instrument's kind of book is ignored."""
        handler = self._handlers.get(type(record))
        if handler is not None:
            handler(self, record, ts, out)

    def clock(self, ts: int, out: Out) -> None:
        """As for every listing; and a book that stays crossed at the venue is said."""
        super().clock(ts, out)
        if self._held_since and not self.problem and ts - self._held_since > HELD_SECONDS_MAX * 1_000_000_000:
            self.set_problem(CROSSED, ts, out)

    def requote(self, ts: int) -> None:
        """The venue's own quotes, once it has sent any, are the only ones."""
        if not self._venue_quotes:
            super().requote(ts)

    # ---- records ---------------------------------------------------------------------------------

    def _on_trade(self, record: VenueTrade, ts: int, out: Out) -> None:
        if record.size <= 0:
            return
        self.say_trade(
            ts,
            out,
            trade_id=record.trade_id,
            price=record.price,
            size=record.size,
            side=record.side or "",
            ts_event=record.ts_event,
            buy_order_id=record.buy_order_id,
            sell_order_id=record.sell_order_id,
        )

    def _on_quote(self, record: VenueQuote, ts: int, out: Out) -> None:
        self._venue_quotes = True
        self.set_quote(ts, record.bid, record.bid_size, record.ask, record.ask_size, ts_event=record.ts_event)

    def _on_rate(self, record: VenueRate, ts: int, out: Out) -> None:
        if self.has_rates:
            self.set_rate(ts, record.rate * 10, None, None, ts_event=record.ts_event)

    def _on_book(self, record: VenueBookSnapshot, ts: int, out: Out) -> None:
        self._empty()
        self._depth = max(record.depth or 0, 0)
        self._set_levels(record.bids, record.asks)
        self._replaced(record.checksum, ts, out)

    def _on_levels(self, record: VenueBookUpdate, ts: int, out: Out) -> None:
        if self.problem != NO_BOOK:
            self._set_levels(record.bids, record.asks)
            self._changed(record.checksum, ts, out)

    def _on_orders(self, record: VenueOrdersSnapshot, ts: int, out: Out) -> None:
        self._empty()
        for side, rows in (("buy", record.bids), ("sell", record.asks)):
            for order_id, price, size in rows:
                self._add(RestingOrder(order_id, "", side, price, size))
        self._replaced(None, ts, out)

    def _on_add(self, record: VenueOrderAdd, ts: int, out: Out) -> None:
        if self.problem != NO_BOOK:
            order = RestingOrder(record.order_id, "", record.side, record.price, record.size)
            if self._add(order):
                self._say(order, "add", ts, out)
            self._changed(None, ts, out)

    def _on_change(self, record: VenueOrderChange, ts: int, out: Out) -> None:
        if self.problem != NO_BOOK:
            self._reduce(record.order_id, record.size, ts, out)
            self._changed(None, ts, out)

    def _on_remove(self, record: VenueOrderRemove, ts: int, out: Out) -> None:
        if self.problem != NO_BOOK:
            self._reduce(record.order_id, 0, ts, out)
            self._changed(None, ts, out)

    # ---- by level --------------------------------------------------------------------------------

    def _set_levels(self, bids: list[Level], asks: list[Level]) -> None:
        held = self._held
        for side, levels in (("buy", bids), ("sell", asks)):
            for price, size in levels:
                self._set_level(side, price, size)
        if held["buy"] or held["sell"]:
            self._release_levels()
        while self._depth and self._trim():
            self._release_levels()

    def _set_level(self, side: str, price: int, size: int) -> None:
        held = self._held[side]
        if size > 0 and self._crosses(side, price):
            held[price] = size
            return
        if held:
            held.pop(price, None)
        levels = self.ladder.bids if side == "buy" else self.ladder.asks
        before = levels.sizes.get(price, 0)
        touched = self._touched[side]
        if price not in touched:
            touched[price] = before
        if size != before:
            levels.set(price, max(size, 0))

    def _release_levels(self) -> None:
        """Apply what no longer crosses. One pass is enough: what is applied lets nothing else through."""
        for side, held in self._held.items():
            for price in [price for price in held if not self._crosses(side, price)]:
                self._set_level(side, price, held[price])

    def _trim(self) -> bool:
        """Drop what lies beyond the depth bound, counting what is held; True when that was anything."""
        trimmed = False
        for side, held in self._held.items():
            levels = self.ladder.side(side)
            while len(levels) + len(held) > self._depth:
                worst = levels.worst()
                if worst is None:
                    worst = min(held) if side == "buy" else max(held)
                self._set_level(side, worst, 0)
                trimmed = True
        return trimmed

    # ---- by order --------------------------------------------------------------------------------

    def _add(self, order: RestingOrder) -> bool:
        """Put an order on the book, or hold it; True when it is on the book."""
        order_id = order.order_id
        if order_id in self.book.orders or order_id in self._held_orders or order.size <= 0:
            return False
        if self._crosses(order.side, order.price):
            self._held_orders[order_id] = order
            return False
        self._touch(order.side, order.price)
        self.book.add(order)
        return True

    def _reduce(self, order_id: str, size: int, ts: int, out: Out) -> None:
        """Let an order fall to `size`, on the book or held; 0 takes it off, and may let others on."""
        size = max(size, 0)
        held = self._held_orders.get(order_id)
        if held is not None:
            held.size = min(held.size, size)
            if not held.size:
                del self._held_orders[order_id]
            return
        order = self.book.orders.get(order_id)
        if order is None or size >= order.size:
            return
        self._touch(order.side, order.price)
        self.book.reduce(order, order.size - size)
        self._say(order, "modify" if size else "cancel", ts, out)
        for waiting in list(self._held_orders.values()):
            if not self._crosses(waiting.side, waiting.price):
                del self._held_orders[waiting.order_id]
                self._add(waiting)
                self._say(waiting, "add", ts, out)

    def _say(self, order: RestingOrder, action: L3Action, ts: int, out: Out) -> None:
        order_id = str(order.order_id)
        self.say_order(ts, out, action=action, order_id=order_id, side=order.side, price=order.price, size=order.size)

    # ---- both ------------------------------------------------------------------------------------

    def _crosses(self, side: str, price: int) -> bool:
        if side == "buy":
            ask = self.ladder.asks.best()
            return ask is not None and price >= ask
        bid = self.ladder.bids.best()
        return bid is not None and price <= bid

    def _touch(self, side: str, price: int) -> None:
        self._touched[side].setdefault(price, self.ladder.side(side).sizes.get(price, 0))

    def _empty(self) -> None:
        self.book.clear()
        self._held["buy"].clear()
        self._held["sell"].clear()
        self._held_orders.clear()
        self._held_since = 0

    def _replaced(self, checksum: int | None, ts: int, out: Out) -> None:
        """A snapshot has been applied: publish it, and take the instrument's problem away if it is right."""
        self._touched["buy"].clear()
        self._touched["sell"].clear()
        self.problem = ""
        self.say_snapshot(ts, out)
        self._check(checksum, ts, out)
        self.say_status(ts, out)

    def _changed(self, checksum: int | None, ts: int, out: Out) -> None:
        """Publish the levels that one record changed, and look whether the mirror is still right."""
        bids, asks = self._moved("buy"), self._moved("sell")
        if bids or asks:
            self.say_levels(ts, out, bids, asks)
        self._check(checksum, ts, out)

    def _moved(self, side: str) -> list[int]:
        """The prices whose size is another than before the record."""
        touched, sizes = self._touched[side], self.ladder.side(side).sizes
        if not touched:
            return []
        moved = [price for price, before in touched.items() if sizes.get(price, 0) != before]
        touched.clear()
        return moved

    def _check(self, checksum: int | None, ts: int, out: Out) -> None:
        held = len(self._held["buy"]) + len(self._held["sell"]) + len(self._held_orders)
        if held > HELD_CHANGES_MAX:
            self._empty()
            self.say_snapshot(ts, out)
            self.set_problem(NO_BOOK, ts, out)
        elif held:
            self._held_since = self._held_since or ts
        else:
            self._held_since = 0
            if checksum is not None and checksum != self.checksum():
                self.set_problem(MISMATCH, ts, out)
            elif self.problem == CROSSED:
                self.set_problem("", ts, out)

    def dump_extra(self) -> msgspec.Raw:
        """What is held, and what the venue's next records are judged by."""
        orders = list(self._held_orders.values())
        state = MirrorState(self._held, orders, self._held_since, self._depth, self._venue_quotes)
        return msgspec.Raw(msgspec.json.encode(state))

    def load_extra(self, extra: msgspec.Raw) -> None:
        """Inverse of `dump_extra`."""
        state = msgspec.json.decode(extra, type=MirrorState)
        self._held = state.held
        self._held_orders = {order.order_id: order for order in state.held_orders}
        self._held_since, self._depth, self._venue_quotes = state.held_since, state.depth, state.venue_quotes


_Handler = Callable[[MirroredListing, Any, int, Out], None]

_ALWAYS: dict[type, _Handler] = {
    VenueTrade: MirroredListing._on_trade,
    VenueQuote: MirroredListing._on_quote,
    VenueRate: MirroredListing._on_rate,
}
_HANDLERS: dict[BookDetail, dict[type, _Handler]] = {
    "none": _ALWAYS,
    "levels": {
        **_ALWAYS,
        VenueBookSnapshot: MirroredListing._on_book,
        VenueBookUpdate: MirroredListing._on_levels,
    },
    "orders": {
        **_ALWAYS,
        VenueOrdersSnapshot: MirroredListing._on_orders,
        VenueOrderAdd: MirroredListing._on_add,
        VenueOrderChange: MirroredListing._on_change,
        VenueOrderRemove: MirroredListing._on_remove,
    },
}
"""What is done with a record, by what is known of the instrument's book."""
