"""Our server of the latency benchmark: `tickwire.server.app.Server` as it is, with a tape on disk, and a busy venue.

The schedule is open: trade number `n` is due at a moment that was fixed when the run began. What has become due while
the server was busy is put all at once, as a venue's socket would hand it over. The producer looks at the clock in every
turn of the event loop, so that no timer's resolution is measured. All times are of the monotonic clock, which
processes share.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from benchmarks.latency.trades import trade_id
from benchmarks.processes import SERVER_CORE, pin, say, told
from tickwire.config import ServerSettings
from tickwire.limits import CONNECTIONS_MAX
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, Record, VenueTrade
from tickwire.server.app import Server
from tickwire.server.pipeline import Pipeline

INSTRUMENT = Instrument(
    venue="SIM",
    base="EUR",
    quote="USD",
    asset_class="fx",
    tick_size="0.00001",
    lot_size="1",
    kind="mirrored",
    book="none",
)


class VenueServer(Server):
    """A server into whose pipeline a venue puts its trades.

    Attributes:
        pipeline: while it runs.
    """

    pipeline: Pipeline

    def _web(self, pipeline: Pipeline) -> Any:
        self.pipeline = pipeline
        return super()._web(pipeline)


async def produce(pipeline: Pipeline, rate: int, count: int, lose: int) -> dict[str, float]:
    """Put `count` trades, `rate` of them a second.

    Returns:
        When it began, ns; in how much of the time the server had something to do; how many trades were put together.
    """
    worked, turns, sent = 0, 0, 0
    began = time.monotonic_ns()
    while sent < count:
        now = time.monotonic_ns()
        due = min(count, (now - began) * rate // 1_000_000_000 + 1)
        if due == sent:
            await asyncio.sleep(0)
            continue
        trades: list[Record] = [
            VenueTrade(INSTRUMENT.symbol, trade_id(n), 108_000 + n % 7, 1, ts_event=began + n * 1_000_000_000 // rate)
            for n in range(sent, due)
            if n != lose
        ]
        await pipeline.put(trades)
        worked += time.monotonic_ns() - now
        turns += 1
        sent = due
    return {"started_ns": began, "working": worked / max(1, time.monotonic_ns() - began), "per_turn": count / turns}


async def main(folder: Path) -> None:
    """Serve until stdin ends, and produce when told to."""
    parser = ArgumentParser()
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--lose", type=int, default=-1, help="number of a trade to leave out")
    given = parser.parse_args()
    settings = ServerSettings(
        port=0,
        data_dir=folder,
        feeds=(),
        connections_per_ip=CONNECTIONS_MAX,
        upgrades_per_second=CONNECTIONS_MAX,
        drain_seconds=0,
    )
    server = VenueServer(settings, now=time.monotonic_ns)
    gc.collect()
    gc.freeze()  # as `tickwire serve` does
    async with server.running():
        await server.pipeline.put([ListInstrument(INSTRUMENT)])
        say(port=server.port)
        if await told():
            say(**await produce(server.pipeline, given.rate, given.messages, given.lose))
            await told()


if __name__ == "__main__":
    pin(SERVER_CORE)
    logging.disable(logging.WARNING)  # that the producer holds the event loop is meant
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(folder)))
