"""The server of the latency benchmark: the real pipeline over a tape on disk, hub, gateway and uvicorn.

The schedule is open: trade number `n` is due, and stamped so, at a moment that was fixed before the run. What has
become due while the server was busy is put all at once, as a feed's socket would hand it over. The producer looks
at the clock in every turn of the event loop, so that no timer's resolution is measured. All times are of the
monotonic clock, which processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from benchmarks.fanout_tickwire import listening, open_gateway
from benchmarks.fanout_workload import pin

from tickwire.market.market import Market
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, Record, VenueTrade
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.server.pipeline import Pipeline
from tickwire.streams.hub import Hub
from tickwire.tape.sqlite import SqliteTape

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


async def produce(pipeline: Pipeline, rate: int, count: int) -> None:
    """Put `count` trades, `rate` of them a second, each stamped with the time it is due."""
    started = time.monotonic_ns()
    sent = 0
    while sent < count:
        due = min(count, (time.monotonic_ns() - started) * rate // 1_000_000_000 + 1)
        if due == sent:
            await asyncio.sleep(0)
            continue
        trades: list[Record] = [
            VenueTrade(INSTRUMENT.symbol, str(n), 108_000 + n % 7, 1, ts_event=started + n * 1_000_000_000 // rate)
            for n in range(sent, due)
        ]
        await pipeline.put(trades)
        sent = due


async def main(folder: Path) -> None:
    """Serve and produce until stdin ends."""
    parser = ArgumentParser()
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    given = parser.parse_args()
    loop = asyncio.get_running_loop()
    market = Market()
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    gateway = open_gateway(market, hub, renderer, time.monotonic_ns)
    with closing(SqliteTape(folder, "process")) as tape:
        pipeline = Pipeline(tape, market, hub, now=time.monotonic_ns)
        await pipeline.put([ListInstrument(INSTRUMENT)])
        async with listening(market, gateway) as port:
            print(json.dumps({"port": port}), flush=True)
            if await loop.run_in_executor(None, sys.stdin.readline):
                cpu, began, first = time.process_time(), time.perf_counter(), tape.last_seq
                await produce(pipeline, given.rate, given.messages)
                share = (time.process_time() - cpu) / (time.perf_counter() - began)
                print(json.dumps({"server": share, "transactions": tape.last_seq - first}), flush=True)
                await loop.run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    pin(0)
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(folder)))
