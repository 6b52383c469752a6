"""A bounded queue between the socket and one reader, that holds the socket back when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

QUEUE_MAX = 4096
"""Messages that wait for one reader: a second's pause on a busy stream, in a few MiB. When it is full the client
stops reading its socket until the queue is half empty; TCP then holds the server back, and the server says what it
has to leave out. Notices come on top, at most two a stream and connection."""
QUEUE_BYTES_MAX = 16 * 1024 * 1024
"""The same in bytes on the wire, since the snapshot of a deep book can be as large as thousands of trades."""


class Queue(Generic[T]):
    """Items for one reader; iterating it waits for them.

    Args:
        name: what it is for, as an error message would call it.
        flow: called with the queue and True when it is full, and False when there is room again.
    """

    def __init__(self, name: str, flow: Callable[[Queue[Any], bool], None]) -> None:
        self.name = name
        self._flow = flow
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._full = False
        self._changed = asyncio.Event()
        self._end: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, size: int = 0) -> None:
        """Add an item that was `size` bytes on the wire."""
        if not self._items:
            self._changed.set()
        self._items.append((item, size))
        self._bytes += size
        if not self._full and (len(self._items) >= QUEUE_MAX or self._bytes >= QUEUE_BYTES_MAX):
            self._full = True
            self._flow(self, True)

    def end(self, error: Exception) -> None:
        """Once its items are read, the reader gets this error. Only the first one counts."""
        if self._end is None:
            self._end = error
            self._changed.set()

    def discard(self) -> None:
        """Drop the items: nobody reads them any more."""
        self._items.clear()
        self._bytes = 0
        self._drained()

    def __aiter__(self) -> Queue[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        item, size = self._items.popleft()
        self._bytes -= size
        if self._full and len(self._items) <= QUEUE_MAX // 2 and self._bytes <= QUEUE_BYTES_MAX // 2:
            self._drained()
        return item

    def _drained(self) -> None:
        if self._full:
            self._full = False
            self._flow(self, False)
