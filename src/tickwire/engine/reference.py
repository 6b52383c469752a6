"""The matching engine once more, slow and obvious: what `tickwire.engine.matcher` is tested against.

One plain list of orders in the order in which they came to rest; whatever is asked is answered by scanning and
sorting it. It shares no code with the book or the matcher; only the types of the events are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.model.records import OrderType, Side, TimeInForce


@dataclass
class _Order:
    order_id: int
    account: str
    side: Side
    price: int
    size: int


class ReferenceMatcher:
    """Same methods, rules and events as `tickwire.engine.matcher.Matcher`; see there."""

    def __init__(self) -> None:
        self.next_trade_id = 1
        self._resting: list[_Order] = []

    def orders(self, side: Side) -> list[tuple[int, str, int, int]]:
        """Every order of a side as (order id, account, price, size), in priority order."""
        return [(order.order_id, order.account, order.price, order.size) for order in self._by_priority(side)]

    def levels(self, side: Side) -> list[tuple[int, int]]:
        """Every level of a side as (price, total size), best first."""
        totals: dict[int, int] = {}
        for order in self._by_priority(side):
            totals[order.price] = totals.get(order.price, 0) + order.size
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
    ) -> list[EngineEvent]:
        """Enter an order."""
        never_rests = order_type == "market" or time_in_force in ("ioc", "fok")
        within_reach = sum(maker.size for maker in self._makers(side, price))
        if size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if order_type == "market" and price is not None:
            return [Rejected(order_id, "invalid_price")]
        if order_type == "limit" and (price is None or price <= 0):
            return [Rejected(order_id, "invalid_price")]
        if post_only and never_rests:
            return [Rejected(order_id, "would_not_fill")]
        if post_only and within_reach > 0:
            return [Rejected(order_id, "would_take")]
        if time_in_force == "fok" and within_reach < size:
            return [Rejected(order_id, "would_not_fill")]

        events: list[EngineEvent] = []
        for maker in self._makers(side, price):
            if size > 0:
                traded = min(size, maker.size)
                size -= traded
                maker.size -= traded
                events.append(
                    Matched(
                        trade_id=self.next_trade_id,
                        price=maker.price,
                        size=traded,
                        taker_side=side,
                        taker_order_id=order_id,
                        maker_order_id=maker.order_id,
                        maker_remaining=maker.size,
                    )
                )
                self.next_trade_id += 1
        self._resting = [order for order in self._resting if order.size > 0]

        if size > 0 and (never_rests or price is None):
            shown_price = 0 if price is None else price
            events.append(Canceled(order_id=order_id, side=side, price=shown_price, size=size, resting=False))
        elif size > 0 and price is not None:
            self._resting.append(_Order(order_id, account, side, price, size))
            events.append(Rested(order_id=order_id, side=side, price=price, size=size))
        return events

    def amend(self, order_id: int, *, price: int | None, size: int | None) -> list[EngineEvent]:
        """Change a resting order."""
        found = [order for order in self._resting if order.order_id == order_id]
        if not found:
            return [Rejected(order_id, "unknown_order")]
        order = found[0]
        new_size = order.size if size is None else size
        new_price = order.price if price is None else price
        if new_size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if new_price <= 0:
            return [Rejected(order_id, "invalid_price")]
        if (new_price, new_size) == (order.price, order.size):
            return [Rejected(order_id, "no_change")]
        if new_price == order.price and new_size < order.size:
            order.size = new_size
            return [Reduced(order_id=order_id, side=order.side, price=new_price, size=new_size)]
        return self.cancel(order_id) + self.place(
            order_id,
            order.account,
            order.side,
            new_size,
            price=new_price,
            order_type="limit",
            time_in_force="gtc",
            post_only=False,
        )

    def cancel(self, order_id: int) -> list[EngineEvent]:
        """Take a resting order off the book."""
        found = [order for order in self._resting if order.order_id == order_id]
        if not found:
            return [Rejected(order_id, "unknown_order")]
        order = found[0]
        self._resting.remove(order)
        return [Canceled(order_id=order_id, side=order.side, price=order.price, size=order.size, resting=True)]

    def _by_priority(self, side: Side) -> list[_Order]:
        """A side's orders: best price first, and (the sort being stable) first come first within a price."""
        own = [order for order in self._resting if order.side == side]
        return sorted(own, key=lambda order: -order.price if side == "buy" else order.price)

    def _makers(self, taker_side: Side, limit: int | None) -> list[_Order]:
        """The resting orders that a taker may trade with, in priority order."""
        if taker_side == "buy":
            return [order for order in self._by_priority("sell") if limit is None or order.price <= limit]
        return [order for order in self._by_priority("buy") if limit is None or order.price >= limit]
