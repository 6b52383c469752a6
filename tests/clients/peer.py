"""A client of somebody else's in a process of its own: `{name}_client.py`, run by its environment's interpreter."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
ANSWER_BYTES_MAX = 2**24
STOP_SECONDS_MAX = 20


class ClientError(AssertionError):
    """What the client has raised."""


class Peer:
    """Asks the client for things, many at a time. Numbers with a point are `Decimal`s here, as they were spelled."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count()
        self._asked: dict[int, asyncio.Future[Any]] = {}

    async def call(self, method: str, /, **params: Any) -> Any:
        """The result of a method of the script's class.

        Raises:
            ClientError: it raised something, or its process has ended.
        """
        return await self.ask({"method": method, "params": params})

    async def seen(self, name: str, count: int = 1, **where: Any) -> list[Any]:
        """All that the client was told by that name with these fields, once there are so many."""
        told: list[Any] = await self.call("seen", name=name, count=count, **where)
        return told

    async def last(self, name: str, **where: Any) -> Any:
        """The newest of that, once there is one."""
        return (await self.seen(name, **where))[-1]

    async def ask(self, message: dict[str, Any]) -> Any:
        """The answer to a line. The first one, which makes the client, has the number 0."""
        assert self._process.stdin is not None
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, **message} if number else message).encode() + b"\n")
        return await answer

    async def read(self) -> None:
        """Hand out the answers until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line, parse_float=Decimal)
            asked = self._asked.pop(answer["id"])
            if asked.done():  # nobody waits any more
                continue
            if "error" in answer:
                asked.set_exception(ClientError(answer["error"]))
            else:
                asked.set_result(answer["result"])
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(ClientError("the client's process has ended; what it said is on stderr"))


@asynccontextmanager
async def peer(
    name: str, arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> AsyncIterator[Peer]:
    """The client in the environment `.clients/{name}`.

    Args:
        arguments: for its script's `client`.
        environment: variables that it has besides `PATH`.
    """
    python = TESTS.parent / ".clients" / name / "bin" / "python"
    assert python.exists(), f"the environment of {name} is not there: `make clients` makes it"
    script = Path(__file__).with_name(f"{name.replace('-', '_')}_client.py")
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(script),
        stdin=PIPE,
        stdout=PIPE,
        limit=ANSWER_BYTES_MAX,
        env={"PYTHONPATH": str(TESTS), "PATH": os.environ["PATH"], **(environment or {})},
    )
    assert process.stdin is not None
    client = Peer(process)
    reading = asyncio.create_task(client.read())
    try:
        await client.ask(dict(arguments))
        yield client
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await reading
        except TimeoutError:
            process.kill()
            await reading
        await process.wait()
