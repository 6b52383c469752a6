"""The server of the encodings benchmark: market, hub, gateway and uvicorn as in production, without a tape."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from pathlib import Path

import uvloop

from benchmarks.encodings.played import opened, saved
from benchmarks.peers.tickwire import open_gateway, serve_turns
from benchmarks.processes import SERVER_CORE, pin
from tickwire.clock import wall_clock_ns
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event
from tickwire.protocol.codec import NativeCodec


class Losing(NativeCodec):
    """The native codec, which leaves one message out, to see the check fail."""

    lose = -1
    """Number of the message."""

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """The frames of all others."""
        first, Losing.lose = Losing.lose, Losing.lose - len(events)
        return super().updates(key, [each for n, each in enumerate(events) if n != first])


async def main() -> None:
    """Serve until stdin ends."""
    parser = ArgumentParser()
    parser.add_argument("transactions", type=Path, help="a file of `played.save`")
    parser.add_argument("--lose", type=int, default=-1, help="number of a message")
    given = parser.parse_args()
    Losing.lose = given.lose
    opening, *transactions = saved(given.transactions)
    server = opened(opening, Losing if given.lose >= 0 else NativeCodec)
    gateway = open_gateway(server.market, server.hub, server.renderer, wall_clock_ns)
    gateway.deflate = True

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            server.transaction(transactions[n])

    production = Namespace(messages=len(transactions), turn=1, rate=0, lose=-1)
    await serve_turns(production, server.market, gateway, publish)


if __name__ == "__main__":
    pin(SERVER_CORE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
