"""What the scripts of all clients share: they do what a test asks, a line of JSON each, many things at a time.

It runs in the interpreter of the client, so it needs nothing but the standard library, and nothing of the project.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any


def run(client: Callable[..., AbstractAsyncContextManager[Any]]) -> None:
    """Serve until standard input ends.

    Args:
        client: called with what the first line says. Each further line, `{"id", "method", "params"}`, calls a method
            of what it gives, and the answer is `{"id", "result"}` or `{"id", "error"}`.
    """
    sys.addaudithook(_only_loopback)
    asyncio.run(_serve(client))


def _only_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """A client that was told where the server is must not look for the venue."""
    host = None
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    if host in (None, b"", "", "localhost"):
        return
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise RuntimeError(f"the client wants {host}, which is not on this machine")


async def _serve(client: Callable[..., AbstractAsyncContextManager[Any]]) -> None:
    said, sys.stdout = sys.stdout, sys.stderr  # what the client prints is no answer
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    def answer(**message: Any) -> None:
        print(json.dumps(message, default=str), file=said, flush=True)

    async def do(request: dict[str, Any]) -> None:
        try:
            result = await getattr(it, request["method"])(**request["params"])
        except Exception as error:
            traceback.print_exc()
            answer(id=request["id"], error=f"{type(error).__name__}: {error}")
        else:
            answer(id=request["id"], result=result)

    async with client(**json.loads(await lines.readline())) as it:
        answer(id=0, result=None)
        tasks = set()
        while line := await lines.readline():
            task = asyncio.create_task(do(json.loads(line)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()


class Watching:
    """A client that keeps what it is told, for the test to ask for: the base of the scripts' classes."""

    def __init__(self) -> None:
        self._told: dict[str, list[Any]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None

    def note(self, name: str, item: Any) -> None:
        """Keep what is told, as it is now."""
        self._told[name].append(json.loads(json.dumps(item, default=str)))
        self._changed.set()

    def keep_watching(self, name: str, take: Callable[[], Awaitable[Any]]) -> None:
        """Note all that `take` gives from now on, one after the other; of a list each item."""
        task = asyncio.create_task(self._watch(name, take))
        self._tasks.add(task)

    async def _watch(self, name: str, take: Callable[[], Awaitable[Any]]) -> None:
        try:
            while True:
                taken = await take()
                for item in taken if isinstance(taken, list) else [taken]:
                    self.note(name, item)
        except Exception as error:
            traceback.print_exc()
            self._failure = error
            self._changed.set()

    def stop_watching(self) -> None:
        """End what `keep_watching` has begun."""
        for task in self._tasks:
            task.cancel()

    async def seen(self, name: str, count: int = 1, **where: Any) -> list[Any]:
        """All that was told by that name with these fields, once there are so many."""
        while True:
            told = [item for item in self._told[name] if all(_field(item, key) == where[key] for key in where)]
            if len(told) >= count:
                return told
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()


def _field(item: Any, path: str) -> Any:
    """A field of what was told, `data.k.v`, or a place in a list, `5`; None where there is none."""
    for key in path.split("."):
        if isinstance(item, list):
            item = item[int(key)]
        elif isinstance(item, dict):
            item = item.get(key)
        else:
            return None
    return item
