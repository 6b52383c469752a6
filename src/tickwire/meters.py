"""What a server counts while it works: plain integers, which `/metrics` reads when somebody asks.

Counting is one addition where the thing happens, a segment or a transaction at a time where there are many. Names,
units and words for each are in `tickwire.observe.metrics`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000

FAST_NS = (
    50 * US, 100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
    500 * MS, 1 * SECOND, 5 * SECOND,
)  # fmt: skip
"""Bounds for what should take less than a turn of the loop."""
SLOW_NS = (5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * SECOND, 2500 * MS, 5 * SECOND)
"""Bounds for snapshots of the market."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Bounds for records of a transaction: `BATCH_RECORDS_MAX` is the last."""

OK = "ok"
"""Where there was no error code."""
UNKNOWN = "unknown"
"""In place of a method that there is not, so that no client can make labels up."""


class Histogram:
    """How many values were at most each bound and above the one before; the last count is of those above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0
        """Sum of the values."""

    def add(self, value: int) -> None:
        """Count a value; one below 0, as of a clock that was set back, as 0."""
        self.counts[bisect_left(self.bounds, value)] += 1
        if value > 0:
            self.total += value


class Sent:
    """What was handed to sockets in one encoding: stream messages, replies and notices, and their bytes."""

    __slots__ = ("messages", "size")

    def __init__(self) -> None:
        self.messages = 0
        self.size = 0


class Meters:
    """The counts of one server. Durations are in nanoseconds.

    Attributes:
        requests: answered ones by method and error code, or `OK`.
        batched: operations of batches in the same way, as if each had been a request.
        answer_ns: from the time in of a request that had to be on the tape to its answer.
        sent: by encoding.
        dropped: messages that clients were told they would not get: "gap" or "skipped".
        closes: connections that ended, by close code.
        connections_refused: by HTTP status.
        commit_ns: of the tape. transaction_records: their sizes.
        publish_ns: from the clock of a transaction to its publication, all sockets written.
        snapshot_ns: making and storing one of the market.
        loop_lag_ns: how late the event loop ran a callback that was due.
        loop_blocked: turns of the loop that took too long.
        feed_ns: when each feed last brought records, by name.
    """

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.batched: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.answer_ns = Histogram(FAST_NS)
        self.sent: defaultdict[str, Sent] = defaultdict(Sent)
        self.dropped: dict[str, int] = {"gap": 0, "skipped": 0}
        self.closes: defaultdict[int, int] = defaultdict(int)
        self.connections_refused: defaultdict[int, int] = defaultdict(int)
        self.commit_ns = Histogram(FAST_NS)
        self.transaction_records = Histogram(SIZES)
        self.publish_ns = Histogram(FAST_NS)
        self.snapshot_ns = Histogram(SLOW_NS)
        self.loop_lag_ns = Histogram(FAST_NS)
        self.loop_blocked = 0
        self.feed_ns: dict[str, int] = {}
