"""A drain on a virtual clock: who is told what, who is closed when, and what comes before a close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from simulation.loop import VirtualLoop
from support import START_NS
from tickwire.errors import WriterFailed
from tickwire.limits import CLOSING_SECONDS_MAX
from tickwire.server.drain import LOOK_SECONDS, STEP_SECONDS, drain, spread_ns

SECOND = 1_000_000_000


def test_closes_are_spread_evenly_and_the_last_is_at_the_end() -> None:
    assert spread_ns(4, 1000) == [250, 500, 750, 1000]
    assert spread_ns(3, 10) == [3, 6, 10]
    assert spread_ns(1, 10) == [10]
    assert spread_ns(0, 10) == []
    assert spread_ns(3, 0) == [0, 0, 0]


class Session:
    """A connection that tells the test what is done to it."""

    def __init__(self, name: str, drained: Drained, *, answers: bool = True) -> None:
        self.name = name
        self._drained = drained
        self._answers = answers

    def drain(self, deadline: int) -> None:
        self._drained.told[self.name] = deadline - START_NS

    def finish(self) -> None:
        self._drained.say("finish", self.name)

    def close(self, code: int, reason: str) -> None:
        self._drained.say("close", self.name, code)
        self._drained.closed_ns.append(virtual_ns())
        if self._answers:
            self.leave()

    def abort(self) -> None:
        self._drained.say("abort", self.name)
        self.leave()

    def leave(self) -> None:
        self._drained.connections.pop(self, None)


class Drained:
    """A drain and its protocol.

    Attributes:
        told: the deadline that each session was told, ns after the beginning.
        closed_ns: when each close came, exactly.
        steps: what happened, with the time in seconds, to one place: each close is a moment late.
    """

    def __init__(self, names: str, *, mute: str = "", failed: bool = False) -> None:
        self.connections = {Session(name, self, answers=name not in mute): None for name in names}
        self.told: dict[str, int] = {}
        self.steps: list[tuple[Any, ...]] = []
        self.closed_ns: list[int] = []
        self.hurry = asyncio.Event()
        self._failed = failed

    def say(self, *step: object) -> None:
        self.steps.append((round(asyncio.get_running_loop().time(), 1), *step))

    def at(self, seconds: float, do: Callable[[], object]) -> None:
        """Have something done in the middle of it."""
        asyncio.get_running_loop().call_later(seconds, do)

    async def run(self, seconds: float) -> float:
        """How long it took, in seconds."""
        begin = asyncio.get_running_loop().time()
        await drain(
            self.connections.keys(), seconds=seconds, now=lambda: START_NS, settled=self._settled, hurry=self.hurry
        )
        assert not self.connections
        return round(asyncio.get_running_loop().time() - begin, 1)

    async def _settled(self) -> None:
        if self._failed:
            raise WriterFailed("no")
        self.say("settled")


def virtual_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.time_ns()


def virtual(work: Coroutine[Any, Any, None], loop: type[VirtualLoop] = VirtualLoop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work)


def closed(time: float, name: str) -> list[tuple[Any, ...]]:
    """The whole of a close: no more requests, then all that was asked for is answered, then the close."""
    return [(time, "finish", name), (time, "settled"), (time, "close", name, 1012)]


def test_each_session_is_told_its_own_time_and_closed_at_it() -> None:
    async def run() -> None:
        drained = Drained("abcd")
        assert await drained.run(4) == 4
        assert drained.told == {"a": SECOND, "b": 2 * SECOND, "c": 3 * SECOND, "d": 4 * SECOND}
        assert drained.steps == [*closed(1, "a"), *closed(2, "b"), *closed(3, "c"), *closed(4, "d")]

    virtual(run())


class OldAtFirst(VirtualLoop):
    """Its clock is 8 ms behind in its first turn, as a busy loop's is that reads the time once a turn."""

    def time(self) -> float:
        return super().time() - (0.008 if self.ns == 0 else 0)


def test_a_clock_that_is_old_at_the_beginning_closes_nobody_early() -> None:
    async def run() -> None:
        drained = Drained("ab")
        await drained.run(2)
        (first, second) = drained.closed_ns
        assert first > SECOND
        assert second > 2 * SECOND

    virtual(run(), OldAtFirst)


def test_a_second_signal_closes_all_that_is_left_at_once() -> None:
    async def run() -> None:
        drained = Drained("abc")
        drained.at(4, drained.hurry.set)
        assert await drained.run(9) == 4
        assert drained.steps == [
            *closed(3, "a"),
            (4, "finish", "b"),
            (4, "finish", "c"),
            (4, "settled"),
            (4, "close", "b", 1012),
            (4, "close", "c", 1012),
        ]

    virtual(run())


def test_no_time_at_all_closes_everybody_at_once_and_says_so_before() -> None:
    async def run() -> None:
        drained = Drained("ab")
        assert await drained.run(0) == 0
        assert drained.told == {"a": 0, "b": 0}
        assert [step[0] for step in drained.steps] == [0] * 5

    virtual(run())


def test_a_drain_is_over_when_everybody_has_left() -> None:
    async def run() -> None:
        drained = Drained("abc")
        for session in drained.connections:
            drained.at(0.5, session.leave)
        assert await drained.run(600) == pytest.approx(0.5, abs=2 * LOOK_SECONDS)
        assert drained.steps == []
        assert await Drained("").run(60) == 0

    virtual(run())


def test_whoever_does_not_answer_the_close_is_cut() -> None:
    async def run() -> None:
        drained = Drained("ab", mute="b")
        assert await drained.run(1) == pytest.approx(1 + CLOSING_SECONDS_MAX, abs=2 * STEP_SECONDS)
        assert [step[1:] for step in drained.steps if step[1] in ("close", "abort")] == [
            ("close", "a", 1012),
            ("close", "b", 1012),
            ("abort", "b"),
        ]

    virtual(run())


def test_a_failed_pipeline_keeps_nobody_open() -> None:
    async def run() -> None:
        drained = Drained("ab", failed=True)
        assert await drained.run(2) == 2
        assert [step for step in drained.steps if step[1] == "close"] == [
            (1, "close", "a", 1012),
            (2, "close", "b", 1012),
        ]

    virtual(run())


@pytest.mark.parametrize("broken", ["drain", "finish", "close"])
def test_a_session_that_fails_does_not_keep_the_others_open(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        drained = Drained("abc", mute="a")
        monkeypatch.setattr(next(iter(drained.connections)), broken, lambda *_: 1 // 0)
        await drained.run(3)
        assert [step[2] for step in drained.steps if step[1:] in (("close", "b", 1012), ("close", "c", 1012))] == [
            *"bc"
        ]
        assert drained.steps[-1][1:] == ("abort", "a")
        assert [drained.told[name] for name in "bc"] == [2 * SECOND, 3 * SECOND]

    virtual(run())
    assert "ZeroDivisionError" in caplog.text


def test_many_closes_share_a_commit() -> None:
    async def run() -> None:
        drained = Drained("x" * 5_000)
        assert await drained.run(1) == pytest.approx(1, abs=2 * STEP_SECONDS)
        assert sum(step[1] == "close" for step in drained.steps) == 5_000
        assert 50 <= sum(step[1] == "settled" for step in drained.steps) <= 101

    virtual(run())
