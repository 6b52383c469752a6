"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from collections.abc import Callable

BACKOFF_BASE_SECONDS = 0.1
"""Bound of the first wait: a server that restarts is back about then."""
BACKOFF_CAP_SECONDS = 10.0
"""Bound of every wait: nobody should look at a dead screen for longer once the server is back."""


def backoff_seconds(attempt: int, random: Callable[[], float]) -> float:
    """The wait after failed attempt number `attempt`, counted from 0.

    Full jitter: anywhere between 0 and a bound that doubles, so that the clients of a server that failed do not
    come back all at once. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        random: a number from 0 up to 1.
    """
    return random() * min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * float(1 << min(attempt, 16)))
