"""Reads what a server says: one pass to tell what a message is, one more for the part that depends on it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from tickwire.model.channel import CHANNELS, PRIVATE_CHANNELS, StreamKey
from tickwire.protocol.messages import DATA_TYPES, ErrorBody, Position, RequestId, StreamMessage, StreamParams

Encoding = Literal["json", "msgpack"]
T = TypeVar("T")

CONTROL = frozenset(("hello", "heartbeat", "gap", "skipped", "drain", "lagging"))
"""Types of the messages that are neither a reply nor of a stream."""
KNOWN_CHANNELS = frozenset((*CHANNELS, *PRIVATE_CHANNELS))
"""The channels of this version."""


HINT = slice(9, 17)
"""Where a message that begins with its channel differs from those of the other channels, in both encodings."""


class Incoming(msgspec.Struct, gc=False):
    """Any message of the server, in one pass; `data` and `result` wait until their type is known."""

    type: str = ""
    channel: str = ""
    symbol: str = ""
    seq: int = 0
    ts: int = 0
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""
    epoch: str = ""
    id: RequestId | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorBody | None = None


class _Kind(msgspec.Struct):
    """The least of a message: enough to tell one of a later version from a malformed one."""

    type: Any = None
    channel: Any = None


def _typed(data: type) -> Any:
    return StreamMessage[data | None]  # type: ignore[valid-type]


class ClientCodec:
    """One encoding, from the client's side. Everything it raises is a `ValueError` or a `RecursionError`;
    `msgspec.ValidationError` means readable but of the wrong shape."""

    def __init__(self, encoding: Encoding) -> None:
        self._module: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self._encode = self._module.Encoder().encode
        self._incoming = self._module.Decoder(Incoming).decode
        self._data = {kind: self._module.Decoder(data | None).decode for kind, data in DATA_TYPES.items()}
        self._updates: dict[bytes, tuple[str, Callable[[bytes], StreamMessage]]] = {
            self._encode({"channel": channel, "symbol": ""})[HINT]: (channel, self._module.Decoder(_typed(data)).decode)
            for (channel, kind), data in DATA_TYPES.items()
            if kind == "update"
        }

    def encode(self, message: object) -> bytes:
        """A message to send."""
        data: bytes = self._encode(message)
        return data

    def update(self, data: bytes) -> StreamMessage | None:
        """An update of a stream, in one pass: for nearly all messages. None for any other message, and where the first
        field is not the channel, so that nothing shows the type of the rest: `incoming` reads those."""
        hinted = self._updates.get(data[HINT])
        if hinted is None:
            return None
        channel, decode = hinted
        try:
            message = decode(data)
        except (ValueError, RecursionError):
            return None
        return message if message.type == "update" and message.channel == channel else None

    def incoming(self, data: bytes) -> Incoming:
        """Any message of the server."""
        incoming: Incoming = self._incoming(data)
        return incoming

    def decode(self, data: bytes | msgspec.Raw, kind: type[T]) -> T:
        """A message, or a part of one, of a known type."""
        decoded: T = self._module.decode(data, type=kind)
        return decoded

    def typed(self, incoming: Incoming) -> StreamMessage:
        """A stream message with its type of `data`. Its channel must be one of `KNOWN_CHANNELS`."""
        data = incoming.data
        if data is msgspec.UNSET:
            raise msgspec.ValidationError("`data` is missing")
        return StreamMessage(
            incoming.channel,
            incoming.symbol,
            incoming.type,  # type: ignore[arg-type]
            incoming.seq,
            incoming.ts,
            self._data[incoming.channel, incoming.type](data),
            incoming.depth,
            incoming.interval_ms,
            incoming.interval,
            incoming.epoch,
        )

    def is_later(self, data: bytes) -> bool:
        """Whether a message of the wrong shape is simply of a type or channel that a later version has."""
        try:
            message = self.decode(data, _Kind)
        except (ValueError, RecursionError):
            return False
        if message.type in ("update", "snapshot"):
            return isinstance(message.channel, str) and message.channel not in KNOWN_CHANNELS
        return isinstance(message.type, str) and message.type not in CONTROL


def by_request(keys: Iterable[StreamKey]) -> list[list[StreamKey]]:
    """Streams in groups that differ in the symbol only, as one request can name them."""
    groups: dict[StreamKey, list[StreamKey]] = {}
    for key in keys:
        groups.setdefault(key._replace(symbol=""), []).append(key)
    return list(groups.values())


def stream_params(keys: list[StreamKey], since: Position | None = None) -> StreamParams:
    """Parameters of `subscribe` and `unsubscribe` for streams that differ in the symbol only; those of a private
    channel need no symbol."""
    first = keys[0]
    return StreamParams(
        first.channel,
        [] if first.channel in PRIVATE_CHANNELS else [key.symbol for key in keys],
        first.depth or None,
        first.interval_ms or None,
        first.interval or None,
        since,
    )
