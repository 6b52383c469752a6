"""`tickwire serve` with other limits than those of `limits.py`, so that a minute shows what an hour would with them.

python benchmarks/limited_server.py '{"LOGIN_SECONDS_MAX": 1}' --port 0 --data-dir data
"""

from __future__ import annotations

import json
import sys

from tickwire import limits


def main() -> None:
    """Change the limits before anything else reads them, then serve."""
    for name, value in json.loads(sys.argv[1]).items():
        assert hasattr(limits, name), f"there is no limit {name}"
        setattr(limits, name, value)
    from tickwire.cli.main import app

    sys.argv[1:2] = ["serve"]
    app()


if __name__ == "__main__":
    main()
