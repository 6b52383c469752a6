"""How much of the limits is used up: request weight by address, orders by account, in windows of the clock."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from tickwire.dialects.binance.errors import BinanceError
from tickwire.limits import ADDRESSES_MAX, REQUESTS_PER_SECOND_MAX
from tickwire.model.address import party

SECOND_NS = 1_000_000_000
SECONDS = {"SECOND": 1, "MINUTE": 60, "DAY": 86_400}


class Limit(NamedTuple):
    """One limit, as answers and `exchangeInfo` name it."""

    kind: str
    interval: str
    number: int
    limit: int

    @property
    def window_ns(self) -> int:
        """Its length. Windows begin at whole multiples of it since the epoch."""
        return self.number * SECONDS[self.interval] * SECOND_NS

    def shown(self, count: int | None = None) -> dict[str, Any]:
        """The limit as the wire shows it, with how much of it is used if that is asked for."""
        row: dict[str, Any] = {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }
        return row if count is None else {**row, "count": count}


WEIGHT = Limit("REQUEST_WEIGHT", "MINUTE", 1, 6_000)
"""Of one address, in all: what bots for the venue reckon with."""
ORDERS_10S = Limit("ORDERS", "SECOND", 10, 10 * REQUESTS_PER_SECOND_MAX)
"""Of one account: what a session of our own protocol may do."""
ORDERS_DAY = Limit("ORDERS", "DAY", 1, 1_600_000)
"""Of one account: ten times the venue's, like the other."""
LIMITS = (WEIGHT, ORDERS_10S, ORDERS_DAY)


class Usage:
    """What was used of the limits, by whom. Each limit has a table that is bounded: whoever was heard of least recently
    is forgotten, an address for an address and an account for an account."""

    def __init__(self) -> None:
        self._windows: dict[Limit, OrderedDict[str, tuple[int, int]]] = {limit: OrderedDict() for limit in LIMITS}

    def count(self, limit: Limit, who: str, now: int) -> int:
        """How much is used in the window that `now`, ns, is in."""
        window, count = self._windows[limit].get(who, (0, 0))
        return count if window == now // limit.window_ns else 0

    def take(self, limit: Limit, who: str, now: int, amount: int) -> None:
        """Count an amount.

        Raises:
            BinanceError: -1003 or -1015: that is too much, and is not counted; it says when there is room again.
        """
        count = self.count(limit, who, now) + amount
        window, elapsed = divmod(now, limit.window_ns)
        if count > limit.limit:
            wait_s = -(-(limit.window_ns - elapsed) // SECOND_NS)
            number = -1003 if limit is WEIGHT else -1015
            data = {"serverTime": now // 1_000_000, "retryAfter": (window + 1) * limit.window_ns // 1_000_000}
            words = limit.limit, f"{limit.number} {limit.interval}"
            raise BinanceError(number, *words, data=data, code="rate_limited", retry_after_s=wait_s)
        windows = self._windows[limit]
        windows[who] = window, count
        windows.move_to_end(who)
        if len(windows) > ADDRESSES_MAX:
            windows.popitem(last=False)

    def take_weight(self, ip: str, now: int, weight: int) -> None:
        """Count what an address does.

        Raises:
            BinanceError: -1003.
        """
        self.take(WEIGHT, party(ip), now, weight)

    def take_orders(self, account: str, now: int, orders: int) -> None:
        """Count orders that an account places.

        Raises:
            BinanceError: -1015.
        """
        self.take(ORDERS_10S, account, now, orders)
        self.take(ORDERS_DAY, account, now, orders)

    def weight(self, ip: str, now: int) -> list[dict[str, Any]]:
        """The state of an address's limit."""
        return [WEIGHT.shown(self.count(WEIGHT, party(ip), now))]

    def orders(self, account: str, now: int) -> list[dict[str, Any]]:
        """The state of an account's limits."""
        return [limit.shown(self.count(limit, account, now)) for limit in (ORDERS_10S, ORDERS_DAY)]
