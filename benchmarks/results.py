"""What a benchmark comes to: tables, charts and aims, as JSON that the report is made of."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TypeAlias

import msgspec

Cell: TypeAlias = str | int | float | None
"""None: not measured."""


class Wrong(Exception):
    """A run came to no result, or an answer was not the right one: nothing that it measured counts."""


class Table(msgspec.Struct, frozen=True):
    """Numbers of one run.

    Args:
        title: what the rows have in common.
        columns: what is in them, with the unit.
        rows: a cell for each column; ratios are to what the same run measured.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]]


class Lines(msgspec.Struct, frozen=True, tag="lines"):
    """A chart of curves.

    Args:
        x, y: what is on the axes, with the unit.
        series: the points of each curve by its name.
        log: which axes are logarithmic: "", "x", "y" or "xy".
    """

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    log: str = ""


class Bars(msgspec.Struct, frozen=True, tag="bars"):
    """A chart of groups of bars.

    Args:
        y: what they measure, with the unit.
        groups: the height of each bar by its name, in each group by its name.
        log: whether the axis is logarithmic.
    """

    title: str
    y: str
    groups: dict[str, dict[str, float]]
    log: bool = False


class Aim(msgspec.Struct, frozen=True):
    """What tickwire wants to reach.

    Args:
        text: what is measured, with the unit.
        measured: None where this run could not say.
        target: what it is to be at least, or, with `at_most`, at most.
        why: what holds it back, or what the number leaves out.
    """

    text: str
    measured: float | None
    target: float
    at_most: bool = False
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        if self.measured is None:
            return False
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    @property
    def bound(self) -> str:
        """The target in words."""
        return f"{'at most' if self.at_most else 'at least'} {shown(self.target)}"


class Measured(msgspec.Struct, frozen=True):
    """What `measure` of a benchmark returns.

    Args:
        settings: what the numbers depend on: options, versions, sizes.
        findings: what follows from the numbers and what they leave out, a sentence or two each.
    """

    settings: dict[str, Cell]
    tables: list[Table]
    charts: list[Lines | Bars] = []
    aims: list[Aim] = []
    findings: list[str] = []


class Result(msgspec.Struct, frozen=True):
    """A run of a benchmark, as it is kept.

    Args:
        command: what repeats it.
        date: when, ISO 8601.
        seconds: how long it took.
        machine: what it ran on.
    """

    name: str
    command: str
    date: str
    seconds: float
    machine: dict[str, Cell]
    measured: Measured


def machine() -> dict[str, Cell]:
    """What this computer is, as far as a benchmark depends on it."""
    processor = None
    info = Path("/proc/cpuinfo")
    if info.exists():
        processor = re.search(r"model name\s*: (.*)", info.read_text())
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": cores if cores > 1 else "1, which server and load share",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def shown(cell: Cell) -> str:
    """A cell as text: three digits of a number that is no count."""
    match cell:
        case None:
            return "–"
        case float() if abs(cell) >= 100:
            return f"{cell:,.0f}"
        case float():
            return f"{cell:.3g}"
        case int():
            return f"{cell:,}"
    return cell


def in_columns(table: Table) -> str:
    """A table for a terminal."""
    rows = [table.columns, *([shown(cell) for cell in row] for row in table.rows)]
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))]).rstrip()
        for name, *cells in rows
    ]
    return "\n  ".join([table.title, *lines])
