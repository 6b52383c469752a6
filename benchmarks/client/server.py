"""Sends a recording to one client as fast as it reads: `python -m benchmarks.client.server FILE [--lose N]`.

It is the server's end of the native protocol as far as a client needs it (hello, `instruments`, `subscribe`), or, for
ccxt, that of Binance's: `SUBSCRIBE` and the REST snapshot. The frames are ready; to send is all that it does then.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks.client.recorded import BINANCE, INSTRUMENT, SYMBOL, Recording
from benchmarks.processes import SERVER_CORE, pin, say, told
from tickwire.protocol.codec import ENCODINGS, JSON, Encoding
from tickwire.protocol.messages import Hello, InstrumentInfo, InstrumentsResult, Limits, Reply, StatusData

SEGMENT_BYTES = 256 * 1024
"""How much is handed to the socket at a time: more than a client takes in one read."""


class Server:
    """What it says and when."""

    def __init__(self, recording: Recording, lose: int) -> None:
        self._recording = recording
        kept = [each for number, each in enumerate(recording.frames) if number != lose]
        self._segments = segments(kept)
        self._start = asyncio.Event()

    def start(self) -> None:
        """Send the stream."""
        self._start.set()

    async def serve_client(self, ws: ServerConnection) -> None:
        """One client, from its first request to its end."""
        if ws.subprotocol is None and ws.request is not None and BINANCE in ws.request.path:
            request = msgspec.json.decode(await ws.recv())
            await ws.send(msgspec.json.encode({"result": None, "id": request["id"]}), text=True)
        else:
            await self._greet(ws, ENCODINGS[ws.subprotocol or JSON.name])
        await self._start.wait()
        await self._stream(ws)
        with suppress(ConnectionClosed):  # it may leave without a word
            await ws.recv()
            await ws.close(1008, "who has got everything asks for nothing more")

    async def _greet(self, ws: ServerConnection, encoding: Encoding) -> None:
        """Say hello, and answer until everything is subscribed to."""
        left = set(self._recording.snapshots)
        hello = Hello("s", "e", time.time_ns(), "1", 600_000, "c", Limits(65_536, 50, 1024))
        await send(ws, encoding, encoding.encode(hello))
        while left:
            data = await ws.recv(decode=False)
            request = encoding.decode(data, dict[str, Any])
            result: object = {}
            snapshot = None
            if request["method"] == "instruments":
                result = InstrumentsResult([info()])
            elif request["method"] == "subscribe":
                channel = request["params"]["channel"]
                left.discard(channel)
                snapshot = self._recording.snapshots[channel]
            await send(ws, encoding, encoding.encode(Reply(request["id"], 1, 2, result)))
            if snapshot is not None:
                await send(ws, encoding, snapshot)

    async def _stream(self, ws: ServerConnection) -> None:
        started_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        for segment in self._segments:
            ws.transport.write(segment)
            await ws.drain()
        say(started_ns=started_ns, cpu_seconds=(time.process_time_ns() - cpu_ns) / 1e9)

    def answer(self, ws: ServerConnection, request: Request) -> Response | None:
        """The REST snapshot of Binance's; None for a WebSocket."""
        if "/depth" not in request.path:
            return None
        response = ws.respond(HTTPStatus.OK, self._recording.snapshots["book"].decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response


def segments(framed: list[bytes]) -> list[bytes]:
    """The frames joined to what is handed to the socket at a time."""
    joined, waiting, size = [], [], 0
    for each in framed:
        waiting.append(each)
        size += len(each)
        if size >= SEGMENT_BYTES:
            joined.append(b"".join(waiting))
            waiting, size = [], 0
    return [*joined, b"".join(waiting)]


def info() -> InstrumentInfo:
    """The instrument as the native protocol lists it."""
    one = INSTRUMENT
    status = StatusData("open", "live", "")
    return InstrumentInfo(
        SYMBOL, one.venue, one.base, one.quote, one.asset_class, one.kind, one.tick_size, one.lot_size, [], status
    )


async def send(ws: ServerConnection, encoding: Encoding, data: bytes) -> None:
    """One message in a frame of the kind that the encoding has."""
    await ws.send(data, text=encoding is JSON)


async def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--lose", type=int, default=-1)
    given = parser.parse_args()
    pin(SERVER_CORE)
    server = Server(Recording.read(given.file), given.lose)
    names: Any = list(ENCODINGS)
    async with serve(
        server.serve_client,
        "127.0.0.1",
        0,
        subprotocols=names,
        select_subprotocol=lambda ws, offered: next((name for name in names if name in offered), None),
        process_request=server.answer,
        compression=None,
        ping_interval=None,
    ) as listening:
        say(port=next(iter(listening.sockets)).getsockname()[1])
        await told()
        server.start()
        await told()


if __name__ == "__main__":
    asyncio.run(main())
