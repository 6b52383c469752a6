"""The servers of the order benchmark, and what is traded there.

- `none`, `process`, `power`: tickwire as in production, its tape of that durability, without a feed. One instrument;
  the account `maker` has more on both sides of its book than all others can take.
- `websockets`: sends every message back, on our own stack: uvicorn, uvloop and the sans-I/O core of `websockets`.
- `picows`: sends every message back; sockets and frames are Cython.

It prints `{"port": …}`; a line on its stdin begins the measurement, the next one asks for the report, and the end of
stdin ends it.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, cast

import uvicorn
import uvloop
from benchmarks.fanout_workload import listening_socket, pin
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tickwire.clock import wall_clock_ns
from tickwire.config import ServerSettings
from tickwire.model.channel import StreamKey
from tickwire.model.instrument import Instrument
from tickwire.model.records import CancelOrder, Clock, ListInstrument, PlaceOrder, Record, Side, Transfer
from tickwire.server.app import Server
from tickwire.tape.base import Durability

DURABILITIES: tuple[Durability, ...] = ("none", "process", "power")
ECHOES = ("websockets", "picows")
RESTING = 10
"""Orders that an account keeps on the book: one is canceled when as many have been placed after it."""
BID, ASK = 10_000, 10_001
"""Where the maker buys and sells, in ticks."""
MAKER_LOTS = 100_000_000
MONEY = "1000000000"
INSTRUMENT = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.01",
    kind="matched",
    book="orders",
    maker_fee="0.0002",
    taker_fee="0.0005",
)


class Step(NamedTuple):
    """A command, and the status that its order must have after it."""

    command: PlaceOrder | CancelOrder
    status: Literal["open", "filled", "canceled"]


def account(number: int) -> str:
    """The name of one of the accounts."""
    return f"account-{number}"


def opening(accounts: int, ts: int) -> list[Record]:
    """The transaction that everything begins with."""
    owners = ["maker", *map(account, range(accounts))]
    transfers = [Transfer(name, asset, MONEY, f"{name}-{asset}") for name in owners for asset in ("BTC", "USDT")]
    return [
        Clock(ts),
        ListInstrument(INSTRUMENT),
        *transfers,
        PlaceOrder(INSTRUMENT.symbol, "maker", "buy", MAKER_LOTS, BID),
        PlaceOrder(INSTRUMENT.symbol, "maker", "sell", MAKER_LOTS, ASK),
    ]


def steps(name: str, count: int) -> list[Step]:
    """What an account does: rest behind the maker, take one lot from the maker, cancel what rests longest."""
    return list(islice(_steps(name), count))


def _steps(name: str) -> Iterator[Step]:
    turn = 0
    while True:
        side: Side = "sell" if turn % 2 else "buy"
        away = 1 + turn % 50
        behind, across = (BID - away, ASK) if side == "buy" else (ASK + away, BID)
        symbol, rest, take = INSTRUMENT.symbol, f"rest-{turn}", f"take-{turn}"
        yield Step(PlaceOrder(symbol, name, side, 5, behind, client_order_id=rest), "open")
        yield Step(PlaceOrder(symbol, name, side, 1, across, time_in_force="ioc", client_order_id=take), "filled")
        if turn >= RESTING:
            yield Step(CancelOrder(name, client_order_id=f"rest-{turn - RESTING}"), "canceled")
        turn += 1


async def serve_orders(durability: Durability, accounts: int, folder: Path) -> None:
    """Tickwire, with one key for each account."""
    data_dir = None if durability == "none" else folder
    server = Server(
        ServerSettings(
            port=0,
            data_dir=data_dir,
            durability=durability,
            feeds=(),
            requests_per_second=1_000_000_000,
            drain_seconds=0,
        )
    )
    first = opening(accounts, wall_clock_ns())
    before = server.tape.append(first)
    for record in first:
        server.market.apply(record)
    keys = [server.keys.create(account(n), scopes=["trade"], kind="hmac")[1] for n in range(accounts)]
    logins = [base64.b64encode(f"{key.key}:{key.secret}".encode()).decode() for key in keys]
    async with server.running():
        say({"port": server.port, "logins": logins})
        if not await line():
            return
        gc.collect()
        gc.freeze()  # as `tickwire serve` does
        cpu = time.process_time()
        if not await line():
            return
        cpu = time.process_time() - cpu
        counts = Counter(type(record).__name__ for _, records in server.tape.read(before) for record in records)
        market = server.market
        say(
            {
                "cpu_seconds": cpu,
                "transactions": counts["Clock"],
                "placed": counts["PlaceOrder"],
                "canceled": counts["CancelOrder"],
                "open": sum(len(market.open_orders(INSTRUMENT.symbol, account(n))) for n in range(accounts)),
                "taken": market.seq(StreamKey("fills", "maker")),
                "imbalances": market.ledger.imbalances(),
            }
        )
        await line()


# ---- echoes ---------------------------------------------------------------------------------------


class UvicornEcho(asyncio.Protocol):
    """The least that `tickwire.server.socket.Connection` could be."""

    def __init__(self, uvicorn_connections: set[Any]) -> None:
        self._ws = ServerProtocol()
        self._uvicorn_connections = uvicorn_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast(asyncio.Transport, transport)
        self._uvicorn_connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer each frame with its content."""
        ws = self._ws
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Request):
                ws.send_response(ws.accept(event))
            elif isinstance(event, Frame):
                ws.send_text(event.data)
        for out in ws.data_to_send():
            self._transport.write(out)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._uvicorn_connections.discard(self)

    def shutdown(self) -> None:
        """The server stops."""
        self._transport.close()


class PicowsEcho(WSListener):
    """picows, as its own documentation shows."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a frame with its content."""
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())
        else:
            transport.disconnect()


async def serve_websockets() -> None:
    """The echo on our stack."""

    def connection(*, config: Any, server_state: Any, app_state: Any) -> UvicornEcho:
        return UvicornEcho(server_state.connections)

    async def no_http(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("only WebSockets here")

    config = uvicorn.Config(no_http, ws=connection, log_config=None, access_log=False, lifespan="off")  # type: ignore[arg-type]
    web, listening = uvicorn.Server(config), listening_socket()
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    say({"port": listening.getsockname()[1]})
    while await line():
        pass
    web.should_exit = True
    await serving


async def serve_picows() -> None:
    """The echo that shows what a message costs at least."""

    def listener(_: WSUpgradeRequest) -> WSListener:
        return PicowsEcho()

    server = await ws_create_server(listener, "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    while await line():
        pass
    server.close()


# ---- control --------------------------------------------------------------------------------------


def say(what: dict[str, Any]) -> None:
    """Tell the load generator."""
    print(json.dumps(what), flush=True)


async def line() -> str:
    """The next sign of the load generator; "" when it is gone."""
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def main(folder: Path) -> None:
    """Serve as the contestant that the command line names."""
    parser = ArgumentParser()
    parser.add_argument("contestant", choices=(*DURABILITIES, *ECHOES))
    parser.add_argument("--accounts", type=int, default=1)
    given = parser.parse_args()
    if given.contestant == "websockets":
        await serve_websockets()
    elif given.contestant == "picows":
        await serve_picows()
    else:
        await serve_orders(given.contestant, given.accounts, folder)


if __name__ == "__main__":
    pin(0)
    logging.basicConfig(level=logging.ERROR)  # a loop that is held up shows in the numbers
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(folder)))
