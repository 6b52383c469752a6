"""A server that nothing drives but its clients: `python server.py FOLDER`; says its URL and runs until told to stop."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from tickwire.config import ServerSettings
from tickwire.server.app import Server


async def main(folder: Path) -> None:
    """Serve the data folder on a free port."""
    server = Server(ServerSettings(port=0, data_dir=folder, feeds=(), requests_per_second=1_000_000, drain_seconds=0))
    print(server.url, flush=True)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
