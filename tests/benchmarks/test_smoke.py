"""Every benchmark runs, and says what it came to. No test looks at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from benchmarks import suite
from benchmarks.names import NAMES
from benchmarks.results import Measured, Result
from benchmarks.suite import load

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "screen"])  # that one: tests/browser
def test_smoke(name: str, tmp_path: Path) -> None:
    run = bench(name, "--smoke", "--results", str(tmp_path))
    assert (run.returncode, run.stderr) == (0, "")
    result = msgspec.json.decode((tmp_path / f"{name}.json").read_bytes(), type=Result)
    assert result.command == f"python -m benchmarks {name} --smoke"
    assert result.measured.settings
    for table in result.measured.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.title in run.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_asks_a_question_and_draws_what_is_measured(name: str) -> None:
    question, blank, *about = (load(name).__doc__ or "").splitlines()
    assert question.endswith("?")
    assert blank == ""
    assert any(re.search("[─│►┤└]", line) for line in about)


def test_what_is_not_a_benchmark_is_answered_with_those_that_are() -> None:
    run = bench("speed")
    assert (run.returncode, run.stderr) == (2, "")
    assert [line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ")] == list(NAMES)


def test_what_fails_leaves_no_result_and_lets_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: Namespace) -> Measured:
        raise ValueError("no room")

    good = SimpleNamespace(__doc__="Good?", options=lambda _: None, measure=lambda _: Measured({}, []))
    bad = SimpleNamespace(__doc__="Bad?", options=lambda _: None, measure=fails)
    monkeypatch.setattr(suite, "NAMES", ("bad", "good"))
    monkeypatch.setattr(suite, "load", {"bad": bad, "good": good}.get)
    (tmp_path / "bad.json").write_text("of another day")
    assert suite.main(["all", "--results", str(tmp_path)]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["good.json"]
    assert "ValueError: no room" in capsys.readouterr().err


def test_the_command_runs_a_benchmark_with_its_options(tmp_path: Path) -> None:
    tickwire = shutil.which("tickwire", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
    assert tickwire is not None
    run = subprocess.run(
        [tickwire, "bench", "fold", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0
    assert "python -m benchmarks fold" in run.stdout
