"""A tape of orders, and how long a restart takes to the market that it leaves."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from benchmarks.orders.trading import INSTRUMENT, account, opening, steps
from benchmarks.results import Wrong
from tickwire.limits import SNAPSHOT_EVERY_RECORDS
from tickwire.market.market import Market
from tickwire.model.records import Clock, Record
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import SqliteTape

TRANSACTION = 100
"""Orders of one."""


class Recovery(NamedTuple):
    """Seconds from opening a tape to its market, from its beginning and from a snapshot as old as it gets; its size."""

    replayed: float
    from_snapshot: float
    megabytes: float


def measure_recovery(folder: Path, commands: int, accounts: int) -> Recovery:
    """Write a tape, and recover from it twice.

    Raises:
        Wrong: a market is not what the tape has to leave.
    """
    planned = [steps(account(number), commands // accounts) for number in range(accounts)]
    mixed_up = [step for turn in zip(*planned, strict=True) for step in turn]
    ts = 1_700_000_000_000_000_000
    with closing(SqliteTape(folder)) as tape:
        tape.append(opening(accounts, ts))
        for first in range(0, len(mixed_up), TRANSACTION):
            ts += 10_000_000
            records: list[Record] = [step.command for step in mixed_up[first : first + TRANSACTION]]
            tape.append([Clock(ts), *records])
        megabytes = tape.bytes_held / 1e6

    def recovered() -> tuple[float, str]:
        began = time.perf_counter()
        with closing(SqliteTape(folder)) as tape:
            market = restore(tape)
            seconds = time.perf_counter() - began
            statuses = [step.status for step in mixed_up]
            resting = sum(len(market.open_orders(INSTRUMENT.symbol, account(number))) for number in range(accounts))
            if resting != statuses.count("open") - statuses.count("canceled") or market.ledger.imbalances():
                raise Wrong(f"{resting} orders rest in the recovered market; {market.ledger.imbalances()}")
            return seconds, market.digest()

    replayed, digest = recovered()
    with closing(SqliteTape(folder)) as tape:
        covered = max(1, tape.last_seq - SNAPSHOT_EVERY_RECORDS // (TRANSACTION + 1))
        market = Market()
        market.heard = ()
        for _, transaction in takewhile(lambda row: row[0] <= covered, tape.read()):
            for record in transaction:
                market.apply(record)
        tape.save_snapshot(covered, market.snapshot())
    from_snapshot, again = recovered()
    if digest != again:
        raise Wrong("the snapshot leads to another market than the tape")
    return Recovery(replayed, from_snapshot, megabytes)
