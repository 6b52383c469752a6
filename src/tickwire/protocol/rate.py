"""How many requests a client may make."""

from __future__ import annotations

from typing import Any

from tickwire.errors import InvalidInput
from tickwire.limits import BATCH_OPERATIONS_MAX, HISTORY_ROWS_PER_REQUEST
from tickwire.protocol.messages import BatchParams, HistoryParams, Rate

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000

REQUESTS = "requests a second (an operation of a batch is one, and so are 100 rows of history)"


class RateLimited(InvalidInput):
    """Too many (`rate_limited`).

    Attributes:
        rate: of what.
        retry_after_s: whole seconds until there is room for one again, at least 1.
    """

    def __init__(self, what: str, rate: Rate, retry_after_s: int) -> None:
        super().__init__(f"more than {rate.limit} {what}; slow down", code="rate_limited")
        self.rate = rate
        self.retry_after_s = retry_after_s


class TokenBucket:
    """Allows `rate` in `seconds`, with bursts of as many. Integer nanoseconds, so that no token is lost.

    Args:
        what: is counted, for the refusal.
    """

    __slots__ = ("_at", "_cost", "_full", "_level", "_rate", "_what")

    def __init__(self, rate: int, now: int, what: str = REQUESTS, seconds: int = 1) -> None:
        self._rate = rate
        self._what = what
        self._full = seconds * SECOND_NS
        self._cost = self._full // rate
        self._level = self._full
        self._at = now

    def take(self, now: int, count: int = 1) -> None:
        """Count `count` that are made now, together.

        Raises:
            RateLimited: that is too many; none of them is counted.
        """
        self._level = min(self._full, self._level + max(0, now - self._at))
        self._at = now
        if self._level < count * self._cost:
            wait_ns = count * self._cost - self._level
            raise RateLimited(self._what, self.state(now), -(-wait_ns // SECOND_NS))
        self._level -= count * self._cost

    def check(self, now: int) -> None:
        """Raise what `take` of one would, and count nothing."""
        self.take(now)
        self._level += self._cost

    def is_full(self, now: int) -> bool:
        """Whether a burst of `rate` may be made."""
        return self._level + now - self._at >= self._full

    def state(self, now: int) -> Rate:
        """Where it stands."""
        level = min(self._full, self._level + max(0, now - self._at))
        return Rate(self._rate, level // self._cost, -(-(self._full - level) // MS_NS))


def cost(params: Any) -> int:
    """How many requests one with these parameters counts as: a batch as many as it has operations, a history one for
    every 100 rows. A batch that is refused for its length is one."""
    if isinstance(params, HistoryParams):
        return -(-params.limit // HISTORY_ROWS_PER_REQUEST)
    operations = len(params.operations) if isinstance(params, BatchParams) else 1
    return operations if 1 <= operations <= BATCH_OPERATIONS_MAX else 1


def rate_headers(rate: Rate) -> list[tuple[str, str]]:
    """A rate as HTTP headers, seconds rounded up (draft-ietf-httpapi-ratelimit-headers, as of version 6)."""
    return [
        ("RateLimit-Limit", str(rate.limit)),
        ("RateLimit-Remaining", str(rate.remaining)),
        ("RateLimit-Reset", str(-(-rate.reset_ms // 1000))),
    ]
