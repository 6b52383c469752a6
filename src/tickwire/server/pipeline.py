"""The one writer: records go onto the tape, through the market and out to the streams, a transaction a turn.

Whatever is submitted during one turn of the event loop becomes one transaction: one commit, one fold, one
flush to every client. So the busier the server, the larger the transactions and the fewer the system calls.
A record is on the tape before anything that it causes is seen by anyone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from tickwire.clock import NowNs
from tickwire.errors import WriterFailed
from tickwire.limits import (
    BATCH_RECORDS_MAX,
    CLOCK_INTERVAL_MS,
    PENDING_RECORDS_MAX,
    SNAPSHOT_EVERY_TRANSACTIONS,
    TAPE_BYTES_MAX,
    TAPE_HOURS_MAX,
)
from tickwire.market.market import Market
from tickwire.model.records import Clock, Record
from tickwire.streams.hub import Hub
from tickwire.tape.base import Tape

log = logging.getLogger(__name__)

HOUR_NS = 3_600_000_000_000
RETAIN_EVERY_TRANSACTIONS = 500


def restore(tape: Tape) -> Market:
    """The market as the tape leaves it: its newest snapshot, then every transaction after it.

    Raises:
        TapeError: the tape can't be read, or has lost what the snapshot does not cover.
    """
    snapshot = tape.load_snapshot()
    seq, market = (0, Market()) if snapshot is None else (snapshot[0], Market.restore(snapshot[1]))
    for _, records in tape.read(after=seq):
        for record in records:
            market.apply(record)
    market.changed.clear()
    return market


class Pipeline:
    """Feeds one market from one tape and publishes what comes of it.

    Args:
        tape, market, hub: the market must be the tape's (see `restore`), the hub the market's.
        now: the wall clock; the tape's clock follows it and never goes back.
        tape_bytes_max, tape_hours_max: what the tape is kept to.
        snapshot_every: transactions between snapshots of the market.
    """

    def __init__(
        self,
        tape: Tape,
        market: Market,
        hub: Hub,
        *,
        now: NowNs,
        tape_bytes_max: int = TAPE_BYTES_MAX,
        tape_hours_max: int = TAPE_HOURS_MAX,
        snapshot_every: int = SNAPSHOT_EVERY_TRANSACTIONS,
    ) -> None:
        self._tape = tape
        self._market = market
        self._hub = hub
        self._now = now
        self._tape_bytes_max = tape_bytes_max
        self._tape_age_max_ns = tape_hours_max * HOUR_NS
        self._snapshot_every = snapshot_every
        self._pending: deque[Record] = deque()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._submitted = 0
        self._applied = 0
        self._scheduled = False
        self._snapshot_seq = tape.last_seq
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Resolves with the error when the pipeline can't go on (a full disk, a fault in the fold)."""

    async def put(self, records: list[Record]) -> None:
        """Submit records; returns once they are on the tape, applied and published.

        Raises:
            WriterFailed: the pipeline has failed; nothing more is accepted.
        """
        while len(self._pending) >= PENDING_RECORDS_MAX and not self.failed.done():
            await self._until(self._submitted)
        self._submit(records)
        await self._until(self._submitted)

    def _submit(self, records: list[Record]) -> None:
        if self.failed.done():
            raise WriterFailed("the server has failed and accepts nothing more; its log says why")
        self._pending.extend(records)
        self._submitted += len(records)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    async def _until(self, submitted: int) -> None:
        if self._applied < submitted:
            future = asyncio.get_running_loop().create_future()
            self._waiters.append((submitted, future))
            await future

    def _turn(self) -> None:
        """Make one transaction of what is pending."""
        self._scheduled = False
        pending = self._pending
        count = min(len(pending), BATCH_RECORDS_MAX)
        try:
            self._commit([pending.popleft() for _ in range(count)])
        except Exception as error:
            self._fail(error)
            return
        self._applied += count
        while self._waiters and self._waiters[0][0] <= self._applied:
            future = self._waiters.popleft()[1]
            if not future.done():
                future.set_result(None)
        if pending and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _commit(self, records: list[Record]) -> None:
        market, hub = self._market, self._hub
        transaction = [Clock(max(self._now(), market.now)), *records]
        seq = self._tape.append(transaction)
        for record in transaction:
            events = market.apply(record)
            if events:
                hub.publish(events)
        hub.flush()
        if seq - self._snapshot_seq >= self._snapshot_every:
            self.save_snapshot()
        if seq % RETAIN_EVERY_TRANSACTIONS == 0:
            self._tape.retain(bytes_max=self._tape_bytes_max, newer_than_ns=market.now - self._tape_age_max_ns)

    def _fail(self, error: Exception) -> None:
        log.critical("the pipeline has failed and the server stops: %s", error, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(WriterFailed(f"the server has failed: {error}"))
        self._waiters.clear()

    def save_snapshot(self) -> None:
        """Keep the state of the market, which bounds the next start and lets old transactions go."""
        self._snapshot_seq = self._tape.last_seq
        self._tape.save_snapshot(self._snapshot_seq, self._market.snapshot())

    async def run_clock(self) -> None:
        """Keep the tape's clock moving on a quiet market. Runs until cancelled or failed."""
        interval_ns = CLOCK_INTERVAL_MS * 1_000_000
        while not self.failed.done():
            idle_ns = self._now() - self._market.now
            if idle_ns >= interval_ns and not self._scheduled:
                self._scheduled = True
                self._turn()
                idle_ns = 0
            await asyncio.sleep(max(1, interval_ns - idle_ns) / 1e9)
