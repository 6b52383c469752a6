"""The server of the fan-out benchmark per dialect: gateway, sessions, hub and codecs as in production.

A turn of the producer is one transaction: each trade is published, then the hub flushes.
"""

from __future__ import annotations

from asyncio import Runner

import uvloop
from benchmarks.fanout_tickwire import serve_trades
from benchmarks.fanout_trades import INSTRUMENT, trade
from benchmarks.fanout_workload import arguments, pin

from tickwire.protocol.codec import JSON, NativeCodec


async def main() -> None:
    """Serve until stdin ends."""
    given = arguments()
    trades = [trade(n) for n in range(given.messages)]
    await serve_trades(given, INSTRUMENT, trades, lambda renderer: NativeCodec(JSON, renderer))


if __name__ == "__main__":
    pin(0)
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
