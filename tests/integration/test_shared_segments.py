"""Large segments go past the transport, small messages through it, and every client reads all of them in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from integration.test_slow_client import LEVELS, SYMBOL, UPDATES, recording
from tickwire.config import FeedSpec, ServerSettings
from tickwire.server.app import Server
from tickwire.server.shared import SharedSegment

CLIENTS = 2
PINGS = 200


async def follow(ws: ClientConnection, *, after: asyncio.Task[list[int]] | None = None) -> list[int]:
    """The numbers of the book's messages, to the last one; meanwhile it pings, so that answers come between them.

    Args:
        after: nothing is read before, so that the socket fills.
    """
    for request, channel in enumerate(("status", "book")):
        params = {"channel": channel, "symbols": [SYMBOL]}
        await ws.send(json.dumps({"id": request, "method": "subscribe", "params": params}))
    if after is not None:
        await after
    seqs: list[int] = []
    pongs: list[int] = []
    while UPDATES not in seqs or len(pongs) < PINGS:
        message = json.loads(await ws.recv())
        if message.get("channel") == "book":
            seqs.append(message["seq"])
            if message["seq"]:
                assert message["data"]["bids"][-1] == [str(10_000 - LEVELS + 1), str(message["seq"])]
            for number in range(2 if len(seqs) <= PINGS // 2 else 0):
                await ws.send(json.dumps({"id": f"p{2 * len(seqs) + number}", "method": "ping"}))
        elif str(message.get("id", "")).startswith("p"):
            pongs.append(int(message["id"][1:]))
    assert pongs == list(range(2, PINGS + 2))
    return seqs


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_every_client_reads_all_in_order(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.jsonl"
    recording(path)
    sent: list[int] = []
    send = SharedSegment.send

    def spy(self: SharedSegment, fileno: int, data: bytes) -> int:
        sent.append(send(self, fileno, data))
        return sent[-1]

    monkeypatch.setattr(SharedSegment, "send", spy)
    monkeypatch.setattr("tickwire.server.socket.SHARED_SEGMENT_BYTES_MIN", 8_192)  # an update has 12 KB
    feeds = (FeedSpec("recorded", "tickwire", path),)
    settings = ServerSettings(
        drain_seconds=0, port=0, feeds=feeds, speed=1.0, wait_for_subscriber=True, requests_per_second=10_000
    )

    async def main() -> list[list[int]]:
        async with asyncio.timeout(60), Server(settings).running() as server, asyncio.TaskGroup() as tasks:
            clients = [await connect(server.url, max_size=None, compression=None) for _ in range(CLIENTS)]
            first = tasks.create_task(follow(clients[0]))
            followed = [first, *(tasks.create_task(follow(client, after=first)) for client in clients[1:])]
            books = [await each for each in followed]
            for client in clients:
                await client.close()
        return books

    with asyncio.Runner(loop_factory=loop) as runner:
        for seqs in runner.run(main()):
            assert seqs == list(range(seqs[0], UPDATES + 1))
    assert sum(size > 0 for size in sent) > UPDATES // 10
