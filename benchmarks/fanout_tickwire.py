"""Our server of the fan-out benchmark: uvicorn, the gateway, sessions and the hub as in production.

Only the codec is a stand-in: it returns ready frames, for the other contestants are given ready payloads too. A
turn of the producer is one transaction: each message is published, then the hub flushes.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import uvicorn
import uvloop
from benchmarks.fanout_workload import arguments, frame, listening_socket, pin, serve

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

INSTRUMENT = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.01",
    kind="matched",
    book="orders",
)


class ReadyFrames(NativeCodec):
    """The native codec, but for updates: those are ready."""

    def __init__(self, renderer: Renderer, frames: list[bytes]) -> None:
        super().__init__(JSON, renderer)
        self._frames = frames

    def message(
        self, key: StreamKey, event: Event | None, *, kind: Literal["snapshot", "update"], seq: int, ts: int
    ) -> bytes:
        """The frame of this `seq`."""
        if kind == "update":
            return self._frames[seq - 1]
        return super().message(key, event, kind=kind, seq=seq, ts=ts)


async def main() -> None:
    """Serve until stdin ends."""
    given = arguments()
    trades = [Trade(INSTRUMENT.symbol, n + 1, 0, "", 0, 0, "", 0, "", "") for n in range(given.messages)]
    frames = [frame(n) for n in range(given.messages)]
    await serve_trades(given, INSTRUMENT, trades, lambda renderer: ReadyFrames(renderer, frames))


async def serve_trades(
    given: Namespace, instrument: Instrument, trades: list[Trade], codec: Callable[[Renderer], NativeCodec]
) -> None:
    """A server that publishes these trades, until stdin ends.

    Args:
        given: the arguments of the process. codec: makes that of the native protocol.
    """
    market = Market()
    market.apply(ListInstrument(instrument))
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: codec(renderer)})
    gateway = open_gateway(market, hub, renderer, wall_clock_ns)

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
    pin(0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
