"""A clock that a test moves by hand."""

from __future__ import annotations


class ManualClock:
    """Call it for the time in nanoseconds; `advance` moves it."""

    def __init__(self, ns: int = 0) -> None:
        self.ns = ns

    def __call__(self) -> int:
        return self.ns

    def advance(self, *, ms: int = 0, seconds: int = 0) -> None:
        """Let time pass."""
        self.ns += ms * 1_000_000 + seconds * 1_000_000_000
