"""When changes were due, and when a page had them on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from benchmarks.results import Wrong

DUE_NS = 1_000_000
"""Changes of a millisecond arrive together at its end, as from a venue's socket."""
CLOCKS_MS_MAX = 5
"""By how much the page's clock, which is set when it opens, may differ from the computer's."""


def due_ns(n: int, rate: int) -> int:
    """When change number `n`, from 0, is due, since the first millisecond began."""
    return ceil((n + 1) * (1_000_000_000 // DUE_NS) / rate) * DUE_NS


def latencies(frames: Sequence[tuple[int, float]], *, first_seq: int, began_ms: float, rate: int) -> list[float]:
    """How long it took from when each change was due until a frame that shows it was rendered, ms.

    Args:
        frames: the number of the book's message that each showed, and when, ms. What the first shows does not count.
        first_seq: number of the message of change 0.
        began_ms: when the first millisecond of changes began, by the same clock.

    Raises:
        Wrong: the book went back, or was ahead of its time.
    """
    result: list[float] = []
    for (before, _), (seq, at) in pairwise(frames):
        if seq < before:
            raise Wrong(f"the page showed the book at message {before} and then at {seq}")
        changes = range(before + 1 - first_seq, seq + 1 - first_seq)
        result += [at - began_ms - due_ns(n, rate) / 1e6 for n in changes]
        if at - began_ms < due_ns(seq - first_seq, rate) / 1e6 - CLOCKS_MS_MAX:
            raise Wrong(f"the page showed message {seq} before it was due")
    return result
