"""From a client's bytes to its messages, sans-I/O; the frames that nearly all are go past the library's parser.

That parser is a generator and takes 3.4 µs a frame, as long as all else that is done to read an order. A frame that
is a whole message, and is here whole, changes nothing in the library's state, so that it need not see it: such a frame
is unmasked here, in 0.7 µs. Every other one (control frames, fragments, what is begun, too big or wrong) is the
library's, which is always given the next bytes of the stream at the beginning of a frame or inside of one of its own.

That a text is UTF-8 the library leaves to whoever reads it. It is seen to here, frame by frame.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, State

from tickwire.limits import FRAGMENTS_MAX, MESSAGE_BYTES_MAX

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without C
    from websockets.utils import apply_mask

_WHOLE = (0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY)
"""First byte of a frame that is a message of its own: final, no reserved bits."""
_MASKED = 0x80


class Messages:
    """Takes what is read from a socket after the handshake.

    Args:
        ws: the library's end of the connection, whose `max_size` is `MESSAGE_BYTES_MAX`. What it has to send, and what
            has become of its state, is for the caller to look after.

    Attributes:
        opcode: of the message that was given last: text or binary.
        pings: pings and pongs so far.
    """

    __slots__ = ("_fragments", "_fragments_seen", "_header", "_owed", "_utf8", "_ws", "opcode", "pings")

    def __init__(self, ws: Protocol) -> None:
        self._ws = ws
        self._header = b""
        """Of a frame, as long as it does not say where the frame ends: nine bytes at most."""
        self._owed = 0
        """Bytes that are missing of the frame that the library has the beginning of."""
        self._fragments: bytearray | None = None
        self._fragments_seen = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self.opcode = 0
        self.pings = 0

    def received(self, data: bytes) -> Iterator[bytes]:
        """The messages that these bytes complete. To be exhausted; the connection may be closed on the way."""
        ws, data, end = self._ws, self._header + data, self._owed
        self._header = b""
        if end:
            yield from self._parsed(data, 0, end)
        at = end
        while at < len(data):
            span = _payload(data, at)
            if span is None:
                self._header = data[at:]
                return
            start, end = span
            if (
                data[at] in _WHOLE
                and data[at + 1] & _MASKED
                and end <= len(data)
                and end - start <= MESSAGE_BYTES_MAX
                and self._fragments is None
                and ws.state is State.OPEN
            ):
                message = apply_mask(data[start:end], data[start - 4 : start])
                self.opcode = data[at] & 0x0F
                if message.isascii() or self._is_text(message, final=True):
                    yield message
            else:
                if data[at] & 0x0F == Opcode.CLOSE:
                    ws.current_size = None  # the library takes one inside of a message for an error (but: section 5.4)
                yield from self._parsed(data, at, end)
            at = end

    def _parsed(self, data: bytes, start: int, end: int) -> Iterator[bytes]:
        """Give the library a frame, or what there is of it; put messages together from fragments. Control frames it has
        answered already."""
        self._owed = max(0, end - len(data))
        self._ws.receive_data(data[start:end])
        for frame in self._ws.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
                self._fragments = bytearray(frame.data)
                self._fragments_seen = 0
                self.opcode = frame.opcode
            elif frame.opcode is Opcode.CONT and self._fragments is not None:
                self._fragments += frame.data  # the library bounds the sum
            else:
                self.pings += 1
                continue
            self._fragments_seen += 1
            if self._fragments_seen > FRAGMENTS_MAX:
                self._ws.fail(CloseCode.MESSAGE_TOO_BIG, f"more than {FRAGMENTS_MAX} fragments")
                return
            if self._is_text(frame.data, final=frame.fin) and frame.fin:
                message, self._fragments = bytes(self._fragments), None
                yield message

    def _is_text(self, data: bytes | bytearray | memoryview, *, final: bool) -> bool:
        """False, and the connection fails, where a text message is none."""
        if self.opcode == Opcode.TEXT:
            try:
                self._utf8.decode(data, final)
            except UnicodeDecodeError:
                self._ws.fail(CloseCode.INVALID_DATA, "a text message is not UTF-8")
                return False
        return True


def _payload(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the masked frame at `at` begins and ends (RFC 6455, section 5.2); None when too little is
    here to know."""
    here = len(data) - at
    if here < 2:
        return None
    size = data[at + 1] & 0x7F
    start = at + 6
    if size >= 126:
        more = 2 if size == 126 else 8
        if here < 2 + more:
            return None
        size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
        start += more
    return start, start + size
