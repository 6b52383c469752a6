"""The server of the fan-out benchmark per dialect: gateway, sessions, hub and codecs as in production.

A turn of the producer is one transaction: each trade is published, then the hub flushes.
"""

from __future__ import annotations

from asyncio import Runner

import uvloop
from benchmarks.fanout_tickwire import listening, open_gateway
from benchmarks.fanout_trades import INSTRUMENT, trade
from benchmarks.fanout_workload import arguments, pin, serve

from tickwire.clock import wall_clock_ns
from tickwire.market.market import Market
from tickwire.model.records import ListInstrument
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub


async def main() -> None:
    """Serve until stdin ends."""
    given = arguments()
    market = Market()
    market.apply(ListInstrument(INSTRUMENT))
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    gateway = open_gateway(market, hub, renderer, wall_clock_ns)
    trades = [trade(n) for n in range(given.messages)]

    def publish(numbers: list[int]) -> None:
        for n in numbers:
            hub.publish([trades[n]])
        hub.flush()

    async with listening(market, gateway) as port:
        await serve(
            port,
            given,
            publish=publish,
            clients=lambda: gateway.connections,
            is_full=lambda connection: not connection.ready,
        )


if __name__ == "__main__":
    pin(0)
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
