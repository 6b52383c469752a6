"""tickwire: uvicorn, the gateway, sessions and the hub as in production.

Only the codec is a stand-in: it returns ready frames, for the others are given ready payloads too. A turn of the
producer is one transaction: each message is published, then the hub flushes.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
import uvloop

from benchmarks.peers.workload import arguments, frame, listening_socket, repeated, serve
from tickwire.clock import NowNs, wall_clock_ns
from tickwire.config import ServerSettings
from tickwire.limits import CONNECTIONS_MAX
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.server.auth import Authenticator
from tickwire.server.gateway import Gateway
from tickwire.server.http import http_app
from tickwire.server.keys import KeyStore
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub
from tickwire.tape.candles import CandleStore


class ReadyFrames(NativeCodec):
    """The native codec, but for updates: those are ready, by symbol and `seq`."""

    def __init__(self, renderer: Renderer, frames: dict[str, list[bytes]]) -> None:
        super().__init__(JSON, renderer)
        self._frames = frames

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """The frames of these."""
        frames = self._frames[key.symbol]
        return b"".join([frames[event.seq - 1] for event in events])


def instrument(stream: int) -> Instrument:
    """What the trades of a stream are of."""
    return Instrument(
        venue="SIM",
        base=f"S{stream:03}",
        quote="USDT",
        asset_class="crypto",
        tick_size="0.01",
        lot_size="0.01",
        kind="matched",
        book="orders",
    )


async def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    market = Market()
    instruments = [instrument(stream) for stream in range(given.streams)]
    for each in instruments:
        market.apply(ListInstrument(each))
    trades = [
        Trade(instruments[n % given.streams].symbol, n // given.streams + 1, 0, "", 0, 0, "", 0, "", "")
        for n in range(given.messages)
    ]
    frames = {
        each.symbol: repeated(
            [frame(n, given.bytes) for n in range(stream, given.prepared, given.streams)],
            len(range(stream, given.messages, given.streams)),
        )
        for stream, each in enumerate(instruments)
    }
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: ReadyFrames(renderer, frames)})
    gateway = open_gateway(market, hub, renderer, wall_clock_ns)

    async def publish(numbers: list[int]) -> None:
        for n in numbers:
            hub.publish([trades[n]])
        hub.flush()

    await serve_turns(given, market, gateway, publish)


async def serve_turns(
    given: Namespace, market: Market, gateway: Gateway, publish: Callable[[list[int]], Awaitable[None]]
) -> None:
    """Serve what `publish` hands out, as `benchmarks.peers.workload.serve` says."""
    async with listening(market, gateway) as port:
        await serve(given, port, publish=publish, clients=lambda: gateway.connections, is_full=lambda c: not c.ready)


def open_gateway(market: Market, hub: Hub, renderer: Renderer, now: NowNs) -> Gateway:
    """A gateway of a server with its usual settings and no keys."""
    return Gateway(
        market=market,
        hub=hub,
        renderer=renderer,
        authenticator=Authenticator(KeyStore(None), now),
        epoch="benchmark",
        now=now,
        settings=ServerSettings(connections_per_ip=CONNECTIONS_MAX, upgrades_per_second=CONNECTIONS_MAX),
        welcome=lambda _: [],
        history=CandleStore(None),
    )


@asynccontextmanager
async def listening(market: Market, gateway: Gateway) -> AsyncIterator[int]:
    """uvicorn with our connections, wired as `tickwire.server.app` does it; yields its port."""

    def connection(*, config: Any, server_state: Any, app_state: Any) -> Connection:
        return Connection(gateway, server_state.connections)

    app = http_app(market, lambda: "", lambda: "", gateway.callers.may_have_page)
    web = uvicorn.Server(uvicorn.Config(app, ws=connection, log_config=None, access_log=False, lifespan="off"))  # type: ignore[arg-type]
    port_socket = listening_socket()
    serving = asyncio.create_task(web.serve(sockets=[port_socket]))
    yield port_socket.getsockname()[1]
    web.should_exit = True
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(arguments()))
