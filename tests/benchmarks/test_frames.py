"""How joined frames are told apart."""

from __future__ import annotations

import pytest

from benchmarks.frames import frames, payload, payloads
from benchmarks.peers.workload import framed

LONGEST = bytes((0x82, 127)) + (70_000).to_bytes(8, "big") + b"z" * 70_000
FRAMES = [framed(b""), framed(b"x" * 125), framed(b"y" * 126), LONGEST, framed(b"last")]
PAYLOADS = [b"", b"x" * 125, b"y" * 126, b"z" * 70_000, b"last"]


def test_joined_frames_are_told_apart() -> None:
    joined = b"".join(FRAMES)
    assert list(frames(joined)) == FRAMES
    assert list(map(payload, FRAMES)) == PAYLOADS
    assert list(payloads(joined)) == PAYLOADS
    assert list(frames(b"")) == []


@pytest.mark.parametrize("missing", [1, 4, 5])
def test_a_frame_that_has_only_begun_is_none(missing: int) -> None:
    assert list(frames(b"".join(FRAMES)[:-missing])) == FRAMES[:-1]
