"""Planted faults: what the simulation must find. Each is a context manager that breaks one promise in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias
from unittest import mock

from simulation.server import CrashTape
from tickwire.book.checksum import book_checksum
from tickwire.market.accounts import Account
from tickwire.market.mirrored import MirroredListing
from tickwire.protocol.codec import NativeCodec
from tickwire.protocol.session import Session
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub

Fault: TypeAlias = Callable[[], AbstractContextManager[object]]

FAULTS: dict[str, Fault] = {}


def fault(make: Callable[[], Iterator[None]]) -> Fault:
    """Adds a planted fault to the list."""
    FAULTS[make.__name__] = contextmanager(make)
    return FAULTS[make.__name__]


@contextlib.contextmanager
def _instead(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> Iterator[None]:
    """A method that is made of the real one."""
    with mock.patch.object(owner, name, make(getattr(owner, name))):
        yield


@fault
def an_order_is_acknowledged_before_it_is_on_the_tape() -> Iterator[None]:
    """The commit is left for the next turn of the loop."""

    def make(append: Callable[..., int]) -> Callable[..., int]:
        def later(tape: CrashTape, records: list[Any]) -> int:
            asyncio.get_running_loop().call_soon(append, tape, records)
            return tape.last_seq + 1

        return later

    with _instead(CrashTape, "append", make):
        yield


@fault
def recovery_leaves_out_the_last_transaction() -> Iterator[None]:
    """One off at the end of the tape."""

    def make(read: Callable[..., Any]) -> Callable[..., Any]:
        return lambda tape, after=0: (pair for pair in read(tape, after) if pair[0] != tape.last_seq or pair[0] < 20)

    with _instead(CrashTape, "read", make):
        yield


@fault
def a_message_is_skipped_under_backpressure() -> Iterator[None]:
    """A cursor that lags goes on one segment too far."""

    def make(catch_up: Callable[..., None]) -> Callable[..., None]:
        def skipping(hub: Hub, sink: Any) -> None:
            for cursor in sink.lagging:
                if cursor.log.lossless and cursor.index + 1 < cursor.log.next_index:
                    cursor.index += 1
                    break
            catch_up(hub, sink)

        return skipping

    with _instead(Hub, "catch_up", make):
        yield


@fault
def a_gap_is_not_told() -> Iterator[None]:
    """What a client was too slow for is left out in silence."""
    with _instead(NativeCodec, "dropped", lambda _: lambda *_: b""):
        yield


@fault
def from_leaves_out_a_message() -> Iterator[None]:
    """A stream goes on behind the message that comes after `from`."""

    def make(resume: Callable[..., Any]) -> Callable[..., Any]:
        return lambda hub, key, sink, after: resume(hub, key, sink, min(after + 1, hub.last_seq(key)))

    with _instead(Hub, "resume", make):
        yield


@fault
def a_snapshot_is_an_old_one() -> Iterator[None]:
    """It is taken from the cache whatever has happened since."""

    def make(snapshot: Callable[..., bytes]) -> Callable[..., bytes]:
        return lambda hub, stream, log: log.snapshot[1] or snapshot(hub, stream, log)

    with _instead(Hub, "_snapshot", make):
        yield


@fault
def a_stream_begins_before_the_reply() -> Iterator[None]:
    """The snapshot of a subscription is sent ahead of its answer."""
    with _instead(Session, "received", lambda received: lambda session, data: received(session, data)[::-1]):
        yield


@fault
def a_heartbeat_is_an_old_one() -> Iterator[None]:
    """It names where the streams stood at the beat before."""

    def make(heartbeat: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def stale(session: Any) -> bytes:
            beat = heartbeat(session)
            before, session.__dict__["_old"] = session.__dict__.get("_old", beat), beat
            return before  # type: ignore[no-any-return]

        return stale

    with _instead(Session, "heartbeat", make):
        yield


@fault
def the_checksum_is_of_the_book_before() -> Iterator[None]:
    """Each is that of the update before."""
    known: dict[int, int] = {}

    def stale(ladder: Any, *, price_units: int, size_units: int) -> int:
        now = book_checksum(ladder, price_units=price_units, size_units=size_units)
        before, known[id(ladder)] = known.get(id(ladder), now), now
        return before

    with mock.patch("tickwire.market.listing.book_checksum", stale):
        yield


@fault
def a_mirrored_book_may_be_crossed() -> Iterator[None]:
    """What crosses it is not held."""
    with _instead(MirroredListing, "_crosses", lambda _: lambda *_: False):
        yield


@fault
def the_end_of_a_session_is_forgotten() -> Iterator[None]:
    """Its guard never fires."""

    def make(closed: Callable[[Any], None]) -> Callable[[Any], None]:
        def forgetting(session: Any) -> None:
            session._guarded = False
            closed(session)

        return forgetting

    with _instead(Session, "closed", make):
        yield


@fault
def a_client_order_id_is_forgotten() -> Iterator[None]:
    """A placement that is sent again is another order."""
    with _instead(Account, "answered", lambda _: lambda *_: None):
        yield


@fault
def fees_go_to_a_trader() -> Iterator[None]:
    """All sums are still right."""
    with mock.patch("tickwire.market.settlement.FEES", "alice"):
        yield


@fault
def a_planned_stop_is_not_announced() -> Iterator[None]:
    """Connections are closed without a word before."""
    with _instead(Connection, "drain", lambda _: lambda *_: None):
        yield
