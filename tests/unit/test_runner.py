"""The one loop behind every feed: its pace, its ends, its faults, and what it says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import BTC
from tickwire.errors import FeedError, WriterFailed
from tickwire.feeds.base import Due
from tickwire.feeds.runner import FULL_SPEED_BATCH_RECORDS, FeedRunner
from tickwire.limits import FEED_STALE_SECONDS
from tickwire.model.instrument import Instrument
from tickwire.model.records import CancelOrder, FeedStatus, ListInstrument, Record
from tickwire.testing.clock import ManualClock

SECOND = 1_000_000_000
Step = tuple[int, int] | BaseException


def record(number: int) -> CancelOrder:
    return CancelOrder("a", number)


class Feed:
    """A feed of numbered records; each run is one of `runs`, where an exception breaks it."""

    name = "test"

    def __init__(self, *runs: list[Step]) -> None:
        self._runs = iter(runs)

    def instruments(self) -> list[Instrument]:
        return [BTC]

    def due(self) -> Iterator[Due]:
        for step in next(self._runs):
            if isinstance(step, BaseException):
                raise step
            yield Due(step[0], [record(step[1])])


class Writer:
    """Keeps what is put, with the time; every put counts as applied at once."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.puts: list[tuple[int, list[Record]]] = []
        self.on_put: Callable[[], None] = lambda: None

    async def put(self, records: list[Record]) -> None:
        self.puts.append((self.clock(), records))
        self.on_put()

    @property
    def flat(self) -> list[Record]:
        return [record for _, records in self.puts for record in records]


class Setup:
    def __init__(self, feed: Feed, **options: Any) -> None:
        self.clock = ManualClock(5 * SECOND)
        self.writer = Writer(self.clock)
        self.slept: list[float] = []
        self.sleeps_max = 100

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.ns += round(seconds * SECOND)
            if len(self.slept) >= self.sleeps_max:
                raise asyncio.CancelledError

        self.runner = FeedRunner(feed, self.writer, now=self.clock, sleep=sleep, **options)


LISTED = ListInstrument(BTC)
LIVE = FeedStatus("test", "live", "")
ENDED = FeedStatus("test", "down", "the recording has ended")


async def test_a_feed_is_listed_then_live_then_down_with_its_reason() -> None:
    setup = Setup(Feed([(0, 1), (SECOND, 2)]))
    await setup.runner.run()
    assert setup.writer.flat == [LISTED, LIVE, record(1), record(2), ENDED]


@pytest.mark.parametrize(("speed", "times"), [(1.0, [0, 1, 4]), (2.0, [0, 0.5, 2]), (0.5, [0, 2, 8])])
async def test_records_come_at_the_feeds_pace(speed: float, times: list[float]) -> None:
    setup = Setup(Feed([(100 * SECOND, 1), (101 * SECOND, 2), (104 * SECOND, 3)]), speed=speed)
    await setup.runner.run()
    came = [at / SECOND - 5 for at, records in setup.writer.puts if isinstance(records[-1], CancelOrder)]
    assert came == times


async def test_a_late_record_is_not_waited_for() -> None:
    setup = Setup(Feed([(0, 1), (SECOND, 2)]))
    setup.writer.on_put = lambda: setup.clock.advance(seconds=3)
    await setup.runner.run()
    assert setup.slept == []


async def test_full_speed_shares_transactions_and_loses_nothing() -> None:
    count = 2 * FULL_SPEED_BATCH_RECORDS + 7
    setup = Setup(Feed([(n * SECOND, n) for n in range(count)]), speed=None)
    await setup.runner.run()
    sizes = [len(records) for _, records in setup.writer.puts]
    assert sizes == [1, FULL_SPEED_BATCH_RECORDS, FULL_SPEED_BATCH_RECORDS, 7 + 1, 1]  # one more says `live`
    assert [r.order_id for r in setup.writer.flat if isinstance(r, CancelOrder)] == list(range(count))
    assert setup.slept == []


async def test_a_long_silence_is_shown_as_stale_and_ends_with_live() -> None:
    setup = Setup(Feed([(0, 1), (60 * SECOND, 2)]))
    await setup.runner.run()
    stale = FeedStatus("test", "stale", f"nothing for {FEED_STALE_SECONDS} seconds")
    assert setup.writer.flat == [LISTED, LIVE, record(1), stale, LIVE, record(2), ENDED]
    assert setup.slept == [FEED_STALE_SECONDS, 60 - FEED_STALE_SECONDS]


@pytest.mark.parametrize("speed", [1.0, None])
async def test_a_broken_feed_is_down_keeps_what_it_gave_and_is_tried_again_ever_more_rarely(
    speed: float | None,
) -> None:
    broken: list[Step] = [(0, 1), FeedError("file.gz, line 7: expected a price")]
    setup = Setup(Feed(broken, broken, broken, [(0, 2)], [asyncio.CancelledError()]), speed=speed, repeat=True)
    with pytest.raises(asyncio.CancelledError):
        await setup.runner.run()
    down = FeedStatus("test", "down", "file.gz, line 7: expected a price")
    flat = [r for r in setup.writer.flat if r != LIVE]
    assert flat == [LISTED, record(1), down, record(1), down, record(1), down, record(2)]
    first, second, third = setup.slept
    assert 0.5 <= first <= 1 <= second <= 2 <= third <= 4


async def test_a_broken_recording_that_does_not_repeat_is_told_once() -> None:
    setup = Setup(Feed([(0, 1), FeedError("line 7")], [(0, 1)]))
    await setup.runner.run()
    assert setup.writer.flat == [LISTED, LIVE, record(1), FeedStatus("test", "down", "line 7")]


async def test_a_feed_that_can_not_say_its_instruments_is_down_and_tried_again() -> None:
    setup = Setup(Feed([(0, 1)]))
    good = setup.runner._feed.instruments
    answers = iter([OSError("no answer"), None])

    def instruments() -> list[Instrument]:
        if (error := next(answers)) is not None:
            raise error
        return good()

    setup.runner._feed.instruments = instruments  # type: ignore[method-assign]
    await setup.runner.run()
    assert setup.writer.flat == [FeedStatus("test", "down", "no answer"), LISTED, LIVE, record(1), ENDED]


async def test_an_empty_feed_is_down_and_not_repeated_in_a_hurry() -> None:
    setup = Setup(Feed([], [], [(0, 1)], [asyncio.CancelledError()]), repeat=True)
    with pytest.raises(asyncio.CancelledError):
        await setup.runner.run()
    down = FeedStatus("test", "down", "there is nothing in it")
    assert setup.writer.flat == [LISTED, down, down, LIVE, record(1)]
    assert len(setup.slept) == 2


async def test_a_fault_in_a_feed_is_down_too_and_named() -> None:
    setup = Setup(Feed([(0, 1), ZeroDivisionError()], [(0, 2)]))
    await setup.runner.run()
    assert FeedStatus("test", "down", "ZeroDivisionError") in setup.writer.flat


async def test_a_repeated_feed_begins_again_with_its_own_time() -> None:
    run: list[Step] = [(0, 1), (SECOND, 2)]
    setup = Setup(Feed(run, run, [asyncio.CancelledError()]), repeat=True)
    with pytest.raises(asyncio.CancelledError):
        await setup.runner.run()
    came = [at / SECOND - 5 for at, records in setup.writer.puts if isinstance(records[-1], CancelOrder)]
    assert came == [0, 1, 1, 2]
    assert ENDED not in setup.writer.flat


async def test_a_failed_writer_ends_the_runner() -> None:
    setup = Setup(Feed([(0, 1)]))

    def fail() -> None:
        raise WriterFailed("disk full")

    setup.writer.on_put = fail
    with pytest.raises(WriterFailed, match="disk full"):
        await setup.runner.run()


async def test_a_feed_can_wait_for_somebody_and_says_so() -> None:
    started = asyncio.Event()
    setup = Setup(Feed([(0, 1)]), start=started.wait)
    waiting = FeedStatus("test", "stale", "waits for a first subscriber")
    said = asyncio.Event()
    setup.writer.on_put = lambda: said.set() if waiting in setup.writer.flat else None
    task = asyncio.create_task(setup.runner.run())
    await said.wait()
    assert setup.writer.flat == [LISTED, waiting]
    started.set()
    await task
    assert setup.writer.flat == [LISTED, waiting, LIVE, record(1), ENDED]
