"""The book of the benchmark that polls: what the built-in market does to one book in its first seconds."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.fold.workloads import built_in
from benchmarks.frames import payloads
from benchmarks.sink import Sink
from tickwire.feeds.formats.tickwire import Header
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Status
from tickwire.model.records import Clock
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer, instrument_info
from tickwire.streams.hub import Hub

SYMBOL = "SIM:BTC-USDT"
COMMANDS_PER_SECOND = 1_500
"""More than the built-in market gives in a second, all instruments together."""


class Change(NamedTuple):
    """A change of the book: its number, when it was published (monotonic ns), and the book then."""

    seq: int
    at: int
    digest: str
    levels: int


def digest(bids: object, asks: object) -> str:
    """Of a whole book, `[price, size]` as the wire has them, best first."""
    return sha256(msgspec.json.encode([bids, asks])).hexdigest()[:16]


def record(path: Path, seconds: float) -> None:
    """Write what the built-in market does to one book in its first seconds, as `tickwire record` would."""
    opening, commands = built_in(int(COMMANDS_PER_SECOND * seconds))
    market = Market()
    for each in opening:
        market.apply(each)
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    sink = Sink()
    _, snapshot = hub.subscribe(StreamKey("book", SYMBOL), sink)
    status = market.view(StreamKey("status", SYMBOL))
    assert isinstance(status, Status)
    info = instrument_info(market.listing(SYMBOL).instrument, status)
    header = Header(url="", epoch="", instruments=[msgspec.structs.replace(info, channels=["book"])])
    began = commands[0][0]
    with path.open("wb") as file:
        file.write(msgspec.json.encode(header) + b"\n")
        file.write(b'{"at":%d,"message":%b}\n' % (began, next(payloads(snapshot))))
        for at, command in commands:
            if at > began + seconds * 1e9:
                return
            hub.publish(market.apply(Clock(at)) + market.apply(command))
            hub.flush()
            for message in payloads(b"".join(sink.taken)):
                file.write(b'{"at":%d,"message":%b}\n' % (at, message))
            sink.taken.clear()
    raise AssertionError("the built-in market gives more in a second than was thought")
