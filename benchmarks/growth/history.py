"""What the past costs: append and start-up by length of the tape, questions by number of candles that are kept."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.growth.curve import Curve, Family, cpu_us
from benchmarks.growth.market import START_NS, opening, symbol, trade
from benchmarks.results import Wrong
from tickwire.limits import CANDLES_KEPT_MAX
from tickwire.market.market import Market
from tickwire.model.events import Candle
from tickwire.model.records import Clock, Record
from tickwire.server.pipeline import restore
from tickwire.tape.candles import CandleStore
from tickwire.tape.sqlite import SqliteTape

INSTRUMENTS = 10
PER_TRANSACTION = 100
AFTER_SNAPSHOT = 20
"""Transactions that a start has to fold, whatever the length of the tape."""
APPENDS = 20
TRANSACTION_NS = 100_000_000
MINUTE_NS = 60_000_000_000
ROWS = 100


def tape(lengths: Iterable[int], folder: Path) -> Family:
    """A tape that grows: an append at this length, and a start from its newest snapshot."""
    grown = _Grown(folder)
    append, start = [], []
    for length in lengths:
        grown.to(length)
        append.append((length, grown.append_us()))
        start.append((length, grown.start_us()))
    grown.tape.close()
    return Family(
        "records on the tape",
        [
            Curve(f"append of {PER_TRANSACTION} records", "µs of processor", "flat", append),
            Curve("start from a snapshot", "µs of processor", "flat", start),
        ],
    )


class _Grown:
    """A tape on disk and the market that its records make."""

    def __init__(self, folder: Path) -> None:
        self.tape = SqliteTape(folder, "process")
        self.records = 0
        self._folder = folder
        self._market = Market()
        self._market.heard = ()
        self._body = [trade(n % INSTRUMENTS, n) for n in range(PER_TRANSACTION - 1)]
        self._put(opening(INSTRUMENTS))

    def to(self, length: int) -> None:
        """Add transactions until there are so many records."""
        while self.records < length:
            self._put(self._next())

    def append_us(self) -> float:
        """An append now, without its fold."""
        appended: list[list[Record]] = []
        now = self._market.now

        def work() -> None:
            for _ in range(APPENDS):
                appended.append([Clock(now + (len(appended) + 1) * TRANSACTION_NS), *self._body])
                self.tape.append(appended[-1])

        took = cpu_us(work) / APPENDS
        for records in appended:
            self._fold(records)
        return took

    def start_us(self) -> float:
        """A start, with the same number of transactions after the snapshot.

        Raises:
            Wrong: it came to another state.
        """
        self.tape.save_snapshot(self.tape.last_seq, self._market.snapshot())
        for _ in range(AFTER_SNAPSHOT):
            self._put(self._next())
        started: list[Market] = []

        def work() -> None:
            self.tape = SqliteTape(self._folder, "process")
            started.append(restore(self.tape))
            self.tape.close()

        self.tape.close()
        took = cpu_us(work)
        if any(market.digest() != self._market.digest() for market in started):
            raise Wrong(f"a start from a tape of {self.records} records came to another state")
        self.tape = SqliteTape(self._folder, "process")
        return took

    def _next(self) -> list[Record]:
        return [Clock(self._market.now + TRANSACTION_NS), *self._body]

    def _put(self, records: list[Record]) -> None:
        self.tape.append(records)
        self._fold(records)

    def _fold(self, records: list[Record]) -> None:
        for record in records:
            self._market.apply(record)
        self._market.changed.clear()
        self.records += len(records)


def candles(counts: Iterable[int], folder: Path) -> Family:
    """The oldest and the newest hundred candles of a minute, of one instrument among those that fill the store."""
    found: dict[str, list[tuple[int, float]]] = {"oldest": [], "newest": [], "adding": []}
    with closing(CandleStore(folder / "candles.db")) as store:
        held = 0
        for count in counts:
            new = [candle(n) for n in range(held, count)]

            def work(new: list[Candle] = new, store: CandleStore = store) -> None:
                store.add(new)
                store.save()

            found["adding"].append((count, cpu_us(work, 1) / len(new)))
            held = count
            found["oldest"].append((count, cpu_us(partial(ask, store, count, newest=False), 5)))
            found["newest"].append((count, cpu_us(partial(ask, store, count, newest=True), 5)))
    return Family(
        "candles kept",
        [
            Curve(f"the oldest {ROWS} of an instrument", "µs of processor", "flat", found["oldest"]),
            Curve(f"the newest {ROWS} of an instrument", "µs of processor", "flat", found["newest"]),
            Curve("a candle is added", "µs of processor", "flat", found["adding"]),
        ],
    )


def candle(n: int) -> Candle:
    """Candle number `n` of the store: as many as are kept of the first instrument, then of the next."""
    index, minute = divmod(n, CANDLES_KEPT_MAX)
    start = START_NS - START_NS % MINUTE_NS + minute * MINUTE_NS
    return Candle(symbol(index), minute + 1, start, MINUTE_NS, start, 9, 12, 8, 10, 5 + n % 7, 50, 3, True)


def ask(store: CandleStore, count: int, *, newest: bool) -> None:
    """Ask for the first instrument's.

    Raises:
        Wrong: other candles came than were added.
    """
    held = range(min(count, CANDLES_KEPT_MAX))
    right = [candle(n) for n in (held[-ROWS:] if newest else held[:ROWS])]
    if store.candles(symbol(0), "1m", limit=ROWS, newest=newest) != right:
        raise Wrong(f"of {count} candles, the {'newest' if newest else 'oldest'} are not those that were added")
