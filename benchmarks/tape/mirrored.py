"""The tape of a mirrored feed, and how long a start takes to the market that it leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.results import Wrong
from tickwire.limits import SNAPSHOT_EVERY_RECORDS
from tickwire.market.market import Market
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    Clock,
    FeedStatus,
    Level,
    ListInstrument,
    Record,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueTrade,
)
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import SqliteTape

SEED = 1
START_NS = 1_732_180_000_000_000_000
INSTRUMENTS = [
    Instrument(
        venue="SIM",
        base=f"B{number:02}",
        quote="USDT",
        asset_class="crypto",
        tick_size="0.01",
        lot_size="0.001",
        kind="mirrored",
        book="levels",
        feed="recorded",
    )
    for number in range(20)
]
PER_TRANSACTION = 100
"""Records of one, its clock among them; there are ten transactions a second."""
MIDDLE, DEPTH = 10_000, 50


def feed(records: int) -> Iterator[list[Record]]:
    """Transactions of about so many records: four changes of a book to one trade."""
    rng = Random(SEED)
    symbols = [instrument.symbol for instrument in INSTRUMENTS]
    bids, asks = ([(MIDDLE + side * n, 5) for n in range(1, DEPTH + 1)] for side in (-1, 1))
    yield [
        Clock(START_NS),
        *map(ListInstrument, INSTRUMENTS),
        FeedStatus("recorded", "live"),
        *(VenueBookSnapshot(symbol, bids, asks) for symbol in symbols),
    ]
    for number in range(1, records // PER_TRANSACTION + 1):
        ts = START_NS + number * 100_000_000
        transaction: list[Record] = [Clock(ts)]
        for n in range(PER_TRANSACTION - 1):
            symbol = rng.choice(symbols)
            if n % 5 == 0:
                price, size = MIDDLE + rng.randint(-5, 5), rng.randint(1, 9)
                transaction.append(VenueTrade(symbol, f"{number}-{n}", price, size, "buy", ts))
            else:
                below, above = ([_level(rng, side) for _ in range(1 + n % 2)] for side in (-1, 1))
                transaction.append(VenueBookUpdate(symbol, below, above, ts))
        yield transaction


def _level(rng: Random, side: int) -> Level:
    return MIDDLE + side * rng.randint(1, DEPTH), rng.randint(0, 9)


class Recovery(NamedTuple):
    """Seconds from opening the tape to its market.

    Args:
        records, megabytes: on the tape.
        replayed: from its beginning. folded: from the newest snapshot, with `after` records to fold.
    """

    records: int
    megabytes: float
    replayed: float
    folded: float
    after: int


def recovery(folder: Path, records: int) -> Recovery:
    """Write a tape with its newest snapshot as old as it gets, but half of its records at most, and start from it.

    Raises:
        Wrong: a start came to another market than the records that were put in.
    """
    market = Market()
    market.heard = ()
    state = b""
    last = records // PER_TRANSACTION + 1
    snapshot_at = last - min(SNAPSHOT_EVERY_RECORDS, records // 2) // PER_TRANSACTION
    with closing(SqliteTape(folder)) as tape:
        for transaction in feed(records):
            seq = tape.append(transaction)
            for record in transaction:
                market.apply(record)
            if seq == snapshot_at:
                state = market.snapshot()
        megabytes = tape.bytes_held / 1e6
    digest = market.digest()
    replayed = _start(folder, digest)
    with closing(SqliteTape(folder)) as tape:
        tape.save_snapshot(snapshot_at, state)
    folded = _start(folder, digest)
    return Recovery(records, megabytes, replayed, folded, (last - snapshot_at) * PER_TRANSACTION)


def _start(folder: Path, digest: str) -> float:
    began = time.perf_counter()
    with closing(SqliteTape(folder)) as tape:
        market = restore(tape)
        seconds = time.perf_counter() - began
    check(market, digest)
    return seconds


def check(market: Market, digest: str) -> None:
    """Whether a start came to the right market.

    Raises:
        Wrong: it did not.
    """
    if market.digest() != digest:
        raise Wrong("the tape leads to another market than the records that were put on it")
