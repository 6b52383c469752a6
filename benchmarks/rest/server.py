"""The server of the benchmark that polls: `tickwire.server.app.Server` as it is, playing one recorded book.

    python -m benchmarks.rest.server RECORDING

It prints `{"port": …}` and when it began; a line on its stdin begins a measurement, the next one ends it. Then it says
how much processor time that took and, from its tape, when each change of the book was published and a digest of the
whole book then. Its clock is the monotonic one, which processes share.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks.processes import SERVER_CORE, pin, say, told
from benchmarks.rest.recording import SYMBOL, Change, digest
from tickwire.config import FeedSpec, ServerSettings
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book
from tickwire.model.records import Clock
from tickwire.protocol.messages import BookData
from tickwire.protocol.render import Renderer
from tickwire.server.app import Server


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
    feeds = (FeedSpec("recorded", "tickwire", recording),)
    settings = ServerSettings(port=0, feeds=feeds, requests_per_second=100_000, drain_seconds=0)
    server = Server(settings, now=time.monotonic_ns)
    async with server.running():
        say(port=server.port, at=time.monotonic_ns())
        if await told():
            cpu = time.process_time()
            await told()
            cpu = time.process_time() - cpu
            # in a thread: the event loop is watched
            rows = await asyncio.get_running_loop().run_in_executor(None, lambda: list(changes(server)))
            say(cpu_seconds=cpu, changes=rows)
            await told()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # that a busy machine holds the event loop up is in the numbers
    pin(SERVER_CORE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
