"""The seam between a feed and the runner: a feed only says what comes next and when it was due.

Whoever implements `Feed` writes no loop, no clock, no retry: `tickwire.feeds.runner` has the only one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from tickwire.model.instrument import Instrument
from tickwire.model.records import Record


class Due(NamedTuple):
    """Records that arrive together, and the feed's own time of it (nanoseconds; only differences count)."""

    at_ns: int
    records: list[Record]


class Feed(Protocol):
    """A source of records.

    Attributes:
        name: unique within a server, e.g. `simulated` or `recorded:binance`.
    """

    @property
    def name(self) -> str: ...

    def instruments(self) -> list[Instrument]:
        """What the feed drives; each has `feed` set to the feed's name. Called once, before `due`."""
        ...

    def due(self) -> Iterator[Due]:
        """A fresh run from the beginning, in time order. May be called again (a loop, or after an error).

        Raises:
            FeedError: while iterating, when the input breaks its format; the message says where.
        """
        ...
