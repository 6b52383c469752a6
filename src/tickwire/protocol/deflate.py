"""permessage-deflate (RFC 7692) for what the server sends: compressed once, shared by all who read it.

With `server_no_context_takeover` a message may not lean on those before it, so its bytes are the same for everybody. A
full flush ends a message without a trace in the next, which lets one compressor serve them all: making a new one for
each would cost ten times as much.
"""

from __future__ import annotations

import zlib
from typing import Any

from tickwire.protocol.codec import ENCODINGS, Encoding, frame

DEFLATE_BYTES_MIN = 100
"""A smaller message would hardly shrink."""

WINDOW_BITS = 15
"""Of what is sent. A client that has asked for a smaller window is sent plain messages."""
_COMPRESSED = 0x40  # the bit RSV1
_TAIL = b"\x00\x00\xff\xff"


def deflated(name: str) -> str:
    """The name of an encoding in its compressed form."""
    return f"{name}+deflate"


class Deflated(Encoding):
    """An encoding whose messages are compressed where that makes them smaller."""

    def __init__(self, plain: Encoding) -> None:
        super().__init__(deflated(plain.name), plain.opcode)
        self._compressor = zlib.compressobj(1, wbits=-WINDOW_BITS)

    def frame(self, message: Any) -> bytes:
        """A message as one whole unmasked frame."""
        payload = self.encode(message)
        if len(payload) >= DEFLATE_BYTES_MIN:
            body = self._compressor.compress(payload) + self._compressor.flush(zlib.Z_FULL_FLUSH)
            if len(body) - len(_TAIL) < len(payload):
                return frame(self.opcode | _COMPRESSED, body.removesuffix(_TAIL))
        return frame(self.opcode, payload)


WIRE_ENCODINGS: dict[str, Encoding] = ENCODINGS | {each.name: each for each in map(Deflated, ENCODINGS.values())}
"""Each encoding, plain and compressed, by its name."""
