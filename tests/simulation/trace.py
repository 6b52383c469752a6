"""What happened, in order: a digest of all of it, and the end of it in words."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b

from simulation.loop import VirtualLoop

START_NS = 1_700_000_000_000_000_000
LINES = 40
LINE_CHARS = 220


class Trace:
    """Of one run. Two runs of a seed are the same when their digests are."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._hash = blake2b(digest_size=16)
        self._last: deque[tuple[int, str, object]] = deque(maxlen=LINES)

    def now(self) -> int:
        """The wall clock, nanoseconds."""
        return START_NS + self._loop.ns

    def bytes(self, name: str, data: bytes) -> None:
        """Bytes have arrived."""
        self._hash.update(b"%d %b %d " % (self._loop.ns, name.encode(), len(data)))
        self._hash.update(data)

    def note(self, name: str, what: object) -> None:
        """Something that a reader of the trace wants to know. It must not be changed later."""
        self._last.append((self._loop.ns, name, what))

    @property
    def digest(self) -> str:
        """Of every byte that arrived, with its time."""
        return self._hash.hexdigest()

    def lines(self) -> list[str]:
        """The last notes."""
        return [f"{ns / 1e9:9.6f} {name} {what}"[:LINE_CHARS] for ns, name, what in self._last]
