"""`tickwire bench`: measures this machine, from a checkout, where the benchmarks are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import tickwire
from tickwire.errors import InvalidInput


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="the benchmark; without one, all are listed")] = "--help",
) -> None:
    """Ask one of the benchmarks, beside what else one would use; what follows NAME is for the benchmark."""
    checkout = Path(tickwire.__file__).resolve().parents[2]
    if not (checkout / "benchmarks" / "__main__.py").exists():
        text = "the benchmarks and what they compare with are not installed; run them in a checkout, after `make check`"
        raise InvalidInput(text, field="bench")
    command = [sys.executable, "-m", "benchmarks", name, *context.args]
    raise typer.Exit(subprocess.run(command, cwd=checkout, check=False).returncode)
