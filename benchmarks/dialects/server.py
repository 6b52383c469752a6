"""The server of `benchmarks.dialects`: gateway, sessions, hub and codecs as in production.

A turn of the producer is one transaction: each trade is published, then the hub flushes.
"""

from __future__ import annotations

from argparse import Namespace
from asyncio import Runner

import uvloop

from benchmarks.dialects.trades import INSTRUMENT, trade
from benchmarks.peers.tickwire import open_gateway, serve_turns
from benchmarks.peers.workload import arguments
from benchmarks.processes import SERVER_CORE, pin
from tickwire.clock import wall_clock_ns
from tickwire.market.market import Market
from tickwire.model.records import ListInstrument
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    market = Market()
    market.apply(ListInstrument(INSTRUMENT))
    trades = [trade(n) for n in range(given.messages)]
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    gateway = open_gateway(market, hub, renderer, wall_clock_ns)

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            hub.publish([trades[n]])
        hub.flush()

    await serve_turns(given, market, gateway, publish)


if __name__ == "__main__":
    pin(SERVER_CORE)
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
