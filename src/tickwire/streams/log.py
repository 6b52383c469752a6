"""The log of one stream in one encoding, and the cursors that read it.

A *segment* is what one transaction of the tape added to the stream: its messages as ready frames, joined. A
subscriber that keeps up is handed each segment as it is made and owns nothing. One that lags keeps a cursor:
the number of the first segment it has not been given.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import NamedTuple, Protocol

from tickwire.limits import RETAINED_BYTES_MAX, RETAINED_BYTES_PER_STREAM_MAX
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event


class Codec(Protocol):
    """Turns events and notices into complete frames of one encoding. Equal ones share their work and their bytes; they
    must be hashable.

    Attributes:
        name: what its messages are counted under.
    """

    @property
    def name(self) -> str:
        """What its messages are counted under."""
        ...

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """The frames for what a stream says in one transaction, joined; b"" for none."""
        ...

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """What a subscription begins with; `event` is None where nothing has happened yet, and for streams that are
        made for dialects. b"" for nothing."""
        ...

    def lagging(self, messages: int) -> bytes:
        """Says how many messages a client is behind; b"" for nothing."""
        ...

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        """Says that messages `first` to `last` are not coming; of a lossless stream the snapshot follows. b"" where a
        client sees that for itself, None where it can't: then it is closed."""
        ...


class Sink(Protocol):
    """Where a subscriber's bytes go: a connection.

    Attributes:
        encoding: name of the codec it reads where a subscription names none.
        ready: False while its socket is full; then its cursors stay where they are.
        out: frames and segments handed over in this turn; `flush` writes and clears them.
        lagging: its cursors that are behind.
        lag_told: True while its client knows that it lags.
    """

    encoding: str
    ready: bool
    out: list[bytes]
    lagging: dict[Cursor, None]
    lag_told: bool

    def fail(self) -> None:
        """What its client is to be told can't be made, by a fault of ours: close it."""
        ...

    def too_slow(self) -> None:
        """Its client can't be given what it was promised: close it."""
        ...

    def flush(self) -> None:
        """Write `out` to the socket in one gathered call and clear it. Clears `ready` when the socket is full."""
        ...


class Cursor:
    """One subscription: a sink's place in a log.

    `index` is the number of the next segment to hand over, -1 while the sink has been given everything;
    `seq` is then the last message it was given (known only while it lags). Up to `promised` it may miss none.
    """

    __slots__ = ("index", "log", "promised", "seq", "sink")

    def __init__(self, log: Log, sink: Sink) -> None:
        self.log = log
        self.sink = sink
        self.index = -1
        self.seq = 0
        self.promised = 0

    @property
    def broken(self) -> bool:
        """Whether a message is gone that the client was promised when it resumed."""
        return self.seq < self.promised and self.index < self.log.first_index


class Segment(NamedTuple):
    """Messages `first` to `last` of a stream, as one piece of ready bytes: a frame each."""

    first: int
    last: int
    data: bytes

    def after(self, seq: int) -> bytes:
        """The messages after this one, which is from before the segment or in it."""
        at = 0
        for _ in range(seq + 1 - self.first):
            at += _frame_size(self.data, at)
        return self.data[at:]


def _frame_size(data: bytes, at: int) -> int:
    """Bytes of the unmasked frame that begins at `at` (RFC 6455, section 5.2)."""
    size = data[at + 1]
    if size < 126:
        return 2 + size
    wide = 2 if size == 126 else 8
    return 2 + wide + int.from_bytes(data[at + 2 : at + 2 + wide], "big")


class Log:
    """The newest segments of a stream in one encoding; segment numbers only rise."""

    __slots__ = (
        "codec",
        "cursors",
        "key",
        "last_seq",
        "lossless",
        "next_index",
        "retained_bytes",
        "segments",
        "snapshot",
    )

    def __init__(self, key: StreamKey, codec: Codec, last_seq: int) -> None:
        self.key = key
        self.lossless = key.lossless
        self.codec = codec
        self.segments: deque[Segment] = deque()
        self.next_index = 0
        self.last_seq = last_seq
        self.retained_bytes = 0
        self.cursors: dict[Sink, Cursor] = {}
        self.snapshot: tuple[int, bytes] = (-1, b"")
        """(seq, frame) of the last snapshot sent: subscribers of the same moment share it"""

    @property
    def first_index(self) -> int:
        """Number of the oldest segment still held."""
        return self.next_index - len(self.segments)

    def index_of(self, seq: int) -> int | None:
        """Number of the segment with this message; None when it is not held."""
        at = bisect_right(self.segments, seq, key=lambda segment: segment.first) - 1
        return self.first_index + at if at >= 0 and seq <= self.segments[at].last else None

    def since(self, index: int) -> Segment | None:
        """The segment of this number, None when it is not there (gone, or yet to come)."""
        offset = index - self.first_index
        return self.segments[offset] if 0 <= offset < len(self.segments) else None


class Retention:
    """Keeps every log within its share of the bytes; a log's oldest segment goes first.

    The share is equal among the logs that are read, and bounded for each. A latest-class log holds only its
    newest segment.
    """

    def __init__(
        self, bytes_max: int = RETAINED_BYTES_MAX, bytes_per_stream_max: int = RETAINED_BYTES_PER_STREAM_MAX
    ) -> None:
        self._bytes_max = bytes_max
        self._bytes_per_stream_max = bytes_per_stream_max
        self.logs = 0
        """How many logs share the bytes."""

    def add(self, log: Log, segment: Segment) -> None:
        """Append a segment to its log, and let old ones go. The newest always stays, whatever its size."""
        segments = log.segments
        segments.append(segment)
        log.next_index += 1
        log.retained_bytes += len(segment.data)
        share = min(self._bytes_per_stream_max, self._bytes_max // max(1, self.logs)) if log.lossless else 0
        while log.retained_bytes > share and len(segments) > 1:
            log.retained_bytes -= len(segments.popleft().data)
