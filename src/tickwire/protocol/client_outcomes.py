"""What a message of the server can come to at the client's end of the native protocol. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec

from tickwire.errors import RequestRefused
from tickwire.model.channel import StreamKey
from tickwire.protocol.messages import Drain, Gap, Heartbeat, Hello, Lagging, Skipped, StreamMessage


class Lost(msgspec.Struct, frozen=True, tag_field="type", tag="lost", omit_defaults=True):
    """What came after message `after` of a stream is missing, found out on this side; a snapshot follows.

    Never on the wire; shaped like `Gap` and `Skipped`, which the server says, so that all three read alike.
    """

    channel: str
    symbol: str
    after: int
    reason: str
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


class Resumed(msgspec.Struct, frozen=True, tag_field="type", tag="resumed"):
    """Over another connection a lossless stream goes on after message `after`; the `missed` ones that had been
    published by then follow, then the new ones. Nothing is missing."""

    channel: str
    symbol: str
    after: int
    missed: int


Notice: TypeAlias = Gap | Skipped | Lost | Resumed


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """The next message of a stream, `data` typed. `size` is its length on the wire in bytes."""

    key: StreamKey
    message: StreamMessage
    size: int


class Noticed(NamedTuple):
    """Something of a stream was left out, or it goes on after its connection was lost."""

    key: StreamKey
    notice: Notice


class Interrupted(NamedTuple):
    """A lossless stream's connection is gone. `Lost` or `Resumed` comes over the next one; until then nobody knows
    whether its state is still true."""

    key: StreamKey
    reason: str


class Answered(NamedTuple):
    """A request's result, not decoded yet: see `ClientSession.decode`."""

    id: int
    result: msgspec.Raw


class Refused(NamedTuple):
    """A request's error."""

    id: int
    error: RequestRefused


class Ended(NamedTuple):
    """A stream can't be had any more: the server refused to resume it."""

    key: StreamKey
    error: RequestRefused


class Broken(NamedTuple):
    """The server broke the protocol: close with this code, then connect anew."""

    close_code: int
    reason: str


Outcome: TypeAlias = (
    Hello | Heartbeat | Drain | Lagging | Delivered | Noticed | Interrupted | Answered | Refused | Ended | Broken
)


@dataclass(slots=True)
class ClientStats:
    """Counters of a client over all its connections."""

    messages: int = 0
    lost: int = 0
    resumed: int = 0
    """streams that went on over another connection with nothing missing"""
    lagging: int = 0
    """how often the server said that this client is behind"""
    gaps: int = 0
    skipped: int = 0
    checksum_mismatches: int = 0
    unknown: int = 0
    """messages of a type or channel that this version does not know; ignored"""
    unexpected: int = 0
    """messages of streams not (or no longer) subscribed to, and replies to nothing in flight; ignored"""
    malformed: int = 0
    connections: int = 0
