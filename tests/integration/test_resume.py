"""Resume over real sockets: after a cut, or a restart of the server, a client is given exactly what it missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from support import BTC, order
from tickwire.config import ServerSettings
from tickwire.limits import CATCH_UP_BYTES_MAX
from tickwire.model.records import CancelAll, ListInstrument, Record, Transfer
from tickwire.server.app import Server

WAIT_SECONDS = 20
BOOK = {"channel": "book", "symbols": [BTC.symbol]}
OPENING: list[Record] = [
    ListInstrument(BTC),
    *(Transfer(name, asset, "1000000", name + asset) for name in "ab" for asset in ("BTC", "USDT")),
]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    server = Server(ServerSettings(port=0, data_dir=folder, feeds=(), drain_seconds=0))
    async with asyncio.timeout(WAIT_SECONDS), server.running():
        yield server


async def put(server: Server, *records: Record) -> None:
    """One transaction."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server._gateway.submit(list(records), done.set_result)
    await done


async def subscribe(client: ClientConnection, **place: Any) -> str:
    """Subscribe to the book, from a place in it if one is given; returns the epoch."""
    epoch = json.loads(await client.recv())["epoch"]
    await client.send(json.dumps({"id": 1, "method": "subscribe", "params": BOOK | ({"from": place} if place else {})}))
    result = json.loads(await client.recv())["result"]
    assert result.get("recovered", False) is bool(place)
    assert isinstance(epoch, str)
    return epoch


async def updates(client: ClientConnection, until: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while not found or found[-1][1] < until:
        message = json.loads(await client.recv())
        if message.get("channel") == "book":
            found.append((message["type"], message["seq"]))
    return found


async def test_what_a_client_missed_is_sent_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await put(server, *OPENING)
        async with connect(server.url) as client:
            epoch = await subscribe(client)
            await put(server, order("buy", 90, 1))
            assert await updates(client, 1) == [("snapshot", 0), ("update", 1)]
        for price in range(2, 8):
            await put(server, order("buy", price, 1), order("buy", price, 2))
        async with connect(server.url) as client:
            await subscribe(client, epoch=epoch, seq=4)
            assert await updates(client, 13) == [("update", seq) for seq in range(5, 14)]
            await put(server, order("buy", 91, 1))
            assert await updates(client, 14) == [("update", 14)]


async def test_much_that_was_missed_comes_in_turns_and_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await put(server, *OPENING)
        async with connect(server.url) as client:
            epoch = await subscribe(client)
        rounds = 3 * CATCH_UP_BYTES_MAX // 100 // 50
        for _ in range(rounds):
            await put(server, *(order("buy", price, 1) for price in range(1, 50)), CancelAll("a"))
        last = server.hub.last_seq(next(iter(server.hub._streams.values())).key)
        assert last == rounds * 98
        async with connect(server.url) as client:
            await subscribe(client, epoch=epoch, seq=1)
            await put(server, order("buy", 91, 1))
            assert await updates(client, last + 1) == [("update", seq) for seq in range(2, last + 2)]


@pytest.mark.parametrize("clean", [True, False])
async def test_a_stream_goes_on_over_a_restart(tmp_path: Path, clean: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not clean:
        monkeypatch.setattr("tickwire.server.pipeline.Pipeline.save_snapshot", lambda _: None)
    async with serving(tmp_path) as server:
        await put(server, *OPENING)
        async with connect(server.url) as client:
            epoch = await subscribe(client)
            await put(server, order("buy", 90, 1), order("buy", 89, 1))
            await updates(client, 2)
            await put(server, order("buy", 88, 1))
    async with serving(tmp_path) as server:
        await put(server, order("buy", 87, 1))
        for after, missed in ((1, [2, 3, 4]), (3, [4])):
            async with connect(server.url) as client:
                await subscribe(client, epoch=epoch, seq=after)
                assert await updates(client, 4) == [("update", seq) for seq in missed]
