"""Stop orders that wait for a price. Only who wakes, and in which order; a woken order is the caller's to place."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TypeAlias

from tickwire.model.records import Side

_Stop: TypeAlias = tuple[int, int, int]
"""(sign * stop price, number of its entry, order id): the first to wake is the least."""

_SIGNS: dict[Side, int] = {"buy": +1, "sell": -1}


class StopBook:
    """The waiting stops of one instrument. How many there may be is the caller's to bound.

    `tickwire.engine.reference.ReferenceStops` is its slow, obvious twin.
    """

    __slots__ = ("_entries", "_queues", "_where")

    def __init__(self) -> None:
        self._entries = 0
        self._queues: dict[Side, list[_Stop]] = {"buy": [], "sell": []}
        self._where: dict[int, tuple[Side, _Stop]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._where

    def add(self, order_id: int, side: Side, stop_price: int) -> None:
        """Let an order wait, behind those of the same stop price. Its id must not be waiting already.

        Args:
            stop_price: ticks; the last trade at this price or beyond (above for a buy, below for a sell) wakes it.
        """
        self._entries += 1
        stop = (_SIGNS[side] * stop_price, self._entries, order_id)
        insort(self._queues[side], stop)
        self._where[order_id] = (side, stop)

    def remove(self, order_id: int) -> bool:
        """Forget an order; whether it was waiting."""
        if order_id not in self._where:
            return False
        side, stop = self._where.pop(order_id)
        queue = self._queues[side]
        del queue[bisect_left(queue, stop)]
        return True

    def wake(self, last_price: int) -> list[int]:
        """Take out the orders that the last trade's price (ticks) reaches, and return their ids.

        Buys first, the lowest stop price first, then sells, the highest first; the earlier entry within a price.
        """
        woken: list[int] = []
        for side, sign in _SIGNS.items():
            queue = self._queues[side]
            reached = bisect_left(queue, (sign * last_price + 1, 0, 0))
            if reached:
                woken += [order_id for _, _, order_id in queue[:reached]]
                del queue[:reached]
        for order_id in woken:
            del self._where[order_id]
        return woken
