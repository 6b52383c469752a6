"""Lines of an exact width, what frames them, and numbers as a screen shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from rich.text import Text

Part: TypeAlias = tuple[str, str]
"""(text, style)"""

UP, DOWN = "green", "red"
WARN, ALARM = "bold black on yellow", "bold white on red"


def fitted(parts: Sequence[Part], width: int) -> Text:
    """One line of exactly `width` columns; what can't be printed becomes `?`, what has no room an ellipsis."""
    line = Text(no_wrap=True)
    if width > 0:
        for text, style in parts:
            line.append("".join(c if c.isprintable() else "?" for c in text), style)
        line.truncate(width, overflow="ellipsis", pad=True)
    return line


def filled(lines: list[Text], width: int, rows: int) -> list[Text]:
    """Exactly `rows` lines, blank ones at the end."""
    return (lines + [fitted([], width)] * (rows - len(lines)))[:rows]


def boxed(title: Sequence[Part], lines: Sequence[Text], width: int, *, style: str = "") -> list[Text]:
    """Lines of `width` - 4 columns in a frame with a title; `style` is added to the lines, not to the title."""
    name = fitted(title, min(sum(len(text) for text, _ in title), width - 6))
    rule = "─" * (width - 5 - name.cell_len)
    framed = [Text.assemble(("╭─ ", "dim"), name, (f" {rule}╮", "dim"))]
    for line in lines:
        inside = line.copy()
        inside.stylize(style)
        framed.append(Text.assemble(("│ ", "dim"), inside, (" │", "dim")))
    return [*framed, Text("╰" + "─" * (width - 2) + "╯", style="dim")]


def time_of_day(ns: int) -> str:
    """Hours to milliseconds, UTC, of nanoseconds since the Unix epoch."""
    milliseconds = ns // 1_000_000 % 86_400_000
    seconds = milliseconds // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds % 1000:03d}"


def compact(number: str) -> str:
    """A decimal string cut to four digits and a letter where it is 1,000 or more: `1.234M`."""
    value = Decimal(number)
    for exponent, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= 10**exponent:
            return f"{f'{value.scaleb(-exponent):f}'[:5].rstrip('.')}{letter}"
    return number
