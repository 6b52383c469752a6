"""The watchdog of the event loop, beat by beat; with a real server it is in `integration/test_observe.py`."""

from __future__ import annotations

import logging

import pytest

from tickwire.meters import MS, SECOND, Meters
from tickwire.observe.watchdog import BEAT_NS, Watchdog


class Beats:
    """A watchdog whose clock is set by hand; `beat` lets it beat so late."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND
        self.meters = Meters()
        self.watchdog = Watchdog(self.meters, lambda: self.now_ns)
        self.watchdog._due_ns = self.now_ns + BEAT_NS

    def beat(self, late_ns: int, stack: list[str] | None = None, *, of: int = 0) -> None:
        """`stack` was taken while the beat was overdue, or the one `of` beats ago."""
        if stack is not None:
            self.watchdog._sampled = self.watchdog._due_ns - of * BEAT_NS, stack
        self.now_ns = self.watchdog._due_ns + late_ns
        self.watchdog._beat()


STACK = [
    '  File "server.py", line 1, in serve\n    turn()\n',
    '  File "market.py", line 231, in snapshot\n    encode()\n',
]


def test_lateness_is_counted_and_a_turn_over_100_ms_is_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    beats = Beats()
    for late_ns in (0, 2 * MS, 100 * MS, 100 * MS + 1):
        beats.beat(late_ns, STACK)
    assert beats.meters.loop_lag_ns.total == 202 * MS + 1
    assert sum(beats.meters.loop_lag_ns.counts) == 4
    assert beats.meters.loop_blocked == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == 'the event loop was held up for 100 ms: File "market.py", line 231, in snapshot'
    assert vars(record)["stack"] == "".join(STACK)


def test_reports_are_ten_seconds_apart_and_say_how_many_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    beats = Beats()
    for late_ns in (200 * MS, 300 * MS, 400 * MS, 9 * SECOND, 500 * MS):
        beats.beat(late_ns, STACK)
    assert beats.meters.loop_blocked == 5
    assert [(vars(r)["late_ms"], vars(r)["unreported_before"]) for r in caplog.records] == [(200, 0), (500, 3)]


def test_a_stack_of_another_incident_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    beats = Beats()
    beats.beat(200 * MS, STACK, of=1)
    assert "no stack: one call into C held the interpreter" in caplog.text
    assert "snapshot" not in caplog.text


def test_a_loop_that_is_five_seconds_late_is_not_responsive() -> None:
    beats = Beats()
    for late_ns, responsive in ((0, True), (5 * SECOND - 1, True), (5 * SECOND, False), (0, True)):
        beats.beat(late_ns)
        assert beats.watchdog.responsive == responsive
