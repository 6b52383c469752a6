"""A book by order (L3): every order, in priority order within its price, with the level totals kept beside.

The engine matches on it, the mirror of a venue's L3 feed fills it, and the client rebuilds it from `book_l3`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from tickwire.book.ladder import Ladder
from tickwire.model.order import RestingOrder

_Queues: TypeAlias = dict[int, OrderedDict[int | str, RestingOrder]]
"""price -> the queue there. Not a plain dict: finding its first entry takes longer the more were deleted before
it, and a queue is eaten from the front."""


class L3Book:
    """Orders by id, and by price in the order in which they match."""

    __slots__ = ("_sides", "ladder", "orders")

    def __init__(self) -> None:
        self.orders: dict[int | str, RestingOrder] = {}
        self.ladder = Ladder()
        bids: _Queues = {}
        asks: _Queues = {}
        self._sides = {"buy": (bids, self.ladder.bids), "sell": (asks, self.ladder.asks)}

    def queue(self, side: str, price: int) -> dict[int | str, RestingOrder]:
        """The orders at a price, first in the queue first. Not to be changed by the caller."""
        return self._sides[side][0].get(price, {})

    def add(self, order: RestingOrder) -> None:
        """Put an order at the back of the queue at its price. Its id must be new and its size positive."""
        price, order_id = order.price, order.order_id
        queues, levels = self._sides[order.side]
        queue = queues.get(price)
        if queue is None:
            queue = queues[price] = OrderedDict()
            levels.set(price, order.size)
        else:
            levels.change(price, order.size)
        queue[order_id] = self.orders[order_id] = order

    def reduce(self, order: RestingOrder, size: int) -> None:
        """Take `size` lots off an order that is on the book; it leaves when nothing remains."""
        if size == order.size:
            self.remove(order)
        else:
            order.size -= size
            self._sides[order.side][1].change(order.price, -size)

    def remove(self, order: RestingOrder) -> None:
        """Take an order off the book. `order.size` then reads 0."""
        price, order_id = order.price, order.order_id
        queues, levels = self._sides[order.side]
        queue = queues[price]
        del queue[order_id], self.orders[order_id]
        if queue:
            levels.change(price, -order.size)
        else:
            del queues[price]
            levels.set(price, 0)
        order.size = 0

    def listed(self, side: str) -> list[RestingOrder]:
        """Every order of a side in priority order: best price first, then by place in the queue."""
        queues, levels = self._sides[side]
        return [order for price, _ in levels for order in queues[price].values()]

    def clear(self) -> None:
        """Empty the book."""
        self.orders.clear()
        self.ladder.clear()
        for queues, _ in self._sides.values():
            queues.clear()
