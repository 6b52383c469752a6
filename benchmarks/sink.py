"""A subscriber without a socket."""

from __future__ import annotations

from tickwire.protocol.codec import JSON
from tickwire.streams.log import Cursor


class Sink:
    """A sink that always has room, and keeps what it is given in `taken`."""

    __slots__ = ("encoding", "lag_told", "lagging", "out", "ready", "taken")

    def __init__(self, encoding: str = JSON.name) -> None:
        self.encoding = encoding
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}
        self.lag_told = False
        self.taken: list[bytes] = []

    def fail(self) -> None:
        """Nothing to close: the hub raises as well."""

    def too_slow(self) -> None:
        """Never: it is always ready."""

    def flush(self) -> None:
        """Take what there is."""
        self.taken += self.out
        self.out.clear()
