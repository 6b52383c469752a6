"""An instrument that mirrors a venue's own book, by level (L2) or by order (L3), and its trades and quotes.

A published book is never crossed or locked. Venues send changes that cross for a moment, because they report
the two sides of one event one after the other. Here such a change is *held*: it waits until what stands in its
way has gone. Everything else is applied at once, so the book converges to the venue's and is uncrossed at
every step.
"""

from __future__ import annotations

import msgspec

from tickwire.book.l3 import RestingOrder
from tickwire.limits import HELD_CHANGES_MAX, HELD_SECONDS_MAX
from tickwire.market.listing import Listing
from tickwire.model.events import Event, L3Action
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    BookOrder,
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


class _HeldState(msgspec.Struct, frozen=True):
    bids: list[Level]
    asks: list[Level]
    orders: list[VenueOrderAdd]
    since: int
    depth: int | None
    venue_quotes: bool
    l3: tuple[list[BookOrder], list[BookOrder]]


class MirroredListing(Listing):
    """An instrument whose book is fed from outside."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.problem = "" if instrument.book == "none" else NO_BOOK
        self._depth: int | None = None
        self._venue_quotes = False
        self._held: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}
        self._held_orders: dict[str, VenueOrderAdd] = {}
        self._held_since = 0
        self._touched: dict[str, dict[int, None]] = {"buy": {}, "sell": {}}

    def apply(self, record: Record, ts: int, out: list[Event]) -> None:
        """Fold a record of the venue. One that does not fit the instrument's kind of book is ignored."""
        levels = self.instrument.book == "levels"
        orders = self.instrument.book == "orders"
        if isinstance(record, VenueTrade):
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
        elif isinstance(record, VenueQuote):
            self._venue_quotes = True
            self.set_quote(ts, record.bid, record.bid_size, record.ask, record.ask_size, ts_event=record.ts_event)
        elif isinstance(record, VenueRate):
            self.set_rate(ts, record.rate * 10, None, None, ts_event=record.ts_event)
        elif isinstance(record, VenueBookUpdate) and levels and self.problem != NO_BOOK:
            self._set_levels(record.bids, record.asks)
            self._finish(record.checksum, ts, out)
        elif isinstance(record, VenueBookSnapshot) and levels:
            self._empty()
            self._depth = record.depth
            self._set_levels(record.bids, record.asks)
            self._replaced(record.checksum, ts, out)
        elif isinstance(record, VenueOrdersSnapshot) and orders:
            self._empty()
            for side, rows in (("buy", record.bids), ("sell", record.asks)):
                for order_id, price, size in rows:
                    self._add(VenueOrderAdd(self.symbol, order_id, side, price, size), ts, None)  # type: ignore[arg-type]
            self._replaced(None, ts, out)
        elif orders and self.problem != NO_BOOK:
            if isinstance(record, VenueOrderAdd):
                self._add(record, ts, out)
            elif isinstance(record, VenueOrderChange):
                self._change(record.order_id, record.size, ts, out)
            elif isinstance(record, VenueOrderRemove):
                self._change(record.order_id, 0, ts, out)
            else:
                return
            self._retry_orders(ts, out)
            self._finish(None, ts, out)

    def clock(self, ts: int, out: list[Event]) -> None:
        """As for every listing; and a book that stays crossed at the venue is said."""
        super().clock(ts, out)
        if self._held_since and not self.problem and ts - self._held_since > HELD_SECONDS_MAX * 1_000_000_000:
            self.set_problem(CROSSED, ts, out)

    def requote(self, ts: int) -> None:
        """The venue's own quotes, once it has sent any, are the only ones."""
        if not self._venue_quotes:
            super().requote(ts)

    # ---- by level --------------------------------------------------------------------------------

    def _set_levels(self, bids: list[Level], asks: list[Level]) -> None:
        for side, levels in (("buy", bids), ("sell", asks)):
            for price, size in levels:
                self._set_level(side, price, size)
        while self._retry_levels():
            pass
        if self._depth is not None:
            for side in ("buy", "sell"):
                book_side = self.ladder.side(side)
                while len(book_side) > self._depth:
                    worst = book_side.worst()
                    assert worst is not None
                    self._set_level(side, worst, 0)

    def _set_level(self, side: str, price: int, size: int) -> None:
        held = self._held[side]
        if size and self._crosses(side, price):
            held[price] = size
            return
        if held:
            held.pop(price, None)
        self.ladder.side(side).set(price, size)
        self._touched[side][price] = None

    def _retry_levels(self) -> bool:
        """Apply what no longer crosses; True when that was anything."""
        freed = [
            (side, price, size)
            for side, held in self._held.items()
            for price, size in held.items()
            if not self._crosses(side, price)
        ]
        for side, price, size in freed:
            del self._held[side][price]
            self._set_level(side, price, size)
        return bool(freed)

    def _crosses(self, side: str, price: int) -> bool:
        if side == "buy":
            ask = self.ladder.asks.best()
            return ask is not None and price >= ask
        bid = self.ladder.bids.best()
        return bid is not None and price <= bid

    # ---- by order --------------------------------------------------------------------------------

    def _add(self, record: VenueOrderAdd, ts: int, out: list[Event] | None) -> None:
        """Add an order, published unless `out` is None (a snapshot shows it anyway)."""
        if record.order_id in self.book.orders or record.size <= 0:
            return
        if self._crosses(record.side, record.price):
            self._held_orders[record.order_id] = record
            return
        order = RestingOrder(record.order_id, "", record.side, record.price, record.size)
        self.book.add(order)
        self._touched[record.side][record.price] = None
        if out is not None:
            self._say(order, "add", ts, out)

    def _change(self, order_id: str, size: int, ts: int, out: list[Event]) -> None:
        """Let an order fall to `size`; 0 takes it off."""
        held = self._held_orders.pop(order_id, None)
        if held is not None and size:
            self._held_orders[order_id] = msgspec.structs.replace(held, size=size)
        order = self.book.orders.get(order_id)
        if order is None or size >= order.size:
            return
        self.book.reduce(order, order.size - size)
        self._touched[order.side][order.price] = None
        self._say(order, "modify" if size else "cancel", ts, out)

    def _retry_orders(self, ts: int, out: list[Event]) -> None:
        for record in list(self._held_orders.values()):
            if not self._crosses(record.side, record.price):
                del self._held_orders[record.order_id]
                self._add(record, ts, out)

    def _say(self, order: RestingOrder, action: L3Action, ts: int, out: list[Event]) -> None:
        order_id = str(order.order_id)
        self.say_order(ts, out, action=action, order_id=order_id, side=order.side, price=order.price, size=order.size)

    # ---- both ------------------------------------------------------------------------------------

    def _empty(self) -> None:
        self.book.clear()
        self._held["buy"].clear()
        self._held["sell"].clear()
        self._held_orders.clear()
        self._held_since = 0

    def _replaced(self, checksum: int | None, ts: int, out: list[Event]) -> None:
        """A snapshot has been applied: publish it, and take the instrument's problem away."""
        self._touched["buy"].clear()
        self._touched["sell"].clear()
        self.set_problem("", ts, out)
        self.say_snapshot(ts, out)
        self._check(checksum, ts, out)

    def _finish(self, checksum: int | None, ts: int, out: list[Event]) -> None:
        """Publish the levels that one record touched, and look whether the mirror is still right."""
        bids, asks = self._touched["buy"], self._touched["sell"]
        if bids or asks:
            self.say_levels(ts, out, list(bids), list(asks))
            bids.clear()
            asks.clear()
        self._check(checksum, ts, out)

    def _check(self, checksum: int | None, ts: int, out: list[Event]) -> None:
        held = len(self._held["buy"]) + len(self._held["sell"]) + len(self._held_orders)
        if not held:
            self._held_since = 0
            if self.problem == CROSSED:
                self.set_problem("", ts, out)
            if checksum is not None and checksum != self.checksum():
                self.set_problem(MISMATCH, ts, out)
        elif held > HELD_CHANGES_MAX:
            self._empty()
            self.say_snapshot(ts, out)
            self.set_problem(NO_BOOK, ts, out)
        elif not self._held_since:
            self._held_since = ts

    def dump_extra(self) -> msgspec.Raw:
        """What is held, the depth bound, and the orders where there are any."""
        held = self._held
        l3 = ([], []) if self.instrument.book != "orders" else (self.book_orders("buy"), self.book_orders("sell"))
        state = _HeldState(
            list(held["buy"].items()),
            list(held["sell"].items()),
            list(self._held_orders.values()),
            self._held_since,
            self._depth,
            self._venue_quotes,
            l3,
        )
        return msgspec.Raw(msgspec.json.encode(state))

    def load_extra(self, extra: msgspec.Raw) -> None:
        """Inverse of `dump_extra`."""
        state = msgspec.json.decode(extra, type=_HeldState)
        self._held["buy"].update(state.bids)
        self._held["sell"].update(state.asks)
        self._held_orders.update((record.order_id, record) for record in state.orders)
        self._held_since, self._depth, self._venue_quotes = state.since, state.depth, state.venue_quotes
        for side, rows in zip(("buy", "sell"), state.l3, strict=True):
            for order_id, price, size in rows:
                self.book.add(RestingOrder(order_id, "", side, price, size))
