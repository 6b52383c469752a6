"""How many inputs a second go through tape, fold and streams with every stream on, interpreted and compiled?

    inputs ──► tape.append ──► market.apply ──► hub.publish, flush ──► JSON frames ──► discarded
    in transactions of 1, 10 and 100

One process, one core, no socket. The inputs are commands of the built-in market, or what feeds of four venues report:
changes of a book by level and trades. Every channel of every instrument is subscribed to, `book` also by depth and
interval; the tape is on disk, with the durability "process". The same inputs go through the modules as they are in
`src`, and through those that `make compiled` has made of them, in processes of their own and by turns; the median
round counts.

Before anything is measured each process keeps its frames and checks them: lossless streams rise by exactly 1, the
others rise. Both processes must then have sent the same bytes, and each measured round must end in the same state.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from importlib.metadata import version
from statistics import median

from benchmarks.compiled import COMPILED, INTERPRETED, LEFT_OUT, packages, started_with
from benchmarks.fold.workloads import SIZES, WORKLOADS
from benchmarks.processes import said, tell
from benchmarks.results import Aim, Cell, Measured, Table, Wrong

Key = tuple[str, int]
"""A workload and the inputs of a transaction."""


def options(parser: ArgumentParser) -> None:
    """Add what can be set, each with its default."""
    parser.add_argument("--inputs", type=int, default=20_000, metavar="N", help="inputs a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of which the median counts (%(default)s)")


def measure(given: Namespace) -> Measured:
    """Check, then measure in rounds.

    Raises:
        Wrong: a stream was not in order, or a state or bytes were not the same everywhere.
    """
    inputs, rounds = (1_000, 1) if given.smoke else (given.inputs, given.rounds)
    processes = {name: started_with(path, "benchmarks.fold.run", inputs) for name, path in packages().items()}
    seconds: dict[tuple[str, Key], list[list[float]]] = {}
    try:
        checked = {name: said(process) for name, process in processes.items()}
        expect_same(checked)
        messages = next(iter(checked.values()))
        for _ in range(rounds):
            for name, process in processes.items():
                tell(process, "round")
                for row in said(process)["rows"]:
                    seconds.setdefault((name, (row["workload"], row["size"])), []).append(row["seconds"])
    finally:
        for process in processes.values():
            process.communicate()
    keys = [(workload, size) for workload in WORKLOADS for size in SIZES]
    rows = [_row(key, seconds, inputs, messages[f"{key[0]} {key[1]}"]) for key in keys]
    return Measured(
        settings={"inputs": inputs, "rounds": rounds, "msgspec": version("msgspec"), "mypyc": version("mypy")},
        tables=[
            Table(
                "Inputs a second through tape, fold and streams, and where an interpreted one's time goes",
                ["inputs", "in a transaction", "interpreted", "compiled", "ratio", "tape", "fold", "streams",
                 "messages an input", "bytes an input"],
                rows,
            )
        ],
        aims=[_aim(rows)],
        findings=_findings(rows, COMPILED in processes),
    )  # fmt: skip


def expect_same(checked: Mapping[str, Mapping[str, Mapping[str, object]]]) -> None:
    """What was checked must have come to the same in each process.

    Raises:
        Wrong: it did not.
    """
    first = next(iter(checked.values()))
    for name, answers in checked.items():
        for case, answer in answers.items():
            for what, value in answer.items():
                if first[case][what] != value:
                    raise Wrong(f"{case}: {what} {value} when {name}, {first[case][what]} otherwise")


def _row(
    key: Key, seconds: dict[tuple[str, Key], list[list[float]]], inputs: int, checked: dict[str, int]
) -> list[Cell]:
    rounds = seconds[INTERPRETED, key]
    interpreted = median(map(sum, rounds))
    compiled = median(map(sum, seconds[COMPILED, key])) if (COMPILED, key) in seconds else None
    shares = [f"{median(stage) / interpreted:.0%}" for stage in zip(*rounds, strict=True)]
    return [
        key[0],
        key[1],
        inputs / interpreted,
        None if compiled is None else inputs / compiled,
        None if compiled is None else interpreted / compiled,
        *shares,
        checked["messages"] / inputs,
        checked["bytes"] / inputs,
    ]


def _aim(rows: list[list[Cell]]) -> Aim:
    best = max(float(row[3] or row[2] or 0) for row in rows if row[0] == "feed")
    return Aim(
        "feed inputs/s of one core with every stream on, in the transactions that suit it best",
        best,
        50_000,
        why="a change of the book is a message of the book, often of the quotes, and a book by depth every 100 ms",
    )


def _findings(rows: list[list[Cell]], compiled: bool) -> list[str]:
    findings = [
        "Every stream is read here, by one reader, who costs nothing; a stream that nobody reads is not made. What a "
        "transaction holds more makes an input cheaper: the streams of which only the newest state counts say it once."
    ]
    if not compiled:
        return [*findings, LEFT_OUT]
    ratios = [float(row[4] or 0) for row in rows]
    return [
        *findings,
        f"Compiled, {min(ratios):.2f} to {max(ratios):.2f} times as many go through. What gets no faster is "
        "in C already: msgspec's encoding, SQLite, dictionaries and the making of messages.",
    ]
