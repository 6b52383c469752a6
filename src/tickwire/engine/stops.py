"""Orders that wait for a price. Only who wakes, and in which order; a woken order is the caller's to place."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Literal, TypeAlias

from tickwire.model.records import OrderType, Side

Direction = Literal["rise", "fall"]
"""How the last trade's price comes to the stop price that it wakes: it rises that far, or falls."""

_Stop: TypeAlias = tuple[int, int, int]
"""(sign * stop price, number of its entry, order id): the first to wake is the least."""

_SIGNS: dict[Direction, int] = {"rise": +1, "fall": -1}


def direction(order_type: OrderType, side: Side) -> Direction:
    """What wakes an order: a stop limits a loss, so its buy waits for a rise; a take-profit is the reverse."""
    return "rise" if (side == "buy") == order_type.startswith("stop") else "fall"


def reached(waits_for: Direction, stop_price: int, last_price: int) -> bool:
    """Whether a last trade at this price wakes an order; both in ticks."""
    return last_price >= stop_price if waits_for == "rise" else last_price <= stop_price


class StopBook:
    """The waiting stops of one instrument. How many there may be is the caller's to bound.

    `tickwire.engine.reference.ReferenceStops` is its slow, obvious twin.
    """

    __slots__ = ("_entries", "_queues", "_where")

    def __init__(self) -> None:
        self._entries = 0
        self._queues: dict[Direction, list[_Stop]] = {"rise": [], "fall": []}
        self._where: dict[int, tuple[Direction, _Stop]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._where

    def add(self, order_id: int, waits_for: Direction, stop_price: int) -> None:
        """Let an order wait, behind those of the same stop price. Its id must not be waiting already.

        Args:
            stop_price: ticks; the last trade at this price or beyond wakes it.
        """
        self._entries += 1
        stop = (_SIGNS[waits_for] * stop_price, self._entries, order_id)
        insort(self._queues[waits_for], stop)
        self._where[order_id] = (waits_for, stop)

    def remove(self, order_id: int) -> bool:
        """Forget an order; whether it was waiting."""
        if order_id not in self._where:
            return False
        waits_for, stop = self._where.pop(order_id)
        queue = self._queues[waits_for]
        del queue[bisect_left(queue, stop)]
        return True

    def wake(self, last_price: int) -> list[int]:
        """Take out the orders that the last trade's price (ticks) reaches, and return their ids.

        Those that wait for a rise first, the lowest stop price first, then those for a fall, the highest first; the
        earlier entry within a price.
        """
        woken: list[int] = []
        for waits_for, sign in _SIGNS.items():
            queue = self._queues[waits_for]
            count = bisect_left(queue, (sign * last_price + 1, 0, 0))
            if count:
                woken += [order_id for _, _, order_id in queue[:count]]
                del queue[:count]
        for order_id in woken:
            del self._where[order_id]
        return woken
