"""Writes the generated parts of the documentation from the code: `python docs/generate.py`.

A test compares, so that a table can't drift from what the server does.
"""

from __future__ import annotations

import re
from pathlib import Path

from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES

PROTOCOL = Path(__file__).parent / "protocol.md"


def tables() -> dict[str, str]:
    """Each generated part by the name in its marker."""
    errors = [
        f"| `{code}` | {row.meaning} | {row.what_to_do} | {'yes' if row.retry else 'no'} |"
        for code, row in ERROR_CODES.items()
    ]
    closes = [f"| {code} | {meaning} |" for code, meaning in CLOSE_CODES.items()]
    options = [
        f"- `depth`: {', '.join(map(str, BOOK_DEPTHS))}",
        f"- `interval_ms`: {', '.join(map(str, BOOK_INTERVALS_MS))}",
        f"- `interval`: {', '.join(CANDLE_INTERVALS_NS)}; without it `1m`",
    ]
    return {
        "options": "\n".join(options),
        "error codes": "\n".join(["| code | meaning | what to do | `retry` |", "|---|---|---|---|", *errors]),
        "close codes": "\n".join(["| code | meaning |", "|---|---|", *closes]),
    }


def filled(text: str) -> str:
    """A page with its generated parts made anew."""
    for name, table in tables().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text, found = re.subn(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
        if found != 1:
            raise SystemExit(f"{PROTOCOL.name} has {found} places for {name!r}, expected one")
    return text


if __name__ == "__main__":
    PROTOCOL.write_text(filled(PROTOCOL.read_text()))
