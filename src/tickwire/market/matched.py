"""An instrument that our own engine matches: what the engine does becomes every order, trade and level."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rested
from tickwire.engine.matcher import Matcher
from tickwire.engine.stops import StopBook
from tickwire.engine.terms import Terms
from tickwire.market.listing import Listing
from tickwire.market.out import Out
from tickwire.model.events import L3Action
from tickwire.model.instrument import Instrument
from tickwire.model.order import RestingOrder
from tickwire.model.records import Record


class MatchedListing(Listing):
    """An instrument with a matcher of its own."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.matcher = Matcher()
        self.book = self.matcher.book
        self.ladder = self.book.ladder
        self.stops = StopBook()
        self.terms = Terms(instrument)
        self._open: dict[str, dict[int, RestingOrder]] = {}
        self._owner: dict[int, str] = {}

    def open_orders(self, account: str) -> Mapping[int, RestingOrder]:
        """The account's orders on the book by id, in the order in which they came onto it: an amend that loses its
        place comes anew. Not to be changed by the caller."""
        return self._open.get(account, {})

    def apply(self, record: Record, ts: int, out: Out) -> None:
        """A venue's own data means nothing here: this instrument is traded by commands."""

    @property
    def reference_price(self) -> int | None:
        """What prices are compared with, in ticks: the last trade's, before the first the middle of the book."""
        if self.last_price is not None:
            return self.last_price
        bid, ask = self.ladder.bids.best(), self.ladder.asks.best()
        return None if bid is None or ask is None else (bid + ask) // 2

    def publish(self, events: list[EngineEvent], ts: int, out: Out) -> None:
        """Turn the engine's events of one command into those of the streams."""
        bids: set[int] = set()
        asks: set[int] = set()
        action: L3Action
        trade_id: int | str
        for event in events:
            filled, trade_id = 0, ""
            if isinstance(event, Matched):
                taker, maker, trade_id, filled = event.taker_order_id, event.maker_order_id, event.trade_id, event.size
                side, buyer, seller = ("sell", taker, maker) if event.taker_side == "buy" else ("buy", maker, taker)
                self.say_trade(
                    ts,
                    out,
                    trade_id=str(trade_id),
                    price=event.price,
                    size=filled,
                    side=event.taker_side,
                    ts_event=ts,
                    buy_order_id=str(buyer),
                    sell_order_id=str(seller),
                )
                if not event.maker_remaining:
                    self._forget(maker)
                action, order_id, remains = "fill", maker, event.maker_remaining
            elif isinstance(event, Rested):
                self._remember(self.book.orders.get(event.order_id))
                action, side, order_id, remains = "add", event.side, event.order_id, event.size
            elif isinstance(event, Reduced):
                action, side, order_id, remains = "modify", event.side, event.order_id, event.size
            elif isinstance(event, Canceled) and event.resting:
                self._forget(event.order_id)
                action, side, order_id, remains = "cancel", event.side, event.order_id, 0
            else:
                continue
            price = event.price
            self.say_order(
                ts,
                out,
                action=action,
                order_id=order_id,
                side=side,
                price=price,
                size=remains,
                filled=filled,
                trade_id=trade_id,
            )
            (bids if side == "buy" else asks).add(price)
        if bids or asks:
            self.say_levels(ts, out, bids, asks)

    def _remember(self, order: RestingOrder | None) -> None:
        if order is None:
            return  # a slice of an iceberg that the same command has eaten as well
        order_id = int(order.order_id)
        self._owner[order_id] = order.account
        self._open.setdefault(order.account, {})[order_id] = order

    def _forget(self, order_id: int) -> None:
        account = self._owner.pop(order_id, None)
        if account is None:
            return  # a later slice of an iceberg, as above
        orders = self._open[account]
        del orders[order_id]
        if not orders:
            del self._open[account]

    def count_on(self, seq: dict[str, int]) -> None:
        """As for every listing; each trade is one message, so their ids count on with them."""
        super().count_on(seq)
        self.matcher.next_trade_id = seq["trades"] + 1

    def load_extra(self, extra: msgspec.Raw) -> None:
        """Note again whose the orders are."""
        for order in self.book.orders.values():
            self._remember(order)
