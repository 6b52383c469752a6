"""How many requests a client may make."""

from __future__ import annotations

SECOND_NS = 1_000_000_000


class TokenBucket:
    """Allows `rate` events a second, with bursts of as many. Integer nanoseconds, so that no token is lost."""

    def __init__(self, rate: int, now: int) -> None:
        self._cost = SECOND_NS // rate
        self._full = SECOND_NS
        self._level = self._full
        self._at = now

    def take(self, now: int, count: int = 1) -> bool:
        """Whether `count` events may happen now, together; if not, none of them is counted."""
        self._level = min(self._full, self._level + max(0, now - self._at))
        self._at = now
        if self._level < count * self._cost:
            return False
        self._level -= count * self._cost
        return True
