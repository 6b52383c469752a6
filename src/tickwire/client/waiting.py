"""Waiting for a state of something that changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from tickwire.errors import ConnectionLost

S = TypeVar("S")


class Waiters(Generic[S]):
    """Who waits for what. A predicate is called after every change, so that no state is slept through."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[S], object]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, predicate: Callable[[S], object]) -> None:
        """Wait until `predicate` is true of a state told by `changed`.

        Raises:
            The error given to `fail`, or what `predicate` raises.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = predicate
        try:
            await future
        finally:
            del self._waiting[future]

    def changed(self, state: S) -> None:
        """There is a new state."""
        if not self._waiting:
            return
        for future, predicate in tuple(self._waiting.items()):
            if not future.done():
                try:
                    if predicate(state):
                        future.set_result(None)
                except Exception as error:
                    future.set_exception(error)

    def fail(self, error: Exception) -> None:
        """There will be no other state."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)


def final(error: Exception) -> Exception:
    """The end of something as an error to raise; a mere closing is told as `StopAsyncIteration` inside the client."""
    return ConnectionLost("it is closed", code=1000) if isinstance(error, StopAsyncIteration) else error
