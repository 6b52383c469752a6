"""`tickwire plot` without a server: its help, and what it refuses before it asks for anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tickwire
from tickwire.cli.main import app
from tickwire.cli.plot import same_machine

NOBODY = "ws://127.0.0.1:1/ws"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("URL", "CONFIG"):
        monkeypatch.delenv(f"TICKWIRE_{name}", raising=False)


def run(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    result = CliRunner().invoke(app, ["plot", *arguments], prog_name="tickwire")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("command", ["book", "candles", "latency"])
def test_help_has_examples_that_name_existing_flags(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith(f"tickwire plot {command}")]
    assert len(examples) == 2
    flags = {word for line in examples for word in line.split() if word.startswith("--")}
    described = {word for line in out.splitlines() if line.startswith("│") for word in line.split()}
    assert flags <= described


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["book", "A:B-C"], 2, "Missing option '--out'; see tickwire plot book --help"),
        (["book", "A:B-C", "--out", "a.gif"], 2, "a.gif must end in .png or .svg, which says what to write"),
        (["latency", "--out", "no/a.svg"], 2, "no/a.svg can't be written: there is no folder no"),
        (
            ["candles", "A:B-C", "--out", "a.svg", "--interval", "2m"],
            2,
            "interval must be one of 1s, 5s, 1m, 5m, 15m, 1h, 4h, 1d",
        ),
        (
            ["book", "A:B-C", "--out", "a.svg", "--size", "big"],
            2,
            "--size must be width and height in pixels, such as 1200x675",
        ),
        (["book", "A:B-C", "--out", "a.svg", "--size", "9x9"], 2, "size must be 300 to 6000 pixels each way"),
        *(
            (
                [*command, "--out", "a.svg", "--url", NOBODY],
                1,
                f"nothing listens at {NOBODY}: start a server with `tickwire serve`, or name another with --url",
            )
            for command in (["book", "A:B-C"], ["candles", "A:B-C"], ["latency"])
        ),
    ],
)
def test_an_error_is_one_line_on_stderr(arguments: list[str], code: int, line: str) -> None:
    assert run(*arguments) == (code, "", f"tickwire: {line}\n")
    assert not Path("a.svg").exists()


@pytest.mark.parametrize("command", [["book", "A:B-C"], ["candles", "A:B-C"], ["latency"]])
def test_without_matplotlib_it_says_what_to_install(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tickwire, "plots", raising=False)
    monkeypatch.delitem(sys.modules, "tickwire.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = 'tickwire: pictures need matplotlib: pip install "tickwire[plot]"\n'
    assert run(*command, "--out", "a.svg", "--url", NOBODY) == (1, "", said)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        (NOBODY, True), ("ws://localhost:8000/ws", True), ("wss://[::1]/ws", True), ("ws://127.8.9.1/ws", True),
        ("ws://10.0.0.1:8000/ws", False), ("wss://markets.example.org/ws", False),
        ("ws://localhost.example.org/ws", False),
    ],
)  # fmt: skip
def test_the_same_machine_is_told_by_the_address(url: str, same: bool) -> None:
    assert same_machine(url) is same
