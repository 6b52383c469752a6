"""The report: docs/benchmarks.md, its charts and the page on polling, made of the results in docs/benchmarks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks.names import NAMES
from benchmarks.rest import page as rest_page
from benchmarks.results import Aim, Result, Table, shown

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS = DOCS / "benchmarks"

_TOP = """# Benchmarks

<!-- written by `make bench`; change benchmarks/page.py or the benchmark instead -->

Each number was printed by the command below it, in one run with what it is compared with, on a small shared machine:
read the ratios. A benchmark checks every answer and gives no number where one was wrong. The server has one core and
whoever loads it the other. `make bench` runs them all and writes this page; `make bench-NAME` or `tickwire bench NAME`
runs one. What a server does when left alone for long, and under attack, is told in [endurance](endurance.md).
"""


def results(folder: Path) -> list[Result]:
    """What is kept in a folder, in the order of the report."""
    files = (folder / f"{name}.json" for name in NAMES)
    return [msgspec.json.decode(file.read_bytes(), type=Result) for file in files if file.exists()]


def pages(kept: list[Result]) -> dict[str, str]:
    """The text of every page, by its path in docs."""
    sections = [_TOP, _aims(kept), *map(_section, kept)]
    rest = [(rest_page.PATH, rest_page.page(result)) for result in kept if result.name == "rest"]
    return dict([("benchmarks.md", "\n".join(sections)), *rest])


def write(kept: list[Result]) -> None:
    """Write the pages, and every chart."""
    from benchmarks.charts import drawn  # it imports matplotlib, which a benchmark does not need

    for path, text in pages(kept).items():
        (DOCS / path).write_text(text)
    for result in kept:
        for number, chart in enumerate(result.measured.charts, 1):
            (RESULTS / f"{result.name}-{number}.svg").write_text(drawn(chart))


def _aims(kept: list[Result]) -> str:
    aims = [(result.name, aim) for result in kept for aim in result.measured.aims]
    lines = ["## Where the aims stand", "", "| | measured | aim | | |", "|---|---|---|---|---|"]
    lines += [
        f"| {aim.text} | {shown(aim.measured)} | {aim.bound} | {_met(aim)} | [{name}](#{name}) |" for name, aim in aims
    ]
    held_back = [f"- **{aim.text}**: {aim.why}" for _, aim in aims if aim.why]
    return "\n".join([*lines, "", *held_back, ""])


def _met(aim: Aim) -> str:
    return "met" if aim.met else "**not met**"


def _section(result: Result) -> str:
    measured = result.measured
    question, _, about = (import_module(f"benchmarks.{result.name}").__doc__ or "").strip().partition("\n")
    lines = [f"## {result.name}", "", f"**{question}**", "", "```text", about.strip("\n"), "```", ""]
    for table in measured.tables:
        lines += [*_markdown(table), ""]
    for number, chart in enumerate(measured.charts, 1):
        lines += [f"![{chart.title}](benchmarks/{result.name}-{number}.svg)", ""]
    lines += [f"- {finding}" for finding in measured.findings]
    settings = ", ".join(f"{name} {shown(value)}" for name, value in {**result.machine, **measured.settings}.items())
    lines += ["", f"`{result.command}`, {result.date}, {result.seconds:.0f} s: {settings}.", ""]
    return "\n".join(lines)


def _markdown(table: Table) -> list[str]:
    rows = [" | ".join(map(shown, row)) for row in table.rows]
    rule = "|".join(["---", *["---:"] * (len(table.columns) - 1)])
    return [f"{table.title}:", "", f"| {' | '.join(table.columns)} |", f"|{rule}|", *(f"| {row} |" for row in rows)]
