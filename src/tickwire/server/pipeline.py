"""The one writer: records go onto the tape, through the market and out to the streams, a transaction a turn.

Whatever is submitted during one turn of the event loop becomes one transaction: one commit, one fold, one
flush to every client. So the busier the server, the larger the transactions and the fewer the system calls.
A record is on the tape before anything that it causes is seen by anyone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from tickwire.clock import NowNs
from tickwire.errors import CodecFailed, InvalidInput, TapeError, UnknownSymbol, WriterFailed
from tickwire.limits import (
    BATCH_RECORDS_MAX,
    CLOCK_INTERVAL_MS,
    PENDING_RECORDS_MAX,
    RESUME_SECONDS,
    SNAPSHOT_EVERY_RECORDS,
    SNAPSHOT_EVERY_SECONDS,
    TAPE_BYTES_MAX,
    TAPE_HOURS_MAX,
)
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.events import Candle, Event
from tickwire.model.outcome import Outcome
from tickwire.model.records import Clock, ListInstrument, Record, SessionEnded
from tickwire.streams.hub import Hub
from tickwire.tape.base import Tape
from tickwire.tape.candles import CandleStore

log = logging.getLogger(__name__)

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
RETAIN_EVERY_TRANSACTIONS = 500


Done: TypeAlias = Callable[[list[Outcome | None] | None], None]
_Submission: TypeAlias = tuple[list[Record], Done]


def _failure() -> WriterFailed:
    return WriterFailed("the server has failed and accepts nothing more; its log says why")


def restore(tape: Tape, recent: deque[Event] | None = None, history: CandleStore | None = None) -> Market:
    """The market as the tape leaves it: a snapshot, then every transaction after it.

    Args:
        recent: is given what was published last, `RESUME_SECONDS` of it if the snapshots that are kept allow.
        history: is given the candles that were closed since the snapshot, and loses those that the tape has lost.

    Raises:
        TapeError: the tape can't be read, or has lost what the snapshot does not cover.
    """
    if recent is not None:
        try:
            return _fold(tape, recent, history)
        except TapeError as error:  # perhaps in what the newest snapshot covers, which is needed to tell of only
            log.warning("clients can't go on over this restart: %s", error)
            recent.clear()
    return _fold(tape, None, history)


def _fold(tape: Tape, recent: deque[Event] | None, history: CandleStore | None) -> Market:
    since = None
    if recent is not None:
        for _, records in tape.read(after=max(tape.first_seq, tape.last_seq) - 1):
            since = records[0].ts - RESUME_SECONDS * SECOND_NS if isinstance(records[0], Clock) else None
    seq, market = _snapshot(tape, since)
    keeper = _Keeper(market, history)
    for _, records in tape.read(after=seq):
        hears = recent is not None and since is not None and market.now >= since
        market.heard = None if hears else ()
        for record in records:
            events = market.apply(record)
            keeper.applied(record, events)
            if recent is not None and hears:
                recent.extend(events)
    keeper.done()
    market.changed.clear()
    market.heard = None
    return market


def _snapshot(tape: Tape, since: int | None) -> tuple[int, Market]:
    """The newest snapshot, or an older one from before a time if the tape still goes on from it; with the number of its
    transaction. One that this version can't read is not needed where the tape has all from its beginning."""
    snapshot, seq, market = tape.load_snapshot(), 0, Market()
    while snapshot is not None:
        try:
            market = Market.restore(snapshot[1])
        except TapeError as error:
            if tape.first_seq > 1:
                raise
            log.warning("snapshot %d is passed over, the tape is read from its beginning: %s", snapshot[0], error)
            return 0, Market()
        seq = snapshot[0]
        if since is None or market.now < since:
            break
        snapshot = tape.load_snapshot(before=seq)
        if snapshot is not None and snapshot[0] + 1 < tape.first_seq:
            break
    return seq, market


class _Keeper:
    """Hands the candles that a fold closes over to a history."""

    def __init__(self, market: Market, history: CandleStore | None) -> None:
        self._market = market
        self._history = history
        if history is not None:
            for instrument in market.instruments:
                history.listed(instrument)

    def applied(self, record: Record, events: list[Event]) -> None:
        """A record was folded into the market."""
        if self._history is None:
            return
        if type(record) is Clock and events:
            self._history.add(event for event in events if isinstance(event, Candle))
        elif type(record) is ListInstrument:
            _list(self._history, self._market, record)

    def done(self) -> None:
        """The tape has come to its end."""
        if self._history is not None:
            self._history.cut(self._market.now)


def _list(history: CandleStore, market: Market, record: ListInstrument) -> None:
    with suppress(UnknownSymbol):  # of one instrument too many
        history.listed(market.listing(record.instrument.symbol).instrument)


class Pipeline:
    """Feeds one market from one tape and publishes what comes of it.

    Args:
        tape, market, hub: the market must be the tape's (see `restore`), the hub the market's.
        now: the wall clock; the tape's clock follows it and never goes back.
        tape_bytes_max, tape_hours_max: what the tape is kept to.
        snapshot_every: records between snapshots of the market.
        history: where closed candles are kept.
        meters: where transactions and how long they take are counted.
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
        snapshot_every: int = SNAPSHOT_EVERY_RECORDS,
        history: CandleStore | None = None,
        meters: Meters | None = None,
    ) -> None:
        self._tape = tape
        self._market = market
        self._hub = hub
        self._meters = meters or Meters()
        market.heard = hub.heard
        self._now = now
        self._tape_bytes_max = tape_bytes_max
        self._tape_age_max_ns = tape_hours_max * HOUR_NS
        self._snapshot_every = snapshot_every
        self._history = history
        self._pending: deque[_Submission] = deque()
        self._records_pending = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._scheduled = False
        self._records_since_snapshot, self._snapshot_ts = 0, market.now
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Resolves with the error when the pipeline can't go on (a full disk, a fault in the fold)."""

    @property
    def records_pending(self) -> int:
        """Records submitted and not yet on the tape."""
        return self._records_pending

    async def put(self, records: list[Record]) -> list[Outcome | None]:
        """Submit records; returns once they are on the tape, applied and published, with what each command came to
        (None for what is no command).

        Raises:
            WriterFailed: the pipeline has failed; whether the records are on the tape is unknown.
        """
        while self._records_pending >= PENDING_RECORDS_MAX and not self.failed.done():
            room = asyncio.get_running_loop().create_future()
            self._room.append(room)
            await room
        future: asyncio.Future[list[Outcome | None]] = asyncio.get_running_loop().create_future()

        def done(outcomes: list[Outcome | None] | None) -> None:
            if future.done():
                return
            if outcomes is None:
                future.set_exception(_failure())
            else:
                future.set_result(outcomes)

        self._submit(records, done)
        return await future

    def submit(self, records: list[Record], done: Done) -> None:
        """Submit records without waiting. `done` is called once they are on the tape and applied, before anything that
        they cause is published, with what each came to; or with None when the pipeline has failed.

        The end of a session is always taken: nobody would send it again, and there are only so many sessions.

        Raises:
            InvalidInput: `busy`: too much is queued; nothing was taken.
        """
        full = self._records_pending >= PENDING_RECORDS_MAX and not (records and isinstance(records[0], SessionEnded))
        if full or self.failed.done():
            text = "the server has more to do than it can queue" if not self.failed.done() else "the server has failed"
            raise InvalidInput(f"{text}; nothing was done", code="busy")
        self._submit(records, done)

    def _submit(self, records: list[Record], done: Done) -> None:
        if self.failed.done():
            raise _failure()
        self._pending.append((records, done))
        self._records_pending += len(records)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Make one transaction of what is pending: whole submissions, up to about the bound."""
        self._scheduled = False
        pending = self._pending
        batch: deque[_Submission] = deque()
        count = 0
        while pending and count < BATCH_RECORDS_MAX:
            batch.append(pending.popleft())
            count += len(batch[-1][0])
        self._records_pending -= count
        try:
            self._commit(batch)
        except Exception as error:
            self._fail(error, batch)
            return
        while self._room and self._records_pending < PENDING_RECORDS_MAX:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)
        if pending and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _commit(self, batch: deque[_Submission]) -> None:
        market, hub, history = self._market, self._hub, self._history
        clock = Clock(max(self._now(), market.now))
        transaction: list[Record] = [clock]
        for records, _ in batch:
            transaction += records
        began = time.perf_counter_ns()
        seq = self._tape.append(transaction)
        self._meters.commit_ns.add(time.perf_counter_ns() - began)
        self._meters.transaction_records.add(len(transaction))
        if events := market.apply(clock):
            hub.publish(events)
            if history is not None:
                history.add(event for event in events if isinstance(event, Candle))
        while batch:
            records, done = batch[0]
            outcomes: list[Outcome | None] = []
            for record in records:
                market.outcome = None
                events = market.apply(record)
                if events:
                    hub.publish(events)
                outcomes.append(market.outcome)
                if history is not None and type(record) is ListInstrument:
                    _list(history, market, record)
            batch.popleft()
            try:
                done(outcomes)
            except Exception:
                log.exception("whoever sent a command can't be answered")
        try:
            hub.flush()
        except CodecFailed as error:
            log.exception("%s; its readers are closed", error)
        self._meters.publish_ns.add(self._now() - clock.ts)
        if history is not None:
            history.write_some()  # what clients wait for is out
        self._records_since_snapshot += len(transaction)
        if (
            self._records_since_snapshot >= self._snapshot_every
            or market.now - self._snapshot_ts >= SNAPSHOT_EVERY_SECONDS * SECOND_NS
        ):
            self.save_snapshot()
        if seq % RETAIN_EVERY_TRANSACTIONS == 0:
            self._tape.retain(bytes_max=self._tape_bytes_max, newer_than_ns=market.now - self._tape_age_max_ns)

    def _fail(self, error: Exception, batch: deque[_Submission]) -> None:
        log.critical("the pipeline has failed and the server stops: %s", error, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)
        for _, done in (*batch, *self._pending):
            done(None)
        self._pending.clear()
        self._hub.write()  # the answers; what the streams would say of half a transaction stays unsaid
        for room in self._room:
            if not room.done():
                room.set_result(None)
        self._room.clear()

    def save_snapshot(self) -> None:
        """Keep the state of the market, which bounds the next start and lets old transactions go."""
        self._records_since_snapshot, self._snapshot_ts = 0, self._market.now
        began = time.perf_counter_ns()
        if self._history is not None:
            self._history.save()  # first: the next start folds from the snapshot on
        self._tape.save_snapshot(self._tape.last_seq, self._market.snapshot())
        self._meters.snapshot_ns.add(time.perf_counter_ns() - began)

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
