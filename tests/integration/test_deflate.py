"""Compression over real sockets: the same messages in fewer bytes, made once for all who read them."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Subprotocol

from support import BTC, order
from tickwire.config import ServerSettings
from tickwire.limits import MESSAGE_BYTES_MAX
from tickwire.model.records import ListInstrument, Record, Transfer
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.protocol.deflate import Deflated
from tickwire.server.app import Server

OPENING: list[Record] = [
    ListInstrument(BTC),
    Transfer("a", "BTC", "1000000", "1"),
    Transfer("a", "USDT", "1000000", "2"),
]
SUBSCRIBE = json.dumps({"id": 1, "method": "subscribe", "params": {"channel": "book", "symbols": [BTC.symbol]}})


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    server = Server(ServerSettings(port=0, feeds=(), drain_seconds=0, deflate=getattr(request, "param", True)))
    async with asyncio.timeout(20), server.running():
        await put(server, *OPENING)
        yield server


async def put(server: Server, *records: Record) -> None:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    server._gateway.submit(list(records), done.set_result)
    await done


async def until(client: ClientConnection, seq: int) -> list[Any]:
    found: list[Any] = []
    while not found or found[-1]["seq"] < seq:
        message = json.loads(await client.recv())
        if message.get("channel"):
            found.append(message)
    return found


@pytest.mark.parametrize("name", [JSON.name, MSGPACK.name])
def test_each_message_can_be_read_without_those_before_it(name: str) -> None:
    plain = {JSON.name: JSON, MSGPACK.name: MSGPACK}[name]
    encoding = Deflated(plain)
    body = {"text": "to and fro " * 40}
    frames = [encoding.frame(body) for _ in range(3)]
    assert frames[0] == frames[1] == frames[2]
    assert frames[0][0] == 0x80 | 0x40 | plain.opcode
    assert len(frames[0]) < 100
    read = zlib.decompressobj(wbits=-15).decompress(frames[2][2:] + b"\x00\x00\xff\xff")
    assert plain.decode(read, dict[str, str]) == body
    assert encoding.frame({"a": 1}) == plain.frame({"a": 1})


async def test_those_who_ask_for_it_get_the_same_messages_in_fewer_bytes(server: Server) -> None:
    async with connect(server.url) as deflated, connect(server.url, compression=None) as plain:
        for client in (deflated, plain):
            await client.send(SUBSCRIBE)
        await until(deflated, 0)
        await until(plain, 0)
        await put(server, *(order("buy", price, 7) for price in range(1, 200)))
        assert await until(deflated, 199) == await until(plain, 199)
        accepted = deflated.response
        assert accepted is not None
        assert accepted.headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        )
    async with connect(server.url) as client:
        await client.send(SUBSCRIBE)
        (snapshot,) = await until(client, 199)
        assert len(snapshot["data"]["bids"]) == 199
    (key,) = {key for key in server.hub._streams if key.channel == "book"}
    sizes = {codec.name: log.retained_bytes for codec, log in server.hub._streams[key].logs.items()}
    assert sizes["tickwire.v1.json+deflate"] < 0.9 * sizes["tickwire.v1.json"]


async def test_a_client_with_a_small_window_is_sent_plain_messages(server: Server) -> None:
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=9, compress_settings={"level": 1})
    async with connect(server.url, extensions=[factory], compression=None) as client:
        assert client.response is not None
        assert "server_max_window_bits=9" in client.response.headers["Sec-WebSocket-Extensions"]
        assert {connection.encoding for connection in server.connections} == {JSON.name}


@pytest.mark.parametrize("server", [False], indirect=True)
async def test_it_is_off_unless_the_server_is_told(server: Server) -> None:
    async with connect(server.url) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        await client.send(SUBSCRIBE)
        assert [message["type"] for message in await until(client, 0)] == ["snapshot"]


async def test_what_a_client_compresses_may_not_grow_without_bound(server: Server) -> None:
    factory = ClientPerMessageDeflateFactory(compress_settings={"level": 9})
    async with connect(server.url, extensions=[factory], compression=None, max_size=None) as client:
        await client.recv()
        await client.send(SUBSCRIBE + " " * (MESSAGE_BYTES_MAX - len(SUBSCRIBE)))
        assert "result" in json.loads(await client.recv())
        await client.send(" " * 50_000_000)  # 50 kB on the wire
        await client.wait_closed()
        assert client.close_code == 1009
    async with connect(server.url, subprotocols=[Subprotocol(MSGPACK.name)]) as other:
        assert isinstance(await other.recv(), bytes)
