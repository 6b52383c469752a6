"""The benchmarks by name, and the one command line that they have in common.

    python -m benchmarks NAME [--smoke] [--results FOLDER] [options of its own]
    python -m benchmarks all [--smoke] [--results FOLDER]
    python -m benchmarks page

A benchmark is a module `benchmarks.NAME`: its docstring asks the question in the first line and draws what is
measured, `options(parser)` adds what can be set, and `measure(given)` returns what it came to, or raises `Wrong`. With
`given.smoke` it does so in a few seconds, for the sake of its checks.
"""

from __future__ import annotations

import resource
import sys
import time
import traceback
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks import page
from benchmarks.names import NAMES
from benchmarks.results import Measured, Result, Wrong, in_columns, machine, shown


class Benchmark(Protocol):
    """The module of a benchmark."""

    __doc__: str | None

    def options(self, parser: ArgumentParser) -> None:
        """Add what can be set, each with its default."""

    def measure(self, given: Namespace) -> Measured:
        """Run.

        Raises:
            Wrong: an answer was not the right one.
        """
        ...


def load(name: str) -> Benchmark:
    """The benchmark of this name."""
    module: Benchmark = import_module(f"benchmarks.{name}")
    return module


def main(argv: Sequence[str]) -> int:
    """Run what the command line names; 1 if an answer was wrong or something failed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name = argv[0] if argv else ""
    if name == "page":
        page.write(page.results(page.RESULTS))
        return 0
    if name not in (*NAMES, "all"):
        print(f"usage: python -m benchmarks NAME [options]\n\nNAME is all, page or one of:\n{_questions()}")
        return 0 if name in ("-h", "--help") else 2
    if name == "all":
        return max(_run(each, argv[1:]) for each in NAMES)
    return _run(name, argv[1:])


def _questions() -> str:
    questions = {name: (load(name).__doc__ or "").partition("\n")[0] for name in NAMES}
    return "\n".join(f"  {name:<12} {question}" for name, question in questions.items())


def _run(name: str, argv: Sequence[str]) -> int:
    benchmark = load(name)
    parser = ArgumentParser(
        f"python -m benchmarks {name}", description=benchmark.__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a few seconds: only the checks count")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="write what was measured to NAME.json there")
    benchmark.options(parser)
    given = parser.parse_args(argv)
    print(f"\n== {name}: {(benchmark.__doc__ or '').partition(chr(10))[0]}", flush=True)
    file = given.results / f"{name}.json" if given.results else None
    if file:
        file.unlink(missing_ok=True)  # what is there tells of this run, or nothing
    began = time.perf_counter()
    try:
        measured = benchmark.measure(given)
    except Wrong as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    seconds = round(time.perf_counter() - began, 1)
    command = " ".join(["python -m benchmarks", name, *argv]).partition(" --results")[0]
    date = datetime.now(UTC).date().isoformat()
    result = Result(name, command, date, seconds, machine(), measured)
    _show(result)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return 0


def _show(result: Result) -> None:
    measured = result.measured
    settings = {**result.machine, **measured.settings}
    print(", ".join(f"{name} {shown(value)}" for name, value in settings.items()))
    for table in measured.tables:
        print(f"\n{in_columns(table)}")
    for finding in measured.findings:
        print(f"\n{finding}")
    for aim in measured.aims:
        state = "met" if aim.met else "NOT MET"
        print(f"\n{state}: {aim.text}: {shown(aim.measured)}; the aim is {aim.bound}")
    print(f"\nevery answer was right; {result.seconds:.0f} s", flush=True)
