"""An instrument that our own engine matches: commands in, every order, trade and level out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tickwire.book.l3 import RestingOrder
from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rested
from tickwire.engine.matcher import Matcher
from tickwire.market.listing import Listing
from tickwire.model.events import Event, L3Action
from tickwire.model.instrument import Instrument
from tickwire.model.records import AmendOrder, CancelOrder, PlaceOrder, Record


class _OrderState(msgspec.Struct, frozen=True, array_like=True):
    order_id: int
    account: str
    side: str
    price: int
    size: int


class _MatchedState(msgspec.Struct, frozen=True):
    next_trade_id: int
    orders: list[_OrderState]
    """Bids then asks, in priority order."""


class MatchedListing(Listing):
    """An instrument with a matcher of its own."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.matcher = Matcher()
        self.book = self.matcher.book
        self.ladder = self.book.ladder
        self._open: dict[str, dict[int, RestingOrder]] = {}
        self._owner: dict[int, str] = {}

    def open_orders(self, account: str) -> Mapping[int, RestingOrder]:
        """The account's orders on the book by id, oldest first. Not to be changed by the caller."""
        return self._open.get(account, {})

    def apply(self, record: Record, ts: int, out: list[Event]) -> None:
        """Run a cancel or an amend; placing needs an order id and has a method of its own."""
        if not isinstance(record, CancelOrder | AmendOrder) or record.order_id not in self.open_orders(record.account):
            return
        if isinstance(record, CancelOrder):
            self._publish(self.matcher.cancel(record.order_id), record.account, ts, out)
        elif self.trading == "open":
            events = self.matcher.amend(record.order_id, price=record.price, size=record.size)
            self._publish(events, record.account, ts, out)

    def place(self, record: PlaceOrder, order_id: int, ts: int, out: list[Event]) -> None:
        """Enter a new order under this id, which must be new and rising."""
        if self.trading != "open":
            return
        events = self.matcher.place(
            order_id,
            record.account,
            record.side,
            record.size,
            price=record.price,
            order_type=record.type,
            time_in_force=record.time_in_force,
            post_only=record.post_only,
        )
        self._publish(events, record.account, ts, out)

    def _publish(self, events: list[EngineEvent], account: str, ts: int, out: list[Event]) -> None:
        """Turn the engine's events of one command by `account` into those of the streams."""
        bids: list[int] = []
        asks: list[int] = []
        action: L3Action
        for event in events:
            if isinstance(event, Matched):
                side = "sell" if event.taker_side == "buy" else "buy"
                taker, maker = str(event.taker_order_id), str(event.maker_order_id)
                buyer, seller = (taker, maker) if side == "sell" else (maker, taker)
                trade_id = str(event.trade_id)
                self.say_trade(
                    ts,
                    out,
                    trade_id=trade_id,
                    price=event.price,
                    size=event.size,
                    side=event.taker_side,
                    ts_event=ts,
                    buy_order_id=buyer,
                    sell_order_id=seller,
                )
                if not event.maker_remaining:
                    self._forget(event.maker_order_id)
                action, order_id, remains, filled = "fill", maker, event.maker_remaining, event.size
            elif isinstance(event, Rested):
                self._remember(account, self.book.orders[event.order_id])
                action, side, order_id, remains, filled = "add", event.side, str(event.order_id), event.size, 0
                trade_id = ""
            elif isinstance(event, Reduced):
                action, side, order_id, remains, filled = "modify", event.side, str(event.order_id), event.size, 0
                trade_id = ""
            elif isinstance(event, Canceled) and event.resting:
                self._forget(event.order_id)
                action, side, order_id, remains, filled = "cancel", event.side, str(event.order_id), 0, 0
                trade_id = ""
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
            prices = bids if side == "buy" else asks
            if price not in prices:
                prices.append(price)
        if bids or asks:
            self.say_levels(ts, out, bids, asks)

    def _remember(self, account: str, order: RestingOrder) -> None:
        order_id = int(order.order_id)
        self._owner[order_id] = account
        self._open.setdefault(account, {})[order_id] = order

    def _forget(self, order_id: int) -> None:
        account = self._owner.pop(order_id)
        orders = self._open[account]
        del orders[order_id]
        if not orders:
            del self._open[account]

    def dump_extra(self) -> msgspec.Raw:
        """The orders and the next trade's id."""
        orders = [
            _OrderState(int(o.order_id), o.account, o.side, o.price, o.size)
            for side in ("buy", "sell")
            for o in self.book.listed(side)
        ]
        return msgspec.Raw(msgspec.json.encode(_MatchedState(self.matcher.next_trade_id, orders)))

    def load_extra(self, extra: msgspec.Raw) -> None:
        """Inverse of `dump_extra`."""
        state = msgspec.json.decode(extra, type=_MatchedState)
        self.matcher.next_trade_id = state.next_trade_id
        for o in state.orders:
            self.book.add(RestingOrder(o.order_id, o.account, o.side, o.price, o.size))
        for o in sorted(state.orders, key=lambda order: order.order_id):
            self._remember(o.account, self.book.orders[o.order_id])
