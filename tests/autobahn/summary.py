"""What the suite found, in a page; and whether each of our cases came out at least as well as the bare library's."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from autobahn.peers import BARE_CLIENT, BARE_SERVER, CLIENT, SERVER
from autobahn.suite import Results

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and speed",
    "10": "odd sizes",
    "12": "permessage-deflate",
    "13": "permessage-deflate, with parameters",
}
OPTIONAL = ("12", "13")
"""Sections that may be left unimplemented: an extension that is offered or not."""
SIDES = (("Server", SERVER, BARE_SERVER), ("Client", CLIENT, BARE_CLIENT))


class Verdict(NamedTuple):
    """What a case came to: `pass`, `informational`, `non-strict`, `unimplemented` or `fail`, and the close code."""

    outcome: str
    code: int | None

    def __str__(self) -> str:
        return f"{self.outcome}, closed with {self.code}"


_OUTCOMES = {
    "OK": "pass",
    "INFORMATIONAL": "informational",
    "NON-STRICT": "non-strict",
    "UNIMPLEMENTED": "unimplemented",
}
_RANKS = {"pass": 0, "informational": 0, "non-strict": 1}


def verdict(result: dict[str, Any]) -> Verdict:
    """Of one entry of the suite's index. A case whose connection did not close as it should fails."""
    outcome = _OUTCOMES.get(result["behavior"], "fail")
    if outcome in _RANKS and result["behaviorClose"] not in ("OK", "INFORMATIONAL"):
        outcome = "fail"
    return Verdict(outcome, result["remoteCloseCode"])


def worse(results: Results) -> list[str]:
    """The cases that came out worse than those of the library below."""
    found = set()
    for _, ours, bare in SIDES:
        for case, result in results[ours].items():
            mine, other = verdict(result).outcome, verdict(results[bare][case]).outcome
            if mine == "unimplemented":
                if _section(case) not in OPTIONAL:
                    found.add(case)
            elif _RANKS.get(mine, 2) > _RANKS.get(other, 2 if other == "fail" else 0):
                found.add(case)
    return sorted(found, key=_order)


def page(results: Results, conditions: str) -> str:
    """The summary, in Markdown.

    Args:
        conditions: what it was made with and how.
    """
    lines = ["# The Autobahn test suite", "", conditions, ""]
    for title, ours, bare in SIDES:
        mine = {case: verdict(result) for case, result in results[ours].items()}
        other = {case: verdict(result) for case, result in results[bare].items()}
        lines += [f"## {title}", "", "| section | cases | pass | informational | non-strict | unimplemented | fail |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for number, name in SECTIONS.items():
            counts = Counter(v.outcome for case, v in mine.items() if _section(case) == number)
            columns = [counts.total(), *(counts[outcome] for outcome in (*_OUTCOMES.values(), "fail"))]
            if counts:
                lines.append(f"| {number} {name} | {' | '.join(map(str, columns))} |")
        counts = Counter(v.outcome for v in mine.values())
        columns = [counts.total(), *(counts[outcome] for outcome in (*_OUTCOMES.values(), "fail"))]
        lines += [f"| all | {' | '.join(map(str, columns))} |", ""]
        odd = [case for case, v in mine.items() if v.outcome not in ("pass", "unimplemented")]
        lines += [f"Every case that is no plain pass, and the bare `{bare}` beside it:", ""]
        lines += ["| case | tickwire | bare |", "|---|---|---|"]
        lines += [f"| {case} | {mine[case]} | {other[case]} |" for case in sorted(odd, key=_order)]
        better = [case for case, v in other.items() if case not in odd and v.outcome in ("non-strict", "fail")]
        if better:
            lines += ["", f"Not plain passes of the bare `{bare}` only: {', '.join(sorted(better, key=_order))}."]
        lines.append("")
    return "\n".join(lines)


def _section(case: str) -> str:
    return case.partition(".")[0]


def _order(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]
