"""The package as it is in `src`, and as `make compiled` has made it of the same source: processes with either."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import Popen

from benchmarks.processes import ROOT, started_program

INTERPRETED, COMPILED = "interpreted", "compiled"
LEFT_OUT = "`make compiled` has not been run since the source has changed: nothing is measured compiled."
"""What a finding says where there is no compiled package."""


def packages() -> dict[str, Path]:
    """Where each package is found; the compiled one only if the source is still what it was made of."""
    source, made = ROOT / "src", ROOT / ".compiled"
    copies = ((path, made / path.relative_to(source)) for path in source.rglob("*.py"))
    current = (made / ".built").exists() and all(
        copy.exists() and copy.read_bytes() == path.read_bytes() for path, copy in copies
    )
    return {INTERPRETED: source} | ({COMPILED: made} if current else {})


def started_with(package: Path, module: str, *arguments: object) -> Popen[str]:
    """A process that runs a module of this project with one of the packages. It ends when its stdin is closed."""
    return started_program("env", f"PYTHONPATH={package}", sys.executable, "-m", module, *arguments)
