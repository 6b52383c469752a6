"""An event loop whose time is virtual, and processes that can be killed in the middle of a step.

Nothing ever waits: when no callback is ready, time jumps to the next timer. All that a program starts, directly or
through what it started, carries its `Process` in its context, so that a kill takes away every callback, timer and task
of it at once and touches nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")

_PROCESS: ContextVar[Process] = ContextVar("process")
NOBODY = Context()
"""Runs what belongs to no process: the network."""


class Killed(BaseException):
    """Ends the step that a process is in. No `except Exception` of the code under test stops it."""


class Stuck(Exception):
    """Nothing is left that could ever happen."""


class Process:
    """What is killed together."""

    def __init__(self) -> None:
        self.alive = True
        self.context = copy_context()
        """What runs in it, and all that is started there, is of this process."""
        self.context.run(_PROCESS.set, self)

    def step(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """A callback of this process, unless it has been killed."""
        if self.alive:
            callback(*args)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a selector.

    Attributes:
        ns: the virtual time, nanoseconds since the loop was made.
        errors: what no callback or task has handled; the first one stops the loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ns = 0
        self.errors: list[dict[str, Any]] = []
        self._selector = self  # whose `select` the base class calls once a turn
        self.set_exception_handler(self._unhandled)

    def time(self) -> float:
        """Virtual seconds."""
        return self.ns / 1e9

    def time_ns(self) -> int:
        """Virtual nanoseconds."""
        return self.ns

    def select(self, timeout: float | None) -> list[Any]:
        """Nothing is ready before the next timer: go there."""
        if timeout is None:
            raise Stuck("nothing is left that could ever happen")
        if timeout > 0:
            self.ns += round(timeout * 1e9) + 1
        return []

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As ever, but for a killed process."""
        process = _PROCESS.get(None) if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.step, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As ever, but for a killed process."""
        process = _PROCESS.get(None) if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.step, callback, *args, context=context)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed) and "was destroyed" not in context["message"]:
            self.errors.append(context)
            self.stop()
