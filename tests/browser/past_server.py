"""`tickwire serve` whose clock begins hours ago and runs 60 times as fast until it is right again: a chart is filled in
minutes.

    python past_server.py HOURS --port 0 …
"""

from __future__ import annotations

import sys
import time
from functools import partial

from tickwire.cli.main import app
from tickwire.clock import wall_clock_ns
from tickwire.server import app as server

FASTER = 60
HOUR_NS = 3_600_000_000_000


def main(hours: float) -> None:
    """Serve with that clock."""
    began = time.monotonic_ns()

    def now() -> int:
        behind = round(hours * HOUR_NS) - (time.monotonic_ns() - began) * (FASTER - 1)
        return wall_clock_ns() - max(0, behind)

    server.Server = partial(server.Server, now=now)  # type: ignore[misc,assignment]
    app()


if __name__ == "__main__":
    arguments = float(sys.argv[1])
    sys.argv[1:2] = ["serve"]
    main(arguments)
