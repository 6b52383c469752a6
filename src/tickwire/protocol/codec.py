"""The two encodings of the native protocol: the same types as JSON in text frames and MessagePack in binary ones."""

from __future__ import annotations

import json
from struct import Struct
from typing import Any, Literal, TypeVar

import msgspec

from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Event, Orders
from tickwire.protocol.messages import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, Gap, Lagging, Skipped, StreamMessage
from tickwire.protocol.render import Renderer

T = TypeVar("T")

TEXT, BINARY = 0x1, 0x2
_SHORT, _MEDIUM, _LONG = (Struct(layout).pack for layout in ("!BB", "!BBH", "!BBQ"))


class _RepeatedKey(Exception):
    pass


def _check_pairs(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len(dict(pairs)):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKey(key)
            seen.add(key)


_CHECKING = json.JSONDecoder(object_pairs_hook=_check_pairs, parse_int=str, parse_float=str)


class Encoding:
    """One encoding of the wire.

    Attributes:
        name: the WebSocket subprotocol that stands for it.
        opcode: of the frames that carry it (RFC 6455, section 5.2).
    """

    def __init__(self, name: str, opcode: int) -> None:
        self.name = name
        self.opcode = opcode
        self._module: Any = msgspec.json if opcode == TEXT else msgspec.msgpack
        self.encode = (msgspec.json.Encoder() if opcode == TEXT else msgspec.msgpack.Encoder()).encode

    def decode(self, data: bytes, as_type: type[T]) -> T:
        """A typed message.

        Raises:
            msgspec.DecodeError: malformed, or (ValidationError) not of the type; the message names the field.
        """
        result: T = self._module.decode(data, type=as_type)
        return result

    def repeated_key(self, data: bytes) -> str | None:
        """A key that an object in `data` has twice, at any depth; None when there is none, and for MessagePack.

        `decode` takes the last of such values, where another reader of the same bytes may take the first.

        Raises:
            ValueError, RecursionError: the text is not UTF-8 or nested too deep.
        """
        if self.opcode == TEXT and not self._is_plain(data):
            try:
                _CHECKING.decode(data.decode())
            except _RepeatedKey as repeated:
                return str(repeated)
        return None

    def _is_plain(self, data: bytes) -> bool:
        """Whether `data` is, byte for byte, how its own content is encoded. Then it has no key twice: a dict has none.
        Most clients write like this, without spaces, and it is found out in a third of the time."""
        try:
            return self.encode(self._module.decode(data)) == data
        except (ValueError, RecursionError):
            return False

    def frame(self, message: Any) -> bytes:
        """A message as one whole unmasked frame, as servers send."""
        return frame(self.opcode, self.encode(message))


JSON = Encoding(SUBPROTOCOL_JSON, TEXT)
MSGPACK = Encoding(SUBPROTOCOL_MSGPACK, BINARY)
ENCODINGS: dict[str, Encoding] = {encoding.name: encoding for encoding in (JSON, MSGPACK)}


def frame(opcode: int, payload: bytes) -> bytes:
    """One final, unmasked frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return _SHORT(0x80 | opcode, size) + payload
    if size < 65_536:
        return _MEDIUM(0x80 | opcode, 126, size) + payload
    return _LONG(0x80 | opcode, 127, size) + payload


class NativeCodec:
    """Makes the native protocol's frames for the hub."""

    def __init__(self, encoding: Encoding, renderer: Renderer) -> None:
        self.name = encoding.name
        self._encoding = encoding
        self._renderer = renderer

    def message(
        self, key: StreamKey, event: Event | None, *, kind: Literal["snapshot", "update"], seq: int, ts: int
    ) -> bytes:
        """A stream message as a frame."""
        return self._encoding.frame(self._renderer.message(key, event, kind=kind, seq=seq, ts=ts))

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        frame, lossless = self._encoding.frame, key.lossless
        channel, symbol, depth, interval_ms, interval = key
        data_of = self._renderer.data_of(key)
        frames = []
        for event in events:
            kind = _kind(event) if lossless else "update"
            data = data_of(event)
            message = StreamMessage(channel, symbol, kind, event.seq, event.ts, data, depth, interval_ms, interval)
            frames.append(frame(message))
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        return self.message(key, event, kind="snapshot", seq=seq, ts=ts)

    def lagging(self, messages: int) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        return self._encoding.frame(Lagging(messages))

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes:
        """`gap` for a lossless stream, `skipped` for one of the latest class."""
        if key.lossless:
            return self._encoding.frame(Gap(key.channel, key.symbol, first, last))
        return self._encoding.frame(
            Skipped(key.channel, key.symbol, first, last, key.depth, key.interval_ms, key.interval)
        )


def _kind(event: Event) -> Literal["snapshot", "update"]:
    """A pushed book that was replaced whole is a snapshot in mid-stream; all else that is published, an update."""
    replaced = event.snapshot if type(event) is Book else type(event) is Orders
    return "snapshot" if replaced else "update"
