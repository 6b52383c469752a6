"""The soak looks at what it should, and notices what must not be. No test looks at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.soak import GROWTH_BYTES_MAX, MIB, Parts, Result, broken, slope
from benchmarks.soak_clients import Message, Stream, Totals

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 100.0
TOTALS = Totals(delivered=1_000, polite=1, reset=1, recovered=1, orders=1, heartbeats=1)
PARTS = Parts(20, 2, 6)


def test_the_soak_runs() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--minutes", "0.4", "--clients", "200"]
    result = subprocess.run(
        [*command, "--delivered-min", "1000"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert result.stdout.endswith("bounds    held\n")


# ---- what a client is sent ------------------------------------------------------------------------


def begun(channel: str = "book", **more: Any) -> Stream:
    """A stream whose snapshot was at 5."""
    stream = Stream({"channel": channel, **more}, "S", Totals())
    stream.asked("e", resume=False)
    stream.replied({})
    stream.took("snapshot", 5)
    return stream


def test_updates_follow_the_snapshot_one_by_one() -> None:
    stream = begun()
    for seq in (6, 7, 8):
        stream.took("update", seq)
    stream.told(Message(type="gap", from_=9, to=12))
    stream.took("snapshot", 12)
    stream.took("update", 13)
    stream.compare(13)
    assert (stream.seq, stream._totals) == (13, Totals(gaps=1))


@pytest.mark.parametrize("seq", [4, 5, 7, 0])
def test_anything_but_the_next_is_wrong(seq: int) -> None:
    stream = begun()
    stream.took("update", seq)
    assert stream._totals.wrong == [f"('book', 'S'): update {seq} after 5"]


def test_a_gap_begins_where_the_client_is_and_a_snapshot_ends_it() -> None:
    stream = begun()
    stream.told(Message(type="gap", from_=7, to=9))
    assert stream._totals.wrong == ["('book', 'S'): a gap from 7 to 9 after 5"]
    stream.took("update", 10)
    assert stream._totals.wrong[1:] == ["('book', 'S'): update 10 after a gap to 9"]


def test_a_latest_class_stream_only_rises() -> None:
    stream = begun("quotes")
    stream.told(Message(type="skipped", from_=6, to=8))
    stream.took("update", 9)
    stream.took("update", 20)
    assert stream._totals == Totals(skipped=1)
    stream.took("update", 20)
    assert stream._totals.wrong == ["('quotes', 'S'): update 20 after 20"]


def test_what_was_recovered_goes_on_and_what_was_not_begins_with_a_snapshot() -> None:
    stream = begun()
    assert stream.asked("e", resume=True) == {"channel": "book", "symbols": ["S"], "from": {"epoch": "e", "seq": 5}}
    stream.replied({"recovered": True})
    stream.took("update", 6)
    stream.asked("e", resume=True)
    stream.replied({"recovered": False})
    stream.took("snapshot", 99)
    assert stream._totals == Totals(resumed=2, recovered=1)
    stream.asked("e", resume=True)
    stream.replied({"recovered": True})
    stream.took("snapshot", 120)
    stream.asked("e", resume=True)
    stream.replied({"recovered": False})
    stream.took("update", 121)
    assert stream._totals.wrong == ["('book', 'S'): snapshot 120 after 99", "('book', 'S'): update 121 after nothing"]


def test_a_heartbeat_that_names_what_did_not_come_is_wrong() -> None:
    stream = begun()
    stream.compare(6)
    assert stream._totals.wrong == ["('book', 'S'): a heartbeat names 6, 5 is the last that came"]


# ---- what the server keeps ------------------------------------------------------------------------


def result(**other: Any) -> Result:
    memory = [(float(second), 80.0 * MIB) for second in range(100)]
    return Result(TOTALS, 25_000.0, memory, MIB, PARTS, PARTS)._replace(**other)


def test_the_slope_is_by_least_squares() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == 2
    assert slope([(0, 0), (1, 3), (2, 0), (3, 3)]) == pytest.approx(0.6)


def test_what_stays_within_its_bounds_is_not_wrong() -> None:
    assert broken(result(), SECONDS, 20_000) == []
    below = [(float(second), 80.0 * MIB + 0.9 * second * GROWTH_BYTES_MAX / 70) for second in range(100)]
    assert broken(result(memory=below), SECONDS, 20_000) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"memory": [(float(n), 1.1 * n * GROWTH_BYTES_MAX / 70) for n in range(100)]}, "memory grew by 13.2 MiB"),
        ({"delivered_per_second": 19_999.0}, "19,999 messages a second, not 20,000"),
        ({"folder_bytes_max": 100 * MIB}, "the folder grew to 100.0 MiB"),
        ({"after": Parts(21, 2, 6)}, "21 descriptors when all have left, 20 before they came"),
        ({"after": Parts(20, 3, 6)}, "3 threads when all have left, 2 before they came"),
        ({"after": Parts(20, 2, 7)}, "7 tasks when all have left, 6 before they came"),
    ],
    ids=["memory", "rate", "folder", "descriptors", "threads", "tasks"],
)
def test_a_bound_that_does_not_hold_is_said(other: dict[str, Any], expected: str) -> None:
    assert broken(result(**other), SECONDS, 20_000) == [expected]


def test_a_soak_in_which_nothing_happened_proves_nothing() -> None:
    (said,) = broken(result(totals=Totals(delivered=1)), SECONDS, 20_000)
    assert said.startswith("something did not happen at all")
