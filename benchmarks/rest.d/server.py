"""The server of the benchmark that polls: `tickwire.server.app.Server` as it is, playing one recorded book.

    python -m benchmarks.rest_server RECORDING

It prints `{"port": …}` and when it began; a line on its stdin begins a measurement, the next one ends it. Then it says
how much processor time that took and, from its tape, when each change of the book was published and a digest of the
whole book then. Its clock is the monotonic one, which processes share.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop
from benchmarks.bench_fold import Sink, inputs
from benchmarks.fanout_load import frame_size
from benchmarks.fanout_workload import pin

from tickwire.config import FeedSpec, ServerSettings
from tickwire.feeds.formats.tickwire import Header
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Status
from tickwire.model.records import Clock
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.messages import BookData
from tickwire.protocol.render import Renderer, instrument_info
from tickwire.server.app import Server
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
    opening, commands = inputs(int(COMMANDS_PER_SECOND * seconds))
    market = Market()
    for each in opening:
        market.apply(each)
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    sink = Sink(keep=True)
    _, snapshot = hub.subscribe(StreamKey("book", SYMBOL), sink)
    status = market.view(StreamKey("status", SYMBOL))
    assert isinstance(status, Status)
    info = instrument_info(market.listing(SYMBOL).instrument, status)
    header = Header(url="", epoch="", instruments=[msgspec.structs.replace(info, channels=["book"])])
    began = commands[0][0]
    with path.open("wb") as file:
        file.write(msgspec.json.encode(header) + b"\n")
        file.write(b'{"at":%d,"message":%b}\n' % (began, next(_payloads(snapshot))))
        for at, command in commands:
            if at > began + seconds * 1e9:
                return
            hub.publish(market.apply(Clock(at)) + market.apply(command))
            hub.flush()
            assert sink.kept is not None
            for message in _payloads(b"".join(sink.kept)):
                file.write(b'{"at":%d,"message":%b}\n' % (at, message))
            sink.kept.clear()
    raise AssertionError("the built-in market gives more in a second than was thought")


def _payloads(frames: bytes) -> Iterator[bytes]:
    at = 0
    while size := frame_size(frames[at : at + 10]):
        yield frames[at + (2 if frames[at + 1] < 126 else 4 if frames[at + 1] == 126 else 10) : at + size]
        at += size


def changes(server: Server) -> Iterator[Change]:
    """What the tape says of the book: another market folds it."""
    market = Market()
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    key = StreamKey("book", SYMBOL)
    at = 0
    for _, records in server.tape.read():
        for each in records:
            if isinstance(each, Clock):
                at = each.ts
            for event in market.apply(each):
                if isinstance(event, Book) and event.symbol == SYMBOL:
                    view = market.view(key)
                    assert view is not None
                    book = renderer.data(view)
                    assert isinstance(book, BookData)
                    yield Change(event.seq, at, digest(book.bids, book.asks), len(book.bids) + len(book.asks))


async def main(recording: Path) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    feeds = (FeedSpec("recorded", "tickwire", recording),)
    settings = ServerSettings(port=0, feeds=feeds, requests_per_second=100_000, drain_seconds=0)
    server = Server(settings, now=time.monotonic_ns)
    async with server.running():
        print(json.dumps({"port": server.port, "at": time.monotonic_ns()}), flush=True)
        if await loop.run_in_executor(None, sys.stdin.readline):
            cpu = time.process_time()
            await loop.run_in_executor(None, sys.stdin.readline)
            cpu = time.process_time() - cpu
            # in a thread: the event loop is watched
            rows = await loop.run_in_executor(None, lambda: list(changes(server)))
            print(json.dumps({"cpu_seconds": cpu, "changes": rows}), flush=True)
            await loop.run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # that a busy machine holds the event loop up is in the numbers
    pin(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
