"""Frames that a server has sent, joined as they come from a socket or a hub: unmasked (RFC 6455, section 5.2)."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.load import frame_size, header_size


def frames(data: bytes) -> Iterator[bytes]:
    """The whole frames that `data` begins with; one that has only begun is not among them."""
    at = 0
    while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
        yield data[at : at + size]
        at += size


def payload(frame: bytes) -> bytes:
    """What a frame carries, as it is on the wire."""
    return frame[header_size(frame) :]


def payloads(data: bytes) -> Iterator[bytes]:
    """What the whole frames carry that `data` begins with."""
    return map(payload, frames(data))
