"""The benchmark of the screen checks its own answer. No test looks at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.results import Result, Wrong
from benchmarks.screen import compare, dropped
from benchmarks.screen.shown import due_ns, latencies

ROOT = Path(__file__).resolve().parents[2]
BOOK: dict[str, Any] = {"seq": 9, "bids": [("9.9", "1"), ("9.8", "2")], "asks": [("10.0", "3"), ("10.1", "4")]}
LADDER: dict[str, Any] = {"seq": 9, "bids": [["9.9", "1"], ["9.8", "2"]], "asks": [["10.1", "4"], ["10.0", "3"]]}


def test_it_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "screen", "--smoke", "--results", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    screen, frames = msgspec.json.decode((tmp_path / "screen.json").read_bytes(), type=Result).measured.tables
    (shown,) = (dict(zip(screen.columns, row, strict=True)) for row in screen.rows)
    (drawn,) = (dict(zip(frames.columns, row, strict=True)) for row in frames.rows)
    assert (shown["changes/s"], drawn["changes/s"]) == (200, 200)
    assert all(float(shown[name] or 0) > 0 for name in ("received/s", "p50 ms", "p99 ms", "max ms"))
    assert all(float(drawn[name] or 0) > 0 for name in ("frames/s", "work p50 ms", "between p50 ms", "KB/s"))


def test_a_ladder_may_show_less_than_the_book_but_nothing_else() -> None:
    compare(LADDER, BOOK)
    compare(LADDER | {"bids": LADDER["bids"][:1]}, BOOK)
    differing: list[dict[str, Any]] = [
        {"seq": 8},
        {"bids": []},
        {"bids": [["9.8", "2"]]},
        {"bids": [["9.9", "1"], ["9.8", "3"]]},
        {"asks": [["10.0", "3"], ["10.2", "4"]]},
    ]
    for wrong in differing:
        with pytest.raises(Wrong, match=r"the book"):
            compare(LADDER | wrong, BOOK)


def test_changes_are_due_at_the_end_of_their_millisecond() -> None:
    assert [due_ns(n, 4_000) // 1_000 for n in range(9)] == [1_000] * 4 + [2_000] * 4 + [3_000]
    assert [due_ns(n, 400) // 1_000 for n in range(4)] == [3_000, 5_000, 8_000, 10_000]


def test_a_change_is_on_the_screen_with_the_first_frame_that_shows_it() -> None:
    frames = [(11, 107.0), (13, 120.0), (13, 130.0), (14, 140.5)]
    assert latencies(frames, first_seq=11, began_ms=100, rate=200) == [10.0, 5.0, 20.5]


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([(12, 120.0), (11, 130.0)], "at message 12 and then at 11"),
        ([(11, 107.0), (15, 119.0)], "15 before it was due"),
    ],
    ids=["back", "early"],
)
def test_a_page_that_can_not_be_is_wrong(frames: list[tuple[int, float]], problem: str) -> None:
    with pytest.raises(Wrong, match=problem):
        latencies(frames, first_seq=11, began_ms=100, rate=200)


def test_frames_that_were_left_out_are_counted() -> None:
    assert dropped([16.7, 16.6, 17.1]) == 0
    assert dropped([16.7, 33.4, 50.0, 24.0]) == 3
