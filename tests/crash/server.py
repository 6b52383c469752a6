"""A server that kills itself: `python server.py FOLDER DURABILITY`, its bounds small so that all happens often.

The environment's `CRASH_AT` names the kill point, such as `after_apply:7`: once SIGUSR1 has come, the process sends
itself SIGKILL at the seventh time that a record has been applied. The steps are wrapped from outside:

    append, snapshot, retain    of the tape; `rename` is the moment before or after a snapshot gets its name
    apply                       of one record
    ack                         one reply that had to wait for the tape
    publish                     a transaction's messages to all subscribers
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys
from typing import Any

import uvloop

from tickwire.config import ServerSettings
from tickwire.server import pipeline
from tickwire.server.app import Server
from tickwire.server.socket import Connection

SNAPSHOT_EVERY = 20
RETAIN_EVERY = 30


class KillPoint:
    """Where the process ends.

    Args:
        text: `before_STEP:N` or `after_STEP:N`; "" for nowhere.
    """

    def __init__(self, text: str) -> None:
        self._step, _, count = text.partition(":")
        self._left = int(count or 0)
        self._armed = False

    def arm(self) -> None:
        """Count from now on."""
        self._armed = True

    def watch(self, owner: Any, method: str, step: str) -> None:
        """Pass the kill points of a step whenever a method of an object, or of all of a class, is called."""
        inner = getattr(owner, method)

        def wrapped(*args: Any, **options: Any) -> Any:
            self._pass(f"before_{step}")
            result = inner(*args, **options)
            self._pass(f"after_{step}")
            return result

        setattr(owner, method, wrapped)

    def _pass(self, step: str) -> None:
        if self._armed and step == self._step:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: pathlib.Path, durability: Any, tape_bytes_max: int) -> None:
    """Serve until killed or told to stop."""
    pipeline.RETAIN_EVERY_TRANSACTIONS = RETAIN_EVERY
    settings = ServerSettings(
        port=0,
        data_dir=folder,
        durability=durability,
        feeds=(),
        snapshot_every=SNAPSHOT_EVERY,
        tape_bytes_max=tape_bytes_max,
        requests_per_second=1_000_000,
        drain_seconds=0,
    )
    point = KillPoint(os.environ.get("CRASH_AT", ""))
    point.watch(Connection, "flush", "write")
    point.watch(pathlib.Path, "rename", "rename")
    server = Server(settings)
    point.watch(server.tape, "append", "append")
    point.watch(server.tape, "save_snapshot", "snapshot")
    point.watch(server.tape, "retain", "retain")
    point.watch(server.market, "apply", "apply")
    point.watch(server.hub, "hand", "ack")
    point.watch(server.hub, "flush", "publish")
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, point.arm)
    print(server.url, flush=True)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
