"""`tickwire serve` with other limits than those of `limits.py`, so that a minute shows what an hour would with them.

    python benchmarks/limited_server.py '{"LOGIN_SECONDS_MAX": 1}' --port 0 --data-dir data

On SIGUSR1 it says on stdout how many tasks its event loop has.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from tickwire import limits


def say_tasks(*_: Any) -> None:
    """How many there are."""
    print(len(asyncio.all_tasks()), flush=True)


def main() -> None:
    """Change the limits before anything else reads them, then serve."""
    for name, value in json.loads(sys.argv[1]).items():
        assert hasattr(limits, name), f"there is no limit {name}"
        setattr(limits, name, value)
    from tickwire.cli.main import app

    signal.signal(signal.SIGUSR1, say_tasks)
    sys.argv[1:2] = ["serve"]
    app()


if __name__ == "__main__":
    main()
