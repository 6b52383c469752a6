"""`tickwire serve` whose clock begins hours ago and goes with the built-in market, as fast as that can, until it is
right again: a chart is filled in minutes.

    python past_server.py HOURS --port 0 …
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from tickwire.cli.main import app
from tickwire.clock import wall_clock_ns
from tickwire.feeds.base import Due
from tickwire.feeds.simulated import SimulatedFeed
from tickwire.server import app as server

HOUR_NS = 3_600_000_000_000


class Past:
    """The clock, and the market that it goes with."""

    def __init__(self, hours: float) -> None:
        self._began = self._reached = wall_clock_ns() - round(hours * HOUR_NS)

    def now(self) -> int:
        """The time of what the market did last; later on, that of the wall clock."""
        return min(self._reached, wall_clock_ns())

    def due(self, feed: SimulatedFeed) -> Iterator[Due]:
        """What the market does, each at once unless it is of the future."""
        for due in goes_on(feed):
            self._reached = self._began + due.at_ns
            yield due


goes_on = SimulatedFeed.due


if __name__ == "__main__":
    past = Past(float(sys.argv[1]))
    sys.argv[1:2] = ["serve"]
    SimulatedFeed.due = lambda feed: past.due(feed)  # type: ignore[assignment,method-assign]
    server.Server = partial(server.Server, now=past.now)  # type: ignore[misc,assignment]
    app()
