"""A server in a process of its own, as a user starts it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

START_SECONDS_MAX = 60
SERVE = ("-m", "tickwire", "serve")


class Served(NamedTuple):
    """A running server: where it listens and its process."""

    url: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def serving(*arguments: str, after: str = "", program: Sequence[str] = SERVE) -> AsyncIterator[Served]:
    """`tickwire serve --port 0 ARGUMENTS`, stopped by SIGTERM when the block ends unless it has gone before.

    Args:
        program: what Python runs instead, with the same options.
        after: what the shell that starts it does before, such as `ulimit`.
    """
    command = [sys.executable, *program, "--port", "0", "--log-level", "warning", *arguments]
    if after:
        command = ["sh", "-c", f'{after}; exec "$@"', "sh", *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(START_SECONDS_MAX):
        while (found := re.search(r"serves (wss?://\S+)", said)) is None:
            line = await process.stderr.readline()
            assert line, f"the server has ended: {said}"
            said += line.decode()
    drain = asyncio.create_task(process.stderr.read())
    try:
        yield Served(found[1], process)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(START_SECONDS_MAX):
            await process.wait()
            await drain
