"""How many requests a client may make."""

from __future__ import annotations

from typing import Any

from tickwire.errors import InvalidInput
from tickwire.limits import BATCH_OPERATIONS_MAX
from tickwire.protocol.messages import BatchParams

SECOND_NS = 1_000_000_000


class TokenBucket:
    """Allows `rate` requests a second, with bursts of as many. Integer nanoseconds, so that no token is lost."""

    def __init__(self, rate: int, now: int) -> None:
        self._rate = rate
        self._cost = SECOND_NS // rate
        self._full = SECOND_NS
        self._level = self._full
        self._at = now

    def take(self, now: int, count: int = 1) -> None:
        """Count `count` requests that are made now, together.

        Raises:
            InvalidInput: `rate_limited`: that is too many; none of them is counted.
        """
        self._level = min(self._full, self._level + max(0, now - self._at))
        self._at = now
        if self._level < count * self._cost:
            text = f"more than {self._rate} requests a second (an operation of a batch is one); slow down"
            raise InvalidInput(text, code="rate_limited")
        self._level -= count * self._cost


def cost(params: Any) -> int:
    """How many requests one with these parameters counts as: a batch as many as it has operations. One that is refused
    for its length is one."""
    operations = len(params.operations) if isinstance(params, BatchParams) else 1
    return operations if 1 <= operations <= BATCH_OPERATIONS_MAX else 1
