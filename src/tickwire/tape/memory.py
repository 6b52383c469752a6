"""The tape that forgets: for tests, and for durability "none"."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator

from tickwire.errors import TapeError
from tickwire.model.records import Clock, Record, decode_records, encode_records


def new_epoch() -> str:
    """A random name for a tape, 16 hexadecimal characters."""
    return secrets.token_hex(8)


def clock_of(records: list[Record], last_ts: int) -> int:
    """The time of a transaction that may be appended, nanoseconds.

    Raises:
        TapeError: there is no clock first, or it went back. Retention and the fold rely on both.
    """
    clock = records[0] if records else None
    if type(clock) is not Clock:
        raise TapeError("a transaction must begin with a Clock")
    if clock.ts < last_ts:
        raise TapeError(f"the clock went back from {last_ts} to {clock.ts}; append with max(now, last)")
    return clock.ts


def dropped(after: int, first_seq: int) -> TapeError:
    """The error of a `read` that begins too early."""
    return TapeError(f"transaction {after + 1} has been dropped; the first one held is {first_seq}")


def check_snapshot(seq: int, last_seq: int) -> None:
    """Raises `TapeError` for a snapshot of a state that this tape has not reached."""
    if not 0 <= seq <= last_seq:
        raise TapeError(f"a snapshot of transaction {seq} is not of this tape, whose last one is {last_seq}")


class MemoryTape:
    """A `Tape` that is gone with its process. Bounded by `retain`, like the other; keeps the newest snapshot.

    Args:
        epoch: the tape's name; a random one by default.
    """

    def __init__(self, epoch: str | None = None) -> None:
        self.epoch = new_epoch() if epoch is None else epoch
        self.last_seq = 0
        self.bytes_held = 0
        self.repaired = ""
        self._held: deque[tuple[int, bytes]] = deque()  # (clock, encoded), so that a caller's list may change later
        self._last_ts = 0
        self._snapshot: tuple[int, bytes] | None = None
        self._closed = False

    @property
    def first_seq(self) -> int:
        """Number of the oldest transaction held."""
        return self.last_seq - len(self._held) + 1

    def append(self, records: list[Record]) -> int:
        """See `Tape.append`."""
        self._check_open()
        ts = clock_of(records, self._last_ts)
        body = encode_records(records)
        self._held.append((ts, body))
        self._last_ts = ts
        self.bytes_held += len(body)
        self.last_seq += 1
        return self.last_seq

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Record]]]:
        """See `Tape.read`. Goes on to what is appended meanwhile."""
        self._check_open()
        while after < self.last_seq:
            self._check_open()
            if after + 1 < self.first_seq:
                raise dropped(after, self.first_seq)
            after += 1
            yield after, decode_records(self._held[after - self.first_seq][1])

    def save_snapshot(self, seq: int, body: bytes) -> None:
        """See `Tape.save_snapshot`."""
        self._check_open()
        check_snapshot(seq, self.last_seq)
        if self._snapshot is None or seq >= self._snapshot[0]:
            self._snapshot = seq, body

    def load_snapshot(self, before: int | None = None) -> tuple[int, bytes] | None:
        """See `Tape.load_snapshot`."""
        self._check_open()
        snapshot = self._snapshot
        return snapshot if snapshot is not None and (before is None or snapshot[0] < before) else None

    def retain(self, *, bytes_max: int, newer_than_ns: int) -> int:
        """See `Tape.retain`."""
        self._check_open()
        covered = self._snapshot[0] if self._snapshot else 0
        count = 0
        while self.first_seq <= covered and self._held:
            ts, body = self._held[0]
            if self.bytes_held <= bytes_max and ts >= newer_than_ns:
                break
            self._held.popleft()
            self.bytes_held -= len(body)
            count += 1
        return count

    def close(self) -> None:
        """See `Tape.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise TapeError("the tape is closed")
