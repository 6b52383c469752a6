"""The benchmark of the page checks its own answer. No test looks at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.bench_page import Quantiles, Wrong, compare, dropped

ROOT = Path(__file__).resolve().parents[2]
BOOK: dict[str, Any] = {"seq": 9, "bids": [("9.9", "1"), ("9.8", "2")], "asks": [("10.0", "3"), ("10.1", "4")]}
LADDER: dict[str, Any] = {"seq": 9, "bids": [["9.9", "1"], ["9.8", "2"]], "asks": [["10.1", "4"], ["10.0", "3"]]}


def test_it_runs(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "bench_page.py"),
        "--smoke",
        "--json",
        str(tmp_path / "result"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    (row,) = json.loads((tmp_path / "result").read_text())
    assert row["rate"] == 200
    assert row["received"] >= 100
    assert row["frames"] > 0
    assert row["kilobytes"] > 0
    assert row["page_cpu"] > 0


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


def test_frames_that_were_left_out_are_counted() -> None:
    assert dropped([16.7, 16.6, 17.1]) == 0
    assert dropped([16.7, 33.4, 50.0, 24.0]) == 3


def test_quantiles_are_by_nearest_rank() -> None:
    assert Quantiles.of([float(n) for n in range(200, 0, -1)]) == (100, 190, 198)
