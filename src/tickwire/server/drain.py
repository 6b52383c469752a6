"""A planned stop: every session is told when it will be closed, and the closes are spread, so that the clients do not
all come back at once.

    readyz says "draining" ─► upgrades are refused ─► `drain` to every session ─► closes, one after the other ─► stop
                                                      everything works until a session's own close

Before a session is closed, what it has asked for is on the tape and answered; what it asks later is not done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Protocol

from websockets.frames import CloseCode

from tickwire.clock import NowNs
from tickwire.errors import WriterFailed
from tickwire.limits import CLOSING_SECONDS_MAX

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often it is looked whether everybody has left already."""
STEP_SECONDS = 0.01
"""Least time between two closes: what falls due in between is closed together, after one commit."""
LATE_SECONDS = 0.01
"""How long after its deadline a session is closed: the loop's clock is milliseconds old, and no close may be early."""


class Draining(Protocol):
    """A connection, as far as a drain needs it."""

    def drain(self, deadline: int) -> None:
        """Tell the client when it will be closed, ns since the epoch."""
        ...

    def finish(self) -> None:
        """Take no more requests."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


def spread_ns(count: int, period_ns: int) -> list[int]:
    """When each of `count` sessions is closed, ns after the beginning: evenly, the last at the end of the period."""
    return [period_ns * number // count for number in range(1, count + 1)]


async def drain(
    connections: Collection[Draining],
    *,
    seconds: float,
    now: NowNs,
    settled: Callable[[], Awaitable[object]],
    hurry: asyncio.Event,
) -> None:
    """Close every session in its turn; returns when all are gone.

    Args:
        connections: the open ones; whoever leaves goes from it, and nobody joins.
        seconds: over which the closes are spread.
        now: the wall clock, for the deadlines that clients are told.
        settled: returns when all that was submitted to the tape is on it and answered.
        hurry: when it is set, all that is left is closed at once.
    """
    loop = asyncio.get_running_loop()
    begin, begin_ns = loop.time() + LATE_SECONDS, now()
    everybody = list(connections)
    left = deque(zip(spread_ns(len(everybody), int(seconds * 1e9)), everybody, strict=True))
    for offset_ns, connection in left:
        with _alone():
            connection.drain(begin_ns + offset_ns)
    while left and connections:
        wait = left[0][0] / 1e9 - (loop.time() - begin)
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), min(max(wait, STEP_SECONDS), LOOK_SECONDS))
        elapsed_ns = int((loop.time() - begin) * 1e9)
        due = []
        while left and (hurry.is_set() or left[0][0] <= elapsed_ns):
            due.append(left.popleft()[1])
        if not due:
            continue
        for connection in due:
            with _alone():
                connection.finish()
        with contextlib.suppress(WriterFailed):  # then all has been answered, too
            await settled()
        for connection in due:
            with _alone():
                connection.close(CloseCode.SERVICE_RESTART, "the server stops or restarts: reconnect and resume")
    await _gone(connections)


async def _gone(connections: Collection[Draining]) -> None:
    """Let the clients answer the close: a socket that is cut before loses what is still on its way to them."""
    loop = asyncio.get_running_loop()
    end = loop.time() + CLOSING_SECONDS_MAX
    while connections and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(STEP_SECONDS)
    for connection in list(connections):
        with _alone():
            connection.abort()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Whatever is wrong with one session must not keep the others from their close."""
    try:
        yield
    except Exception:
        log.exception("a session can't be drained; its socket is cut at the end")
