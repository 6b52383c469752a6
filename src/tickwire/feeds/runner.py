"""The one loop that drives any feed: pacing, ends, repetition, errors, and saying how the feed is.

A feed never stops in silence: when it has been quiet for too long its instruments show `stale`, when it has
ended or broken they show `down`, and both say why.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

from tickwire.clock import NowNs
from tickwire.errors import FeedError, WriterFailed
from tickwire.feeds.base import Feed
from tickwire.limits import FEED_STALE_SECONDS
from tickwire.meters import Meters
from tickwire.model.records import FeedState, FeedStatus, ListInstrument, Record

log = logging.getLogger(__name__)

FULL_SPEED_BATCH_RECORDS = 256
BACKOFF_SECONDS_FIRST = 1.0
BACKOFF_SECONDS_MAX = 60.0
SECOND_NS = 1_000_000_000


class Writer(Protocol):
    """Where a feed's records go."""

    async def put(self, records: list[Record]) -> object:
        """Returns once the records are applied."""
        ...


class FeedRunner:
    """Runs one feed into a writer.

    Args:
        feed: what to run.
        writer: the pipeline.
        speed: feed seconds per second; None is as fast as the market takes them.
        repeat: begin again when the feed ends.
        start: awaited after the instruments are listed and before the first record.
        now, sleep: the clock.
        meters: where it is noted when the feed last brought something.
    """

    def __init__(
        self,
        feed: Feed,
        writer: Writer,
        *,
        now: NowNs,
        speed: float | None = 1.0,
        repeat: bool = False,
        start: Callable[[], Awaitable[object]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        meters: Meters | None = None,
    ) -> None:
        self._feed = feed
        self._writer = writer
        self._speed = speed
        self._repeat = repeat
        self._start = start
        self._now = now
        self._sleep = sleep
        self._meters = meters or Meters()

    async def run(self) -> None:
        """Run until the feed ends, or for ever if it repeats.

        A feed that fails is tried again, ever more rarely; but not one whose input breaks its format and that does
        not repeat anyway.
        """
        backoff = BACKOFF_SECONDS_FIRST
        listed = False
        while True:
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._run_once()
            except WriterFailed:
                raise
            except Exception as error:
                log.error("feed %s is down: %s", self._feed.name, error, exc_info=not isinstance(error, FeedError))
                await self._say("down", str(error) or type(error).__name__)
                if isinstance(error, FeedError) and not self._repeat:
                    return  # its bytes will be as wrong the next time, and its trades would be told twice
                await self._sleep(backoff * random.uniform(0.5, 1.0))
                backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)
            else:
                backoff = BACKOFF_SECONDS_FIRST
                if not self._repeat:
                    log.info("feed %s has ended", self._feed.name)
                    await self._say("down", "the recording has ended")
                    return

    async def _list(self) -> None:
        await self._writer.put([ListInstrument(instrument) for instrument in self._feed.instruments()])
        if self._start is not None:
            await self._say("stale", "waits for a first subscriber")
            await self._start()

    async def _run_once(self) -> None:
        """One run of the feed from its beginning."""
        live = False
        origin_ns = began_ns = -1
        batch: list[Record] = []  # at full speed many arrivals share a transaction
        try:
            for due in self._feed.due():
                if self._speed is not None:
                    if origin_ns < 0:
                        origin_ns, began_ns = due.at_ns, self._now()
                    live = await self._wait_until(began_ns + round((due.at_ns - origin_ns) / self._speed), live)
                if not live:
                    live = True
                    batch.append(FeedStatus(self._feed.name, "live"))
                batch.extend(due.records)
                if self._speed is not None or len(batch) >= FULL_SPEED_BATCH_RECORDS:
                    ready, batch = batch, []
                    await self._writer.put(ready)
                    self._meters.feed_ns[self._feed.name] = self._now()
        finally:
            if batch:
                await self._writer.put(batch)
        if not live:
            raise FeedError("there is nothing in it")

    async def _wait_until(self, target_ns: int, live: bool) -> bool:
        """Sleep until a record is due; a long wait is shown as stale. Returns whether the feed still is live."""
        delay = (target_ns - self._now()) / SECOND_NS
        if delay > FEED_STALE_SECONDS and live:
            await self._sleep(FEED_STALE_SECONDS)
            await self._say("stale", f"nothing for {FEED_STALE_SECONDS} seconds")
            live = False
            delay = (target_ns - self._now()) / SECOND_NS
        if delay > 0:
            await self._sleep(delay)
        return live

    async def _say(self, state: FeedState, reason: str) -> None:
        await self._writer.put([FeedStatus(self._feed.name, state, reason)])
