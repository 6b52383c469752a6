"""Seeds of the simulation: every promise is kept by the real code, and every planted fault is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.faults import FAULTS
from simulation.world import run

SEEDS = 100
SEEDS_A_TEST = 50
SEEDS_PER_FAULT_MAX = 60
"""Within so many seeds each planted fault must be found."""
MET = (
    "killed before append", "killed after append", "killed apply", "killed write", "killed at any moment", "restarts",
    "gap", "skipped", "answered again", "recovered book", "not recovered book", "recovered orders", "drain",
)  # fmt: skip
"""What a run must have met now and then to be worth anything."""


@pytest.mark.parametrize("first", range(1, SEEDS + 1, SEEDS_A_TEST))
def test_every_promise_is_kept(first: int) -> None:
    met: set[str] = set()
    for seed in range(first, first + SEEDS_A_TEST):
        report = run(seed)
        assert not report.problem, str(report)
        met |= report.counts.keys()
    assert not set(MET) - met


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    with FAULTS[name]():
        problems = (run(seed).problem for seed in range(1, SEEDS_PER_FAULT_MAX + 1))
        assert any(problems), f"not found in {SEEDS_PER_FAULT_MAX} seeds"


def test_a_seed_is_the_same_run_every_time() -> None:
    command = [sys.executable, "-m", "simulation", "--seed", "7"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "7"}
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    here = run(7)
    assert here.digest == run(7).digest
    assert f"digest {here.digest}" in there
    assert run(8).digest != here.digest
