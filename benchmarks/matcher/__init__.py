"""How many operations a second does the matcher do, beside other books that Python can call?

    steps ──┬──► Matcher, interpreted ──► events ──┬── must be equal, each of them
            ├──► Matcher, compiled ─────► events ──┤
            ├──► ReferenceMatcher ──────► events ──┘
            └──► books of others ───────► trades ───── must be ours: price, size, maker, taker

One process each, one core, no tape, streams or sockets: a step is a call of the book's own interface from Python, the
loop that makes the calls included. They go in rounds, by turns; of each the fastest round counts, in CPU time.

The books of others are what PyPI has that works: each by price and time, in an environment of its own
(`requirements/clients/books.in`, made by `make clients`). They get the steps that all of them know: limit orders that
rest or take, and cancels. Each hands out its trades, as ours does. What each leaves out is in the table.

The curves follow a cancel and a new order at the same price, at a level picked at random, through books of more and
more levels or longer and longer queues.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from itertools import pairwise
from subprocess import Popen
from time import process_time
from typing import Any

from benchmarks.compiled import COMPILED, INTERPRETED, LEFT_OUT, packages, started_with
from benchmarks.matcher.play import answers, digest
from benchmarks.matcher.steps import Step
from benchmarks.matcher.workloads import long_queue, mixed, standing
from benchmarks.processes import ROOT, said, started_program, tell
from benchmarks.results import Aim, Cell, Lines, Measured, Table, Wrong
from tickwire.engine.reference import ReferenceMatcher

BOOKS = {
    "liquibook": "C++ through SWIG. No accounts, so no self-trade prevention; no post-only, iceberg or trade ids",
    "lightmatchingengine": "Python. No accounts, amends, post-only, stops or icebergs; a list of levels and of orders",
    "nanobook": "Rust through PyO3. No accounts, post-only or icebergs; a queue only: see the findings",
    "obook": "a C interface through ctypes. No stops or icebergs; an amend gets another id",
}
"""What each is, and what its Python interface leaves out beside ours."""

QUEUES_ONLY = ("nanobook",)

PUBLISHED: list[list[Cell]] = [
    ["Liquibook", "2.0 to 2.5 million inserts/s", "C++, inside one program: no call from another language, no cancels",
     "github.com/enewhuis/liquibook"],
    ["exchange-core", "5 million operations/s", "Java, six cores of an X5690, risk included; 82 % of the commands move "
     "an order, 6 % trade; no network, no journal", "github.com/exchange-core/exchange-core"],
    ["CppTrader", "3.2 million messages/s", "C++, a day of NASDAQ ITCH, which names the executions: a book is kept, "
     "nothing is matched", "github.com/chronoxor/CppTrader"],
    ["matchcore", "10,000 orders in 273 µs", "Rust, orders that only rest in a fresh book",
     "docs.rs/crate/matchcore/0.4.0/source/docs/benchmarks.md"],
]  # fmt: skip
"""As their own pages say it, on computers of their own: no ratio is taken."""

LEVELS = (1, 10, 100, 1_000, 10_000)
QUEUES = (1, 10, 100, 1_000, 10_000, 100_000)


def options(parser: ArgumentParser) -> None:
    """Add what can be set, each with its default."""
    parser.add_argument("--steps", type=int, default=20_000, metavar="N", help="of each workload (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of which the fastest counts (%(default)s)")


def measure(given: Namespace) -> Measured:
    """Run each workload on everyone, check what came of it, and follow the curves.

    Raises:
        Wrong: an event or a trade was not the expected one.
    """
    count, rounds = (1_000, 1) if given.smoke else (given.steps // 2 * 2, given.rounds)
    all_steps, common, queue = mixed(count), mixed(count, amends=False), long_queue(count // 2)
    ours, others, versions = _started()
    try:
        expected = [_reference(steps) for steps in (all_steps, queue)]
        own = {
            name: [_fastest(name, process, steps, rounds, right) for steps, (_, right) in
                   zip((all_steps, queue), expected, strict=True)]
            for name, process in ours.items()
        }  # fmt: skip
        compared = _compared({**ours, **others}, common, queue, rounds)
        sizes = (LEVELS[:2], QUEUES[:2]) if given.smoke else (LEVELS, QUEUES)
        charts = [_curve(ours, "levels a side", sizes[0], count), _curve(ours, "orders in the queue", sizes[1], count)]
    finally:
        for process in (*ours.values(), *others.values()):
            process.communicate()
    rates = {name: [count / seconds for seconds, _ in runs] for name, runs in own.items()}
    rates["its slow twin"] = [count / seconds for seconds, _ in expected]
    missing = [name for name in BOOKS if name not in others]
    return Measured(
        settings={"steps": count, "rounds": rounds, **versions},
        tables=[
            Table("Operations a second, half of them orders that rest, a tenth takers, the rest cancels and amends",
                  ["matcher", "mixed", "one long queue"], [[name, *row] for name, row in rates.items()]),
            Table("Operations a second beside other books: orders and cancels, every trade read",
                  ["book", "mixed", "one long queue", "what it leaves out"],
                  [[name, *compared.get(name, (None, None)), BOOKS.get(name, "–")] for name in [*ours, *BOOKS]]),
            Table("What others publish", ["engine", "figure", "what it is of", "where it says so"], PUBLISHED),
        ],
        charts=[*charts],
        aims=_aims(rates),
        findings=_findings(rates, own[INTERPRETED][0][1] / count * 1e9, charts, missing),
    )  # fmt: skip


def expect_events(name: str, got: str, expected: str) -> None:
    """The events have to be those of the slow twin.

    Raises:
        Wrong: they are not.
    """
    if got != expected:
        raise Wrong(f"the events of the matcher, {name}, are not those of its slow twin")


def expect_trades(name: str, got: list[list[int]], expected: list[list[int]]) -> None:
    """Every book has to come to the same trades: price, size, maker and taker.

    Raises:
        Wrong: one differs, is missing or is too many.
    """
    for number, (one, other) in enumerate(zip(got, expected, strict=False)):
        if one != other:
            raise Wrong(f"trade {number} of {name} is {one}, not {other}")
    if len(got) != len(expected):
        raise Wrong(f"{name} comes to {len(got)} trades, not to {len(expected)}")


def _started() -> tuple[dict[str, Popen[str]], dict[str, Popen[str]], dict[str, Cell]]:
    ours = {name: started_with(path, "benchmarks.matcher.run") for name, path in packages().items()}
    for name, process in ours.items():
        if said(process)["compiled"] != (name == COMPILED):
            raise Wrong(f"the matcher that was to be {name} is not")
    python = ROOT / ".clients" / "books" / "bin" / "python"
    script = ROOT / "benchmarks" / "matcher" / "books.py"
    others = {name: started_program(python, script, name) for name in BOOKS if python.exists()}
    return ours, others, {name: said(process)["version"] for name, process in others.items()}


def _round(process: Popen[str], steps: list[Step], before: list[Step]) -> dict[str, Any]:
    tell(process, json.dumps({"before": before, "steps": steps}))
    return said(process)


def _fastest(name: str, process: Popen[str], steps: list[Step], rounds: int, expected: str) -> tuple[float, float]:
    """Seconds of the fastest round, and of the loop alone; every event of each round has been compared."""
    runs = [_round(process, steps, []) for _ in range(rounds)]
    for run in runs:
        expect_events(name, run["digest"], expected)
    return min(float(run["alone"]) for run in runs), min(float(run["loop"]) for run in runs)


def _reference(steps: list[Step]) -> tuple[float, str]:
    """Seconds of the slow twin, and the digest of its events."""
    began = process_time()
    expected = answers(ReferenceMatcher(), steps)
    return process_time() - began, digest(expected)


def _compared(
    processes: dict[str, Popen[str]], common: list[Step], queue: list[Step], rounds: int
) -> dict[str, list[Cell]]:
    """Operations a second of each on both workloads, all of whose trades have been compared."""
    compared: dict[str, list[Cell]] = {name: [] for name in processes}
    for steps in (common, queue):
        fastest: dict[str, float] = {}
        expected: list[list[int]] = []
        for _ in range(rounds):
            for name, process in processes.items():
                if name in QUEUES_ONLY and steps is common:
                    continue
                run = _round(process, steps, [])
                expected = expected or run["trades"]
                expect_trades(name, run["trades"], expected)
                fastest[name] = min(fastest.get(name, run["seconds"]), run["seconds"])
        for name, rates in compared.items():
            rates.append(len(steps) / fastest[name] if name in fastest else None)
    return compared


def _curve(ours: dict[str, Popen[str]], of: str, sizes: tuple[int, ...], count: int) -> Lines:
    """What an operation costs in books of these sizes; the fastest of three runs."""
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in ours}
    for size in sizes:
        before, steps = standing(size, 1, count) if of == "levels a side" else standing(1, size, count)
        for name, process in ours.items():
            seconds = min(_round(process, steps, before)["alone"] for _ in range(3))
            series[name].append((size, seconds / len(steps) * 1e9))
    return Lines(f"Cost of an operation against {of}", of, "ns", series, "x")


def _aims(rates: dict[str, list[float]]) -> list[Aim]:
    return [
        Aim("operations/s of the matcher, interpreted", rates[INTERPRETED][0], 1_000_000,
            why="the loop that calls it included; every operation makes its events"),
        Aim("operations/s of the matcher, compiled", rates[COMPILED][0] if COMPILED in rates else None, 2_000_000,
            why="orders and events are msgspec structs: compiled code reads their fields as Python does"),
    ]  # fmt: skip


def _findings(rates: dict[str, list[float]], loop_ns: float, charts: list[Lines], missing: list[str]) -> list[str]:
    growth = [
        f"{chart.x}: {max(b / a for (_, a), (_, b) in pairwise(curve)):.1f}"
        for chart in charts
        for curve in [chart.series[INTERPRETED]]
    ]
    findings = [
        f"The matcher does {rates[INTERPRETED][0] / rates['its slow twin'][0]:.0f} times what its slow twin does, "
        f"event for event. Of the {1e9 / rates[INTERPRETED][0]:,.0f} ns of a mixed operation {loop_ns:,.0f} are the "
        "loop and its calls, taken of a matcher that does nothing. Accounts, candles and streams are not in it.",
        f"The most that ten times as many cost more: {', '.join(growth)} times. Levels are kept in a sorted list, "
        "whose end is the top of the book; a queue is a linked map, which a cancel anywhere in it does not walk.",
        "nanobook is given the queue only: on the mixed steps 0.19.2 does not come back from an order after some "
        "hundred cancels. What the books of others leave out costs them nothing here, and no order meets one of its "
        "own account.",
    ]  # fmt: skip
    if COMPILED not in rates:
        findings.append(LEFT_OUT)
    if missing:
        findings.append(f"Not there, so not measured: {', '.join(missing)}; `make clients` installs them.")
    return findings
