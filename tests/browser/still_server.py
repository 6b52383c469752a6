"""`tickwire serve` whose built-in market acts 2,000 times at once and then holds still: its books are full, and only
orders of users change them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tickwire.cli.main import app
from tickwire.feeds.base import Due
from tickwire.feeds.simulated import SimulatedFeed

ACTS = 2_000


def due(feed: SimulatedFeed) -> Iterator[Due]:
    """What was to come in the first seconds, at once; then nothing, which is no silence of the feed."""
    for number, (at_ns, records) in enumerate(goes_on(feed)):
        yield Due(0, records) if number < ACTS else Due(at_ns, [])


goes_on = SimulatedFeed.due

if __name__ == "__main__":
    SimulatedFeed.due = due  # type: ignore[assignment,method-assign]
    sys.argv[1:1] = ["serve"]
    app()
