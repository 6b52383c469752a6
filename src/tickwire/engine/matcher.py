"""The matching engine of one instrument: price-time priority over a book by order.

An order walks through `place` in three steps: it is checked whole, it takes what it reaches on the other side,
and what remains rests or is canceled. A refused order stops at the first step, so it changes nothing. Each
maker is met in exactly one place, the inner loop of `_execute`.

`tickwire.engine.reference` is this module's slow, obvious twin; the tests compare every event of the two.
"""

from __future__ import annotations

from tickwire.book.l3 import L3Book, RestingOrder
from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.model.records import OrderType, Side, TimeInForce


class Matcher:
    """Matches the orders of one instrument. Every method returns what happened, in order.

    Attributes:
        book: the resting orders. Read it freely; only to restore a snapshot is it filled from outside.
        next_trade_id: id of the next trade; ids rise by 1 from 1.
    """

    __slots__ = ("book", "next_trade_id")

    def __init__(self) -> None:
        self.book = L3Book()
        self.next_trade_id = 1

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
        """Enter an order; trades are at the price of the order that rested (the maker).

        A `gtc` limit order rests with what remains. A market or `ioc` order never rests: what remains is
        canceled (with price 0 for a market order, for which `gtc` means `ioc`). A `fok` order fills whole or
        is rejected.

        Args:
            order_id: never used before; the caller hands them out.
            account: the owner.
            size: lots.
            price: the limit in ticks; None for a market order.
            post_only: reject the order rather than let it take. It then has to be able to rest: together with
                `ioc`, `fok` or a market order it may neither take nor rest, which is `would_not_fill`.

        Returns:
            One `Rejected` (`invalid_size`, `invalid_price`, `would_take` or `would_not_fill`, checked in the
            order size, price, the rest) or the trades, then `Rested` or `Canceled` if anything remains.
        """
        if size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if order_type == "market":
            if price is not None:
                return [Rejected(order_id, "invalid_price")]
            rests = False
        else:
            if price is None or price <= 0:
                return [Rejected(order_id, "invalid_price")]
            rests = time_in_force == "gtc"
        if post_only:
            if not rests:
                return [Rejected(order_id, "would_not_fill")]
            if self._reaches(side, 1, price):
                return [Rejected(order_id, "would_take")]
        elif time_in_force == "fok" and not self._reaches(side, size, price):
            return [Rejected(order_id, "would_not_fill")]
        return self._execute(order_id, account, side, size, price, rests)

    def amend(self, order_id: int, *, price: int | None, size: int | None) -> list[EngineEvent]:
        """Change a resting order. It keeps its place only if its size falls and its price stays.

        Any other change takes it off the book and enters it again as a `gtc` limit order under its old id:
        it may match, and it rests behind those already at its price.

        Args:
            price: ticks; None leaves it.
            size: what shall remain, in lots; None leaves it.

        Returns:
            One `Rejected` (`unknown_order`, `invalid_size`, `invalid_price` or `no_change`, checked in that
            order), one `Reduced`, or `Canceled` followed by what the order does anew.
        """
        order = self.book.orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        if size is None:
            size = order.size
        elif size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if price is None:
            price = order.price
        elif price <= 0:
            return [Rejected(order_id, "invalid_price")]
        if price == order.price and size <= order.size:
            if size == order.size:
                return [Rejected(order_id, "no_change")]
            self.book.reduce(order, order.size - size)
            return [Reduced(order_id, order.side, price, size)]
        canceled = self.cancel(order_id)
        return canceled + self._execute(order_id, order.account, order.side, size, price, True)

    def cancel(self, order_id: int) -> list[EngineEvent]:
        """Take a resting order off the book: one `Canceled`, or one `Rejected` (`unknown_order`)."""
        order = self.book.orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        canceled = Canceled(order_id, order.side, order.price, order.size, True)
        self.book.remove(order)
        return [canceled]

    def _reaches(self, side: str, size: int, limit: int | None) -> bool:
        """Whether an order would find at least `size` lots to take at its limit or better."""
        ladder = self.book.ladder
        for price, resting in ladder.asks if side == "buy" else ladder.bids:
            if limit is not None and (price > limit if side == "buy" else price < limit):
                return False
            size -= resting
            if size <= 0:
                return True
        return False

    def _execute(
        self, order_id: int, account: str, side: str, size: int, limit: int | None, rests: bool
    ) -> list[EngineEvent]:
        """Let a checked order take what it reaches, then rest or cancel what remains of it."""
        events: list[EngineEvent] = []
        book = self.book
        buys = side == "buy"
        maker_side, levels = ("sell", book.ladder.asks) if buys else ("buy", book.ladder.bids)
        while size:
            price = levels.best()
            if price is None or (limit is not None and (price > limit if buys else price < limit)):
                break
            queue = book.queue(maker_side, price)
            while size and queue:
                maker = next(iter(queue.values()))
                filled = maker.size if maker.size < size else size
                size -= filled
                book.reduce(maker, filled)
                maker_id = maker.order_id
                assert isinstance(maker_id, int)
                events.append(Matched(self.next_trade_id, price, filled, side, order_id, maker_id, maker.size))
                self.next_trade_id += 1
        if size:
            if rests and limit is not None:
                book.add(RestingOrder(order_id, account, side, limit, size))
                events.append(Rested(order_id, side, limit, size))
            else:
                events.append(Canceled(order_id, side, limit or 0, size, False))
        return events
