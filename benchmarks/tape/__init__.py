"""What do a commit, a replay and a start from the tape cost, beside a bare write to a file?

                       ┌► SQLite, WAL ──► write (process), fsync (power) ──► acknowledged
    1, 10, 100, 1,000 ─┤
    records            └► a file      ──► write, fsync: the least that any log can do

    tape ──► records                      replay
    tape ──► records ──► market           start, from the beginning
    snapshot ──► market ◄── newer records start, from the newest snapshot

The same transactions are appended to the tape and, as a bare file, with one `write` each and for "power" an `fsync`
after it, a tenth of them here and a tenth there in turn, so that both meet the same disk. What is on the tape is read
back and compared. The tape of the start is that of a mirrored feed: changes of twenty books by level, and trades (that
of orders is in the benchmark of orders); a start must come to the state, by its digest, that the records lead to when
they are folded without a tape. The newest snapshot is as old as it gets on a server.
"""

from __future__ import annotations

import os
import sqlite3
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from benchmarks.percentiles import quantiles
from benchmarks.processes import SERVER_CORE, pinned
from benchmarks.results import Bars, Cell, Measured, Table, Wrong
from benchmarks.tape.mirrored import Recovery, recovery
from tickwire.limits import SNAPSHOT_EVERY_RECORDS
from tickwire.model.records import Clock, PlaceOrder, Record, encode_records
from tickwire.tape.sqlite import SqliteTape

SIZES = (1, 10, 100, 1_000)
TS = 1_700_000_000_000_000_000
PARTS = 10

Durability = Literal["process", "power"]
DURABILITIES: tuple[Durability, ...] = ("process", "power")


class Commits(NamedTuple):
    """Commits of one size.

    Args:
        size: orders in each. count: commits.
        tape, bare: nanoseconds of each, on the tape and in a file.
        replay_seconds: to read them all.
    """

    durability: Durability
    size: int
    tape: list[int]
    bare: list[int]
    replay_seconds: float

    @property
    def per_s(self) -> float:
        """Commits a second, one after another."""
        return len(self.tape) * 1e9 / sum(self.tape)

    @property
    def of_bare(self) -> float:
        """How many times as long as the bare file it took."""
        return sum(self.tape) / sum(self.bare)

    @property
    def replayed_per_s(self) -> float:
        """Records read a second, clocks among them."""
        return len(self.tape) * (self.size + 1) / self.replay_seconds


def options(parser: ArgumentParser) -> None:
    """How much is written, and where."""
    parser.add_argument("--transactions", type=int, default=20_000, metavar="N", help="of one record; larger are fewer")
    parser.add_argument("--records", type=int, default=600_000, metavar="N", help="to start from (%(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary folder by default")


def measure(given: Namespace) -> Measured:
    """Commit, replay, start.

    Raises:
        Wrong: what was read is not what was written, or a start came to another state.
    """
    if given.smoke:
        given.transactions, given.records = 200, 2_000
    with pinned(SERVER_CORE), TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        commits = [
            commit(folder / f"{durability}-{size}", durability, size, _count(given.transactions, durability, size))
            for durability in DURABILITIES
            for size in SIZES
        ]
        recovered = recovery(folder / "mirrored", given.records)
    return Measured(
        settings={
            "transactions of one record": given.transactions,
            "records to start from": given.records,
            "sqlite": sqlite3.sqlite_version,
        },
        tables=[_commit_table(commits), _replay_table(commits), _start_table(recovered)],
        charts=[
            Bars(
                f'Commits a second, durability "{durability}"',
                "commits/s",
                {
                    f"{each.size:,} records": {"tape": each.per_s, "bare file": each.per_s * each.of_bare}
                    for each in commits
                    if each.durability == durability
                },
                log=True,
            )
            for durability in DURABILITIES
        ],
        findings=_findings(commits, recovered),
    )


def _count(transactions: int, durability: Durability, size: int) -> int:
    count = transactions // (1 if durability == "process" else 10)
    return max(PARTS, count * 10 // (size + 9))


def transaction(number: int, size: int) -> list[Record]:
    """A clock and `size` orders."""
    orders = [
        PlaceOrder("SIM:BTC-USDT", "account-7", "buy" if n % 2 else "sell", 1 + n, price=6_000_000 + number % 100)
        for n in range(size)
    ]
    return [Clock(TS + number * 1_000_000), *orders]


def commit(folder: Path, durability: Durability, size: int, count: int) -> Commits:
    """Commit `count` transactions of `size` orders, and read them back.

    Raises:
        Wrong: what was read is not what was appended.
    """
    transactions = [transaction(number, size) for number in range(1, count + 1)]
    bodies = [encode_records(records) for records in transactions]
    on_tape: list[int] = []
    in_file: list[int] = []
    with closing(SqliteTape(folder, durability)) as tape, (folder / "bare").open("wb", buffering=0) as file:
        for part in _parts(count):
            for records in transactions[part]:
                began = time.perf_counter_ns()
                tape.append(records)
                on_tape.append(time.perf_counter_ns() - began)
            for body in bodies[part]:
                began = time.perf_counter_ns()
                os.write(file.fileno(), body)
                if durability == "power":
                    os.fsync(file.fileno())
                in_file.append(time.perf_counter_ns() - began)
        began = time.perf_counter_ns()
        held = list(tape.read())
        replay_seconds = (time.perf_counter_ns() - began) / 1e9
    check(held, transactions)
    return Commits(durability, size, on_tape, in_file, replay_seconds)


def _parts(count: int) -> Iterator[slice]:
    size = -(-count // PARTS)
    return (slice(first, first + size) for first in range(0, count, size))


def check(held: list[tuple[int, list[Record]]], appended: list[list[Record]]) -> None:
    """Whether a tape holds what was appended, in order.

    Raises:
        Wrong: it does not; the message names the first transaction.
    """
    for number, records in enumerate(appended, 1):
        if number > len(held) or held[number - 1] != (number, records):
            raise Wrong(f"transaction {number} is not the one that was appended")
    if len(held) > len(appended):
        raise Wrong(f"transaction {len(appended) + 1} was never appended")


def _commit_table(commits: list[Commits]) -> Table:
    rows: list[list[Cell]] = []
    for each in commits:
        p50, p99, _, longest = (1_000 * ms for ms in quantiles(each.tape).values())
        rows.append(
            [
                each.durability,
                each.size,
                each.per_s,
                each.per_s * each.size,
                p50,
                p99,
                longest,
                1_000 * quantiles(each.bare)["p50"],
                each.of_bare,
            ]
        )
    columns = [
        "durability", "records", "commits/s", "records/s", "p50, µs", "p99, µs", "max, µs", "bare file p50, µs",
        "times the bare file",
    ]  # fmt: skip
    return Table("Commits, one after another", columns, rows)


def _replay_table(commits: list[Commits]) -> Table:
    rows: list[list[Cell]] = [[each.size, each.replayed_per_s] for each in commits if each.durability == "process"]
    return Table("Replay: transactions read from the tape", ["records of a transaction", "records/s"], rows)


def _start_table(found: Recovery) -> Table:
    rows: list[list[Cell]] = [
        ["the beginning", found.records, found.replayed, found.records / found.replayed],
        ["the newest snapshot", found.after, found.folded, found.after / found.folded],
    ]
    return Table(
        f"A start from a tape of {found.records:,} records of a mirrored feed, {found.megabytes:.0f} MB",
        ["from", "records folded", "seconds", "records/s"],
        rows,
    )


def _findings(commits: list[Commits], found: Recovery) -> list[str]:
    of_bare = {(each.durability, each.size): each.of_bare for each in commits}
    return [
        f"Beside a bare write a commit of one record takes {of_bare['process', 1]:.1f} times as long, one of 1,000 "
        f"{of_bare['process', 1_000]:.1f} times: encoding and SQLite's row and checksum. Beside write and fsync it is "
        f"{of_bare['power', 1]:.1f} and {of_bare['power', 1_000]:.1f} times: the disk is most of it.",
        "What fsync takes is the disk's and the file system's; on a temporary folder in memory it takes nothing. The "
        "longest commits are those that copy the WAL into the file.",
        f"A start from the newest snapshot folds {found.after:,} records here and {SNAPSHOT_EVERY_RECORDS:,} at most, "
        f"whatever the length of the tape; the one from the beginning folds all {found.records:,}.",
    ]
