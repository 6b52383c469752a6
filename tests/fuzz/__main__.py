"""`make fuzz`: each file of fuzz tests in turn, again and again with new examples, for `SECONDS` seconds.

The arguments name some of them, as in `python -m fuzz websocket tape`. What breaks a contract is printed, smallest
example first, with the values and bytes to try again, and ends it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def main(names: list[str]) -> int:
    seconds = float(os.environ.get("SECONDS", "60"))
    files = [FOLDER / f"test_{name}.py" for name in names] or sorted(FOLDER.glob("test_*.py"))
    for file in files:
        begun, runs = time.monotonic(), 0
        while not runs or time.monotonic() - begun < seconds:
            command = [sys.executable, "-m", "pytest", "-x", "--tb=short", "-p", "no:cacheprovider", str(file)]
            run = subprocess.run(command, env=os.environ | {"FUZZ": "1"}, capture_output=True, text=True)
            if run.returncode:
                print(run.stdout, run.stderr, sep="\n")
                return 1
            runs += 1
        print(f"{file.stem}: {runs} runs in {time.monotonic() - begun:.0f} s, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
