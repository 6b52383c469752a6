"""The matching engine of one instrument: price-time priority over a book by order.

An order walks through `place` in three steps: it is checked whole, it takes what it reaches on the other side,
and what remains rests or is canceled. A refused order stops at the first step, so it changes nothing. Each
maker is met in exactly one place, the inner loop of `_take`.

An iceberg shows one slice at a time. When its slice is eaten, the next one joins the back of the queue, so within
a price all that shows trades before anything hidden. Nobody trades with himself: an order that meets one of its own
account gives way as its self-trade prevention says.

`tickwire.engine.reference` is this module's slow, obvious twin; the tests compare every event of the two.
"""

from __future__ import annotations

from tickwire.book.l3 import L3Book
from tickwire.engine.events import Canceled, CancelReason, EngineEvent, Matched, Reduced, Rejected, Rested
from tickwire.model.order import RestingOrder
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce


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
        display_size: int = 0,
        self_trade_prevention: SelfTradePrevention = "cancel_newest",
        limit: int | None = None,
    ) -> list[EngineEvent]:
        """Enter an order; trades are at the price of the order that rested (the maker).

        A `gtc` or `gtd` limit order rests with what remains. A market or `ioc` order never rests: what remains is
        canceled (with price 0 for a market order, for which `gtc` means `ioc`). A `fok` order fills whole or
        is rejected.

        Args:
            order_id: never used before; the caller hands them out.
            account: the owner, not empty.
            size: lots.
            price: the limit in ticks; None for a market order.
            order_type: `limit` or `market`; the caller places a stop as one of them when it wakes.
            post_only: reject the order rather than let it take. It then has to be able to rest: together with
                `ioc`, `fok` or a market order it may neither take nor rest, which is `would_not_fill`.
            display_size: lots that show at a time once it rests; 0 shows all.
            self_trade_prevention: who gives way where the order meets one of the same account: `cancel_newest`
                cancels what remains of this order, `cancel_oldest` the resting order, `cancel_both` both, and
                `decrement` takes the smaller size of the two off both. With `decrement` a `fok` order has to fill
                before it meets one.
            limit: the worst price in ticks that a market order takes; None for any.

        Returns:
            One `Rejected` (`invalid_size`, `invalid_price`, `would_take` or `would_not_fill`, checked in the
            order size, price, the rest) or the trades, then `Rested` or `Canceled` if anything remains.
        """
        if size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if order_type == "market":
            if price is not None:
                return [Rejected(order_id, "invalid_price")]
            price, rests = 0, False
        else:
            if price is None or price <= 0:
                return [Rejected(order_id, "invalid_price")]
            limit, rests = price, time_in_force == "gtc" or time_in_force == "gtd"
        takes = self._takes(side, limit)
        if post_only:
            if not rests:
                return [Rejected(order_id, "would_not_fill")]
            if takes:
                return [Rejected(order_id, "would_take")]
        elif time_in_force == "fok":
            mode = "cancel_newest" if self_trade_prevention == "decrement" else self_trade_prevention
            if self.reach(account, side, size, limit, mode)[0] < size:
                return [Rejected(order_id, "would_not_fill")]
        events: list[EngineEvent] = []
        if takes:
            size = self._take(order_id, account, side, size, price, limit, self_trade_prevention, events)
        if size and rests:
            shown = display_size if 0 < display_size < size else size
            self.book.add(RestingOrder(order_id, account, side, price, shown, size - shown, display_size))
            events.append(Rested(order_id, side, price, shown))
        elif size:
            events.append(Canceled(order_id, side, price, size, False, "not_filled"))
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
        """Change a resting order. It keeps its place only if its size falls and its price stays.

        Any other change takes it off the book and enters it again as a `gtc` limit order under its old id:
        it may match, and it rests behind those already at its price, in slices of its old display size.

        Args:
            price: ticks; None leaves it.
            size: what shall remain, shown and hidden, in lots; None leaves it.
            post_only: reject the amend rather than let the order take.

        Returns:
            One `Rejected` (`unknown_order`, `invalid_size`, `invalid_price`, `no_change` or `would_take`, checked
            in that order), one `Reduced`, or `Canceled` followed by what the order does anew.
        """
        order = self.book.orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        remains = order.size + order.hidden
        if size is None:
            size = remains
        elif size <= 0:
            return [Rejected(order_id, "invalid_size")]
        if price is None:
            price = order.price
        elif price <= 0:
            return [Rejected(order_id, "invalid_price")]
        if price == order.price and size <= remains:
            if size == remains:
                return [Rejected(order_id, "no_change")]
            return [self._take_off(order, remains - size, "requested")]
        if post_only and self._takes(order.side, price):
            return [Rejected(order_id, "would_take")]
        side: Side = "buy" if order.side == "buy" else "sell"
        return [
            self._take_off(order, remains, "requested"),
            *self.place(
                order_id,
                order.account,
                side,
                size,
                price=price,
                order_type="limit",
                time_in_force="gtc",
                post_only=False,
                display_size=order.display,
                self_trade_prevention=self_trade_prevention,
            ),
        ]

    def cancel(self, order_id: int) -> list[EngineEvent]:
        """Take a resting order off the book: one `Canceled`, or one `Rejected` (`unknown_order`)."""
        order = self.book.orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        canceled = Canceled(order_id, order.side, order.price, order.size + order.hidden, True)
        self.book.remove(order)
        return [canceled]

    def reduce(self, order_id: int, size: int) -> list[EngineEvent]:
        """Take `size` lots (at least 1) off a resting order, hidden ones first; it keeps its place.

        Returns:
            One `Reduced`, `Canceled` when nothing remains of it, or `Rejected` (`unknown_order`).
        """
        order = self.book.orders.get(order_id)
        if order is None:
            return [Rejected(order_id, "unknown_order")]
        return [self._take_off(order, size, "requested")]

    def reach(
        self, account: str, side: Side, size: int, limit: int | None, self_trade_prevention: SelfTradePrevention
    ) -> tuple[int, int]:
        """What an order could fill at once, as (lots, their cost in ticks * lots). Changes nothing.

        At the first order of the same account `cancel_newest` and `cancel_both` end it, the others pass over it;
        that makes it exact for all but `decrement`, which can fill less.

        Args:
            size: lots at most.
            limit: the worst price in ticks; None for any.
        """
        buys = side == "buy"
        maker_side, levels = ("sell", self.book.ladder.asks) if buys else ("buy", self.book.ladder.bids)
        own_ends = self_trade_prevention in ("cancel_newest", "cancel_both")
        remains, cost, ended = size, 0, False
        for price, _ in levels:
            if limit is not None and (price > limit if buys else price < limit):
                break
            shown = hidden = 0
            for order in self.book.queue(maker_side, price).values():
                if order.account == account:
                    if own_ends:
                        hidden, ended = 0, True  # the next slices queue behind this order
                        break
                    continue
                shown += order.size
                hidden += order.hidden
                if shown >= remains:
                    break
            filled = min(remains, shown + hidden)
            remains -= filled
            cost += filled * price
            if ended or not remains:
                break
        return size - remains, cost

    def _takes(self, side: str, limit: int | None) -> bool:
        """Whether an order with this worst price, None for any, would meet another."""
        if side == "buy":
            best = self.book.ladder.asks.best()
            return best is not None and (limit is None or best <= limit)
        best = self.book.ladder.bids.best()
        return best is not None and (limit is None or best >= limit)

    def _take(
        self,
        order_id: int,
        account: str,
        side: str,
        size: int,
        price: int,
        limit: int | None,
        self_trade_prevention: SelfTradePrevention,
        events: list[EngineEvent],
    ) -> int:
        """Let a checked order take what it reaches; how many lots of it remain."""
        book = self.book
        buys = side == "buy"
        maker_side, levels = ("sell", book.ladder.asks) if buys else ("buy", book.ladder.bids)
        while size:
            best = levels.best()
            if best is None or (limit is not None and (best > limit if buys else best < limit)):
                break
            queue = book.queue(maker_side, best)
            while size and queue:
                maker = next(iter(queue.values()))
                if maker.account == account:
                    gone = self._give_way(maker, size, self_trade_prevention, events)
                    if gone:
                        events.append(Canceled(order_id, side, price, gone, False, "self_trade"))
                        size -= gone
                    continue
                filled = maker.size if maker.size < size else size
                size -= filled
                book.reduce(maker, filled)
                maker_id = maker.order_id
                assert isinstance(maker_id, int)
                events.append(Matched(self.next_trade_id, best, filled, side, order_id, maker_id, maker.size))
                self.next_trade_id += 1
                if maker.hidden and not maker.size:
                    maker.size = min(maker.display, maker.hidden)
                    maker.hidden -= maker.size
                    book.add(maker)
                    events.append(Rested(maker_id, maker_side, best, maker.size))
        return size

    def _give_way(
        self, maker: RestingOrder, size: int, self_trade_prevention: SelfTradePrevention, events: list[EngineEvent]
    ) -> int:
        """Keep a taker of `size` lots from trading with its own account; how many lots the taker loses by it."""
        if self_trade_prevention == "cancel_newest":
            return size
        maker_size = maker.size + maker.hidden
        if self_trade_prevention == "decrement":
            size = min(size, maker_size)
            events.append(self._take_off(maker, size, "self_trade"))
            return size
        events.append(self._take_off(maker, maker_size, "self_trade"))
        return 0 if self_trade_prevention == "cancel_oldest" else size

    def _take_off(self, order: RestingOrder, size: int, reason: CancelReason) -> Reduced | Canceled:
        """Take lots off a resting order in its place, hidden ones first; all of them if it has no more."""
        order_id, remains = order.order_id, order.size + order.hidden
        assert isinstance(order_id, int)
        if size >= remains:
            self.book.remove(order)
            return Canceled(order_id, order.side, order.price, remains, True, reason)
        hidden = min(size, order.hidden)
        order.hidden -= hidden
        self.book.reduce(order, size - hidden)
        return Reduced(order_id, order.side, order.price, order.size, size)
