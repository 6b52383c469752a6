"""How late the event loop is, and which code held it up.

The loop beats: a callback that is due every 50 ms notes how late it runs. A thread looks at the beats; when one is
overdue it takes the stack of the loop's thread, which is then still inside of what holds it up. The debug mode of
asyncio finds the same callbacks, but slows every one of them down.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

from tickwire.meters import MS, SECOND, Meters

log = logging.getLogger(__name__)

BEAT_NS = 50 * MS
BLOCKED_NS = 100 * MS
"""A turn of the loop that takes longer than this is reported: its stack, and how long it took in the end."""
REPORT_EVERY_NS = 10 * SECOND
"""Between two reports. Incidents in between are counted, in the metrics and in the next report."""
UNRESPONSIVE_NS = 5 * SECOND
"""A loop whose newest beat was so late is not healthy: clients' heartbeats are as late."""


class Watchdog:
    """Watches the event loop that `run` runs in.

    Args:
        meters: where lateness and incidents are counted.
        now: a clock that never goes back, nanoseconds.

    Attributes:
        late_ns: how late the newest beat was.
    """

    def __init__(self, meters: Meters, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.late_ns = 0
        self._meters = meters
        self._now = now
        self._due_ns = 0
        self._loop_thread = 0
        self._sampled: tuple[int, list[str]] = (0, [])  # of the loop's thread, while the beat of that time was overdue
        self._reported_ns = -REPORT_EVERY_NS
        self._unreported = 0
        self._stop = threading.Event()

    @property
    def responsive(self) -> bool:
        """Whether the loop runs what is due in reasonable time."""
        return self.late_ns < UNRESPONSIVE_NS

    async def run(self) -> None:
        """Watch until cancelled."""
        self._loop_thread = threading.get_ident()
        self._due_ns = self._now() + BEAT_NS
        thread = threading.Thread(target=self._watch, name="tickwire-watchdog", daemon=True)
        thread.start()
        try:
            while True:
                await asyncio.sleep((self._due_ns - self._now()) / SECOND)
                self._beat()
        finally:
            self._stop.set()

    def _beat(self) -> None:
        now = self._now()
        late = max(0, now - self._due_ns)
        due, self._due_ns = self._due_ns, now + BEAT_NS
        sampled, stack = self._sampled
        self.late_ns = late
        self._meters.loop_lag_ns.add(late)
        if late > BLOCKED_NS:
            self._meters.loop_blocked += 1
            self._report(now, late, stack if sampled == due else [])

    def _report(self, now: int, late: int, stack: list[str]) -> None:
        if now - self._reported_ns < REPORT_EVERY_NS:
            self._unreported += 1
            return
        where = stack[-1].strip().partition("\n")[0] if stack else "no stack: one call into C held the interpreter"
        log.warning(
            "the event loop was held up for %d ms: %s",
            late // MS,
            where,
            extra={"late_ms": late // MS, "unreported_before": self._unreported, "stack": "".join(stack)},
        )
        self._reported_ns, self._unreported = now, 0

    def _watch(self) -> None:
        """What the thread does."""
        while not self._stop.wait(BEAT_NS / SECOND):
            due = self._due_ns
            if self._sampled[0] != due and self._now() - due > BLOCKED_NS:
                frame = sys._current_frames().get(self._loop_thread)
                stack = traceback.format_stack(frame) if frame is not None else []
                if self._due_ns == due:  # or the loop has gone on, and the stack is of what came next
                    self._sampled = due, stack
