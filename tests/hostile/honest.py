"""Honest clients in a process of their own: they read streams, ask something now and then, and note how long it takes.

    python tests/hostile/honest.py URL SYMBOL CHANNEL,... CLIENTS HEADER

A line on stdin asks for a report, a line of JSON on stdout, of what happened since the one before; see `Report`. The
first is said when all are connected. Any hole, notice or close is in it as `wrong`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

PING_SECONDS = 0.05
"""Between two pings of one client: well below what a session may make."""


class Report(msgspec.Struct):
    """What honest clients have met with.

    Attributes:
        messages: of streams.
        stream_ms: from the tape's stamp to the arrival, of each message.
        ping_ms: from the request to its reply.
        wrong: what must not be.
    """

    messages: int = 0
    stream_ms: list[float] = []
    ping_ms: list[float] = []
    wrong: list[str] = []


class Message(msgspec.Struct):
    """Whatever a server says."""

    id: int | None = None
    error: Any = None
    channel: str = ""
    type: str = ""
    seq: int = 0
    ts: int = 0


class Honest:
    """A client that reads all that it is sent."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._seqs: dict[str, int] = {}
        self._asked: dict[int, float] = {}

    async def run(self, ws: ClientConnection) -> None:
        """Read until the connection ends, which it must not."""
        decoder = msgspec.json.Decoder(Message)
        pinging = asyncio.ensure_future(self._ping(ws))
        async for data in ws:
            now = time.time_ns()
            self._take(decoder.decode(data), now)
        pinging.cancel()
        self.report.wrong.append(f"closed with {ws.close_code}")

    async def _ping(self, ws: ClientConnection) -> None:
        number = 1_000
        while True:
            await asyncio.sleep(PING_SECONDS)
            number += 1
            self._asked[number] = time.perf_counter()
            await ws.send(b'{"id":%d,"method":"ping"}' % number, text=True)

    def _take(self, message: Message, now: int) -> None:
        report = self.report
        if message.error is not None:
            report.wrong.append(f"refused: {message.error}")
        elif message.id is not None:
            asked = self._asked.pop(message.id, None)
            if asked is not None:
                report.ping_ms.append((time.perf_counter() - asked) * 1e3)
        elif message.channel and message.type in ("snapshot", "update"):
            seq = self._seqs.get(message.channel)
            lossless = message.channel != "quotes"
            if seq is not None and (message.seq != seq + 1 if lossless else message.seq <= seq):
                report.wrong.append(f"{message.channel}: {message.seq} after {seq}")
            self._seqs[message.channel] = message.seq
            if message.type == "update":
                report.messages += 1
                report.stream_ms.append((now - message.ts) / 1e6)
        elif message.type not in ("hello", "heartbeat"):
            report.wrong.append(f"told {message}")


async def main(url: str, symbol: str, channels: str, clients: int, header: str) -> None:
    """Connect, read, and report when asked to."""
    report = Report()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    options: dict[str, Any] = {"ssl": context} if url.startswith("wss") else {}
    if header:
        options["additional_headers"] = {"Authorization": header}
    for _ in range(clients):
        ws = await connect(url, compression=None, max_size=None, **options)
        for number, channel in enumerate(channels.split(",")):
            params = {"channel": channel, "symbols": [symbol]}
            await ws.send(json.dumps({"id": number, "method": "subscribe", "params": params}))
        honest = Honest(report)
        asyncio.ensure_future(honest.run(ws)).add_done_callback(lambda done: done.result())
    loop = asyncio.get_running_loop()
    while True:
        print(msgspec.json.encode(report).decode(), flush=True)
        report.messages = 0
        for each in (report.stream_ms, report.ping_ms, report.wrong):
            each.clear()
        if not await loop.run_in_executor(None, sys.stdin.readline):
            return


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
