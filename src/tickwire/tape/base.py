"""What every tape promises. `tickwire.testing.tape_contract` holds each implementation to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from tickwire.model.records import Record

Durability = Literal["none", "process", "power"]
"""What an append survives once it has returned: nothing, a killed process, a power cut."""


class Tape(Protocol):
    """An append-only sequence of transactions, numbered 1, 2, 3, … without a hole.

    Attributes:
        epoch: random name of this tape, made with it. `(epoch, seq)` names a position for ever.
        last_seq: number of the newest transaction, 0 for a new tape.
        first_seq: number of the oldest one still held; `last_seq + 1` when none is.
        bytes_held: size of the transactions held, in bytes as encoded.
        repaired: what was wrong with the tape when it was opened and what was lost, in words; "" if nothing.
    """

    @property
    def epoch(self) -> str: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def bytes_held(self) -> int: ...
    @property
    def repaired(self) -> str: ...

    def append(self, records: list[Record]) -> int:
        """Add one transaction, whole or not at all, and return its number.

        Args:
            records: a `Clock` first, then the rest; not empty.

        Raises:
            TapeError: it could not be stored (disk full, closed).
        """
        ...

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Record]]]:
        """The transactions with a number above `after`, in order, as (number, records).

        Raises:
            TapeError: `after + 1` has been dropped already; the message names the first one held.
        """
        ...

    def save_snapshot(self, seq: int, body: bytes) -> None:
        """Keep the state of the market after transaction `seq`, whole or not at all."""
        ...

    def load_snapshot(self, before: int | None = None) -> tuple[int, bytes] | None:
        """The newest snapshot that is whole, as (seq, body); None when there is none.

        Args:
            before: only those of a transaction before this one.
        """
        ...

    def retain(self, *, bytes_max: int, newer_than_ns: int) -> int:
        """Drop old transactions and return how many: those beyond `bytes_max` bytes, newest kept, and those
        whose clock is before `newer_than_ns`. Never drops one that the newest snapshot does not cover."""
        ...

    def close(self) -> None:
        """Let go of files. Calling it twice is no error."""
        ...
