"""A book by order (L3): every order, in priority order within its price, with the level totals kept beside.

The engine matches on it, the mirror of a venue's L3 feed fills it, and the client rebuilds it from `book_l3`.
"""

from __future__ import annotations

from tickwire.book.ladder import Ladder


class RestingOrder:
    """An order on the book.

    Attributes:
        order_id: the engine's integer or the venue's string.
        account: the owner, "" where unknown.
        side: `buy` or `sell`.
        price: ticks. size: what remains, lots.
    """

    __slots__ = ("account", "order_id", "price", "side", "size")

    def __init__(self, order_id: int | str, account: str, side: str, price: int, size: int) -> None:
        self.order_id = order_id
        self.account = account
        self.side = side
        self.price = price
        self.size = size


class L3Book:
    """Orders by id, and by price in the order in which they match."""

    __slots__ = ("_asks", "_bids", "ladder", "orders")

    def __init__(self) -> None:
        self.orders: dict[int | str, RestingOrder] = {}
        self.ladder = Ladder()
        # price -> the queue there; a dict keeps insertion order and deletes from its middle in O(1)
        self._bids: dict[int, dict[int | str, RestingOrder]] = {}
        self._asks: dict[int, dict[int | str, RestingOrder]] = {}

    def queue(self, side: str, price: int) -> dict[int | str, RestingOrder]:
        """The orders at a price, first in the queue first. Not to be changed by the caller."""
        return (self._bids if side == "buy" else self._asks).get(price, {})

    def add(self, order: RestingOrder) -> None:
        """Put an order at the back of the queue at its price. Its id must be new and its size positive."""
        price = order.price
        queues = self._bids if order.side == "buy" else self._asks
        queue = queues.get(price)
        if queue is None:
            queue = queues[price] = {}
        queue[order.order_id] = self.orders[order.order_id] = order
        levels = self.ladder.side(order.side)
        levels.set(price, levels.sizes.get(price, 0) + order.size)

    def reduce(self, order: RestingOrder, size: int) -> None:
        """Take `size` lots off an order that is on the book; it leaves when nothing remains."""
        order.size -= size
        levels = self.ladder.side(order.side)
        levels.set(order.price, levels.sizes[order.price] - size)
        if order.size == 0:
            queues = self._bids if order.side == "buy" else self._asks
            queue = queues[order.price]
            del queue[order.order_id], self.orders[order.order_id]
            if not queue:
                del queues[order.price]

    def remove(self, order: RestingOrder) -> None:
        """Take an order off the book. `order.size` then reads 0."""
        self.reduce(order, order.size)

    def listed(self, side: str) -> list[RestingOrder]:
        """Every order of a side in priority order: best price first, then by place in the queue."""
        queues = self._bids if side == "buy" else self._asks
        return [order for price, _ in self.ladder.side(side).top() for order in queues[price].values()]

    def clear(self) -> None:
        """Empty the book."""
        self.orders.clear()
        self._bids.clear()
        self._asks.clear()
        self.ladder.clear()
