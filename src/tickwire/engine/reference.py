"""The matching engine once more, slow and obvious: what `tickwire.engine.matcher` is tested against.

One plain list of orders in the order in which what shows of them came to rest; whatever is asked is answered by
scanning it. What an order could fill is answered by letting it trade on a copy. It shares no code with the book, the
matcher or the stops; only the types of the events are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tickwire.engine.events import Canceled, CancelReason, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.engine.stops import Direction
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce


@dataclass
class _Order:
    order_id: int
    account: str
    side: Side
    price: int
    shown: int
    hidden: int
    display: int


class ReferenceMatcher:
    """Same methods, rules and events as `tickwire.engine.matcher.Matcher`; see there."""

    def __init__(self) -> None:
        self.next_trade_id = 1
        self._resting: list[_Order] = []

    def orders(self, side: Side) -> list[tuple[int, str, int, int]]:
        """Every order of a side as (order id, account, price, size that shows), in priority order."""
        return [(order.order_id, order.account, order.price, order.shown) for order in self._by_priority(side)]

    def hidden(self) -> dict[int, tuple[int, int]]:
        """(Hidden lots, display size) of every order that has a display size, by its id."""
        return {order.order_id: (order.hidden, order.display) for order in self._resting if order.display > 0}

    def levels(self, side: Side) -> list[tuple[int, int]]:
        """Every level of a side as (price, total size that shows), best first."""
        totals: dict[int, int] = {}
        for order in self._by_priority(side):
            totals[order.price] = totals.get(order.price, 0) + order.shown
        return list(totals.items())

    def place(
        self,
        order_id: int,
        account: str,
        side: Side,
        size: int,
        *,
        price: int | None,
        order_type: OrderType,
        time_in_force: TimeInForce,
        post_only: bool,
        display_size: int = 0,
        self_trade_prevention: SelfTradePrevention = "cancel_newest",
        limit: int | None = None,
    ) -> list[EngineEvent]:
        """Enter an order."""
        never_rests = order_type == "market" or time_in_force in ("ioc", "fok")
        worst = limit if order_type == "market" else price
        if size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if order_type == "market" and price is not None:
            return [Rejected(order_id, "invalid_price")]
        if order_type == "limit" and (price is None or price <= 0):
            return [Rejected(order_id, "invalid_price")]
        if post_only and never_rests:
            return [Rejected(order_id, "would_not_fill")]
        if post_only and self._best_maker(side, worst) is not None:
            return [Rejected(order_id, "would_take")]
        if time_in_force == "fok":
            # What decrement takes off is not filled, so it must not come to that at all.
            strict: SelfTradePrevention = (
                "cancel_newest" if self_trade_prevention == "decrement" else self_trade_prevention
            )
            if self.reach(account, side, size, worst, strict)[0] < size:
                return [Rejected(order_id, "would_not_fill")]

        stated_price = 0 if price is None else price
        events = self._take(order_id, account, side, size, stated_price, worst, self_trade_prevention)
        for event in events:
            if isinstance(event, Matched) or (isinstance(event, Canceled) and not event.resting):
                size -= event.size
        if size > 0 and never_rests:
            events.append(
                Canceled(
                    order_id=order_id, side=side, price=stated_price, size=size, resting=False, reason="not_filled"
                )
            )
        elif size > 0:
            shown = size if display_size == 0 else min(display_size, size)
            self._resting.append(_Order(order_id, account, side, stated_price, shown, size - shown, display_size))
            events.append(Rested(order_id=order_id, side=side, price=stated_price, size=shown))
        return events

    def amend(
        self,
        order_id: int,
        *,
        price: int | None,
        size: int | None,
        post_only: bool = False,
        self_trade_prevention: SelfTradePrevention = "cancel_newest",
    ) -> list[EngineEvent]:
        """Change a resting order."""
        order = self._find(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        old_size = order.shown + order.hidden
        new_size = old_size if size is None else size
        new_price = order.price if price is None else price
        if new_size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if new_price <= 0:
            return [Rejected(order_id, "invalid_price")]
        if (new_price, new_size) == (order.price, old_size):
            return [Rejected(order_id, "no_change")]
        if new_price == order.price and new_size < old_size:
            return self.reduce(order_id, old_size - new_size)
        if post_only and self._best_maker(order.side, new_price) is not None:
            return [Rejected(order_id, "would_take")]
        return self.cancel(order_id) + self.place(
            order_id,
            order.account,
            order.side,
            new_size,
            price=new_price,
            order_type="limit",
            time_in_force="gtc",
            post_only=False,
            display_size=order.display,
            self_trade_prevention=self_trade_prevention,
        )

    def cancel(self, order_id: int) -> list[EngineEvent]:
        """Take a resting order off the book."""
        order = self._find(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        return [self._drop(order, "requested")]

    def reduce(self, order_id: int, size: int) -> list[EngineEvent]:
        """Take lots off a resting order in its place."""
        order = self._find(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        if size >= order.shown + order.hidden:
            return [self._drop(order, "requested")]
        return [self._shrink(order, size)]

    def reach(
        self, account: str, side: Side, size: int, limit: int | None, self_trade_prevention: SelfTradePrevention
    ) -> tuple[int, int]:
        """What an order could fill at once, as (lots, their cost)."""
        copy = ReferenceMatcher()
        copy._resting = [replace(order) for order in self._resting]
        if self_trade_prevention == "decrement":
            self_trade_prevention = "cancel_oldest"
        events = copy._take(0, account, side, size, 0, limit, self_trade_prevention)
        trades = [event for event in events if isinstance(event, Matched)]
        return sum(trade.size for trade in trades), sum(trade.size * trade.price for trade in trades)

    def _take(
        self,
        order_id: int,
        account: str,
        side: Side,
        size: int,
        stated_price: int,
        limit: int | None,
        self_trade_prevention: SelfTradePrevention,
    ) -> list[EngineEvent]:
        """Trade, or give way, with one maker after the other until none is left within the limit or no lots are."""
        events: list[EngineEvent] = []
        while size > 0 and (maker := self._best_maker(side, limit)) is not None:
            if maker.account == account:
                overlap = min(size, maker.shown + maker.hidden)
                if self_trade_prevention == "decrement" and overlap < maker.shown + maker.hidden:
                    events.append(self._shrink(maker, overlap))
                elif self_trade_prevention != "cancel_newest":
                    events.append(self._drop(maker, "self_trade"))
                lost = {"cancel_newest": size, "cancel_oldest": 0, "cancel_both": size, "decrement": overlap}
                given_up = lost[self_trade_prevention]
                size -= given_up
                if given_up > 0:
                    events.append(
                        Canceled(
                            order_id=order_id,
                            side=side,
                            price=stated_price,
                            size=given_up,
                            resting=False,
                            reason="self_trade",
                        )
                    )
                continue
            traded = min(size, maker.shown)
            size -= traded
            maker.shown -= traded
            events.append(
                Matched(
                    trade_id=self.next_trade_id,
                    price=maker.price,
                    size=traded,
                    taker_side=side,
                    taker_order_id=order_id,
                    maker_order_id=maker.order_id,
                    maker_remaining=maker.shown,
                )
            )
            self.next_trade_id += 1
            if maker.shown == 0:
                self._resting.remove(maker)
                if maker.hidden > 0:
                    maker.shown = min(maker.display, maker.hidden)
                    maker.hidden -= maker.shown
                    self._resting.append(maker)
                    events.append(Rested(order_id=maker.order_id, side=maker.side, price=maker.price, size=maker.shown))
        return events

    def _find(self, order_id: int) -> _Order | None:
        return next((order for order in self._resting if order.order_id == order_id), None)

    def _drop(self, order: _Order, reason: CancelReason) -> Canceled:
        """Take a whole order off the book."""
        self._resting.remove(order)
        return Canceled(
            order_id=order.order_id,
            side=order.side,
            price=order.price,
            size=order.shown + order.hidden,
            resting=True,
            reason=reason,
        )

    def _shrink(self, order: _Order, size: int) -> Reduced:
        """Take some lots off an order one by one, from what is hidden while there is any."""
        for _ in range(size):
            if order.hidden > 0:
                order.hidden -= 1
            else:
                order.shown -= 1
        return Reduced(order_id=order.order_id, side=order.side, price=order.price, size=order.shown, removed=size)

    def _by_priority(self, side: Side) -> list[_Order]:
        """A side's orders: best price first, and (the sort being stable) first come first within a price."""
        own = [order for order in self._resting if order.side == side]
        return sorted(own, key=lambda order: -order.price if side == "buy" else order.price)

    def _best_maker(self, taker_side: Side, limit: int | None) -> _Order | None:
        """The first of the orders that a taker may trade with: the best price, then the first come."""
        buys = taker_side == "buy"
        best: _Order | None = None
        for order in self._resting:
            if order.side == taker_side:
                continue
            if limit is not None and (order.price > limit if buys else order.price < limit):
                continue
            if best is None or (order.price < best.price if buys else order.price > best.price):
                best = order
        return best


class ReferenceStops:
    """Same methods and rules as `tickwire.engine.stops.StopBook`; see there. A list in order of entry."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Direction, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, order_id: int) -> bool:
        return order_id in [waiting_id for waiting_id, _, _ in self._waiting]

    def add(self, order_id: int, waits_for: Direction, stop_price: int) -> None:
        """Let an order wait."""
        self._waiting.append((order_id, waits_for, stop_price))

    def remove(self, order_id: int) -> bool:
        """Forget an order; whether it was waiting."""
        before = len(self)
        self._waiting = [stop for stop in self._waiting if stop[0] != order_id]
        return len(self) < before

    def wake(self, last_price: int) -> list[int]:
        """Take out the orders that the last trade's price reaches."""
        rise = [stop for stop in self._waiting if stop[1] == "rise" and stop[2] <= last_price]
        fall = [stop for stop in self._waiting if stop[1] == "fall" and stop[2] >= last_price]
        woken = sorted(rise, key=lambda stop: stop[2]) + sorted(fall, key=lambda stop: -stop[2])
        self._waiting = [stop for stop in self._waiting if stop not in woken]
        return [order_id for order_id, _, _ in woken]
