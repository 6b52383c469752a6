"""The built-in market, played from a seed: its commands, and what its streams say of them in each encoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.fold.workloads import built_in
from benchmarks.fold.workloads import transactions as grouped
from benchmarks.frames import payload
from benchmarks.sink import Sink
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event
from tickwire.model.records import Record, decode_records, encode_records
from tickwire.protocol.client_codec import ClientCodec
from tickwire.protocol.codec import MSGPACK, NativeCodec
from tickwire.protocol.deflate import WIRE_ENCODINGS
from tickwire.protocol.messages import StreamMessage
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub

CHANNELS = ("trades", "book", "book_l3", "quotes", "candles")
_RSV1 = 0x40
_TAIL = b"\x00\x00\xff\xff"


def transactions(inputs: int, size: int) -> list[list[Record]]:
    """What opens the market, then so many commands of it in transactions of `size`, each under its last one's clock."""
    opening, commands = built_in(inputs)
    return [opening, *grouped(commands, size)]


def save(played: list[list[Record]], path: Path) -> None:
    """Keep transactions for another process."""
    path.write_bytes(msgspec.msgpack.encode([encode_records(records) for records in played]))


def saved(path: Path) -> list[list[Record]]:
    """Inverse of `save`."""
    return [decode_records(body) for body in msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])]


class Server(NamedTuple):
    """The core of a server: the market and its hub, which speaks every encoding."""

    market: Market
    renderer: Renderer
    hub: Hub

    def transaction(self, records: Iterable[Record]) -> None:
        """What the pipeline does with a transaction, but for the tape."""
        market, hub = self.market, self.hub
        for record in records:
            if events := market.apply(record):
                hub.publish(events)
        hub.flush()


def opened(opening: Iterable[Record], codec: type[NativeCodec] = NativeCodec) -> Server:
    """A server after the first transaction."""
    market = Market()
    for record in opening:
        market.apply(record)
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {name: codec(encoding, renderer) for name, encoding in WIRE_ENCODINGS.items()})
    market.heard = hub.heard
    market.changed.clear()
    return Server(market, renderer, hub)


def keys(market: Market) -> list[list[StreamKey]]:
    """The streams that a client reads, in the order of its requests: a channel of every instrument each."""
    return [
        [StreamKey(channel, each.symbol, interval="1m" * (channel == "candles")) for each in market.instruments]
        for channel in CHANNELS
    ]


class Message(NamedTuple):
    """Something that a stream says."""

    key: StreamKey
    event: Event


class _Recorder:
    """A codec that keeps what is said."""

    name = "recorder"

    def __init__(self) -> None:
        self.said: list[Message] = []

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        self.said += [Message(key, event) for event in events]
        return b"."

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        return b""

    def lagging(self, messages: int) -> bytes:
        return b""

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes:
        return b""


def recorded(played: list[list[Record]]) -> tuple[list[Message], Renderer]:
    """What all streams say after the first transaction, and what renders it."""
    server, recorder, sink = opened(played[0]), _Recorder(), Sink()
    for key in chain.from_iterable(keys(server.market)):
        server.hub.subscribe(key, sink, recorder)
    for records in played[1:]:
        server.transaction(records)
    return recorder.said, server.renderer


def frames(name: str, messages: Sequence[Message], renderer: Renderer) -> list[bytes]:
    """A frame for each, in the encoding of this name."""
    updates = NativeCodec(WIRE_ENCODINGS[name], renderer).updates
    return [updates(key, [event]) for key, event in messages]


def is_compressed(frame: bytes) -> bool:
    """Whether a frame has the bit RSV1 (RFC 7692, section 6)."""
    return bool(frame[0] & _RSV1)


def inflated(frame: bytes) -> bytes:
    """What a server's frame carries, decompressed. With no context takeover each message is a stream of its own (RFC
    7692, section 7.1.1.1), so a client makes a new decompressor for each."""
    body = payload(frame)
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body + _TAIL) if is_compressed(frame) else body


def decoded(name: str, data: Sequence[bytes]) -> list[StreamMessage]:
    """Frames as a client has them."""
    codec = ClientCodec("msgpack" if name.startswith(MSGPACK.name) else "json")
    return [codec.typed(codec.incoming(inflated(frame))) for frame in data]
