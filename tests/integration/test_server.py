"""A whole server on a real socket, spoken to by another library's client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tickwire.config import FeedSpec, ServerSettings
from tickwire.errors import ConfigError
from tickwire.limits import FRAGMENTS_MAX, MESSAGE_BYTES_MAX
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.protocol.session import Session
from tickwire.server.app import Server
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import open_tape

BTC = "SIM:BTC-USDT"
Message = dict[str, Any]


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Server]:
    async with Server(ServerSettings(**({"port": 0, "drain_seconds": 0} | settings))).running() as server:
        yield server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


async def until(ws: ClientConnection, wanted: Callable[[Message], bool]) -> Message:
    """The first message that is wanted; the others are passed over."""
    async with asyncio.timeout(20):
        while True:
            message: Message = json.loads(await ws.recv())
            if wanted(message):
                return message


async def call(ws: ClientConnection, method: str, **params: Any) -> Message:
    await ws.send(json.dumps({"id": method, "method": method, "params": params}))
    return await until(ws, lambda message: message.get("id") == method)


async def test_the_server_speaks_first_and_streams_a_book(server: Server) -> None:
    async with connect(server.url) as ws:
        hello = json.loads(await ws.recv())
        assert (hello["type"], hello["epoch"]) == ("hello", server.tape.epoch)
        reply = await call(ws, "subscribe", channel="book", symbols=[BTC])
        snapshot = json.loads(await ws.recv())
        assert (snapshot["type"], snapshot["seq"]) == ("snapshot", reply["result"]["streams"][0]["seq"])
        book = {side: dict(snapshot["data"][side]) for side in ("bids", "asks")}
        for seq in range(snapshot["seq"] + 1, snapshot["seq"] + 50):
            update = json.loads(await ws.recv())
            assert (update["type"], update["seq"]) == ("update", seq)
            for side in ("bids", "asks"):
                book[side] |= dict(update["data"][side])
                book[side] = {price: size for price, size in book[side].items() if size != "0"}
            assert max(map(float, book["bids"])) < min(map(float, book["asks"]))


async def test_the_subprotocol_chooses_the_encoding(server: Server) -> None:
    async with connect(server.url, subprotocols=[Subprotocol("other"), Subprotocol(MSGPACK.name)]) as ws:
        assert ws.subprotocol == MSGPACK.name
        hello = msgspec.msgpack.decode(await ws.recv(decode=False))
        assert hello["type"] == "hello"
        await ws.send(MSGPACK.encode({"id": 1, "method": "time"}))
        reply = await ws.recv()
        assert isinstance(reply, bytes)
        assert msgspec.msgpack.decode(reply)["id"] == 1
    async with connect(server.url, subprotocols=[Subprotocol("other")]) as ws:
        assert ws.subprotocol is None
        assert isinstance(await ws.recv(), str)
    async with connect(server.url, subprotocols=[Subprotocol(JSON.name)]) as ws:
        assert ws.subprotocol == JSON.name


async def test_a_bad_request_costs_nothing_but_its_answer(server: Server) -> None:
    async with connect(server.url) as ws, connect(server.url) as other:
        await call(other, "subscribe", channel="book", symbols=[BTC])
        await ws.send("{")
        answer = await until(ws, lambda message: "error" in message)
        assert (answer["id"], answer["error"]["code"]) == (None, "invalid_json")
        assert (await call(ws, "time"))["result"]["time"] > 0
        await until(other, lambda message: message.get("type") == "update")


async def test_a_fragmented_message_is_put_together(server: Server) -> None:
    async with connect(server.url) as ws:
        await ws.recv()
        await ws.send(['{"id":1,', '"method":', '"ping"}'])
        assert "rate" in json.loads(await ws.recv())["result"]


async def test_a_ping_is_answered(server: Server) -> None:
    async with connect(server.url) as ws, asyncio.timeout(10):
        await (await ws.ping(b"are you there"))


async def test_a_message_too_big_closes_1009(server: Server) -> None:
    async with connect(server.url) as ws:
        await ws.recv()
        await ws.send("x" * (MESSAGE_BYTES_MAX + 1))
        with pytest.raises(ConnectionClosed):
            await until(ws, lambda _: False)
        assert ws.close_code == 1009


async def test_a_broken_frame_closes_1002(server: Server) -> None:
    async with connect(server.url) as ws:
        await ws.recv()
        ws.transport.write(bytes([0x80 | 0x3, 0x80, 0, 0, 0, 0]))  # opcode 3 is reserved
        with pytest.raises(ConnectionClosed):
            await until(ws, lambda _: False)
        assert ws.close_code == 1002


async def test_a_fault_of_ours_closes_1011_and_only_that_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(server.url) as ws, connect(server.url) as other:
        await call(other, "subscribe", channel="book", symbols=[BTC])
        with monkeypatch.context() as patched:
            patched.setattr("tickwire.protocol.reader.instrument_info", lambda *_: 1 // 0)
            with pytest.raises(ConnectionClosed):
                await call(ws, "instruments")
        assert ws.close_code == 1011
        assert "ZeroDivisionError" in caplog.text
        await until(other, lambda message: message.get("type") == "update")


async def test_pings_that_are_never_read_close_the_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.socket.SEND_BUFFER_MAX_BYTES", 500_000)
    async with connect(server.url, compression=None) as ws, asyncio.timeout(30):
        ws.transport.pause_reading()
        ping = bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + b"x" * 125
        while server.connections:
            ws.transport.write(ping * 1000)
            await asyncio.sleep(0)
            (connection,) = server.connections or [None]
            if connection is not None:
                assert connection._transport.get_write_buffer_size() < 2_000_000


async def test_a_message_in_too_many_fragments_closes_1009(server: Server) -> None:
    async with connect(server.url, compression=None) as ws:
        await ws.recv()
        start, more, end = (
            bytes([first, 0x80 | len(part), 0, 0, 0, 0]) + part
            for first, part in ((0x01, b'{"id":1,"method":'), (0x00, b""), (0x80, b'"ping"}'))
        )
        ws.transport.write(start + more * (FRAGMENTS_MAX - 2) + end)
        assert "rate" in json.loads(await ws.recv())["result"]
        ws.transport.write(start + more * (FRAGMENTS_MAX - 1) + end)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1009


def readers(server: Server) -> list[Any]:
    """Who reads a lossless stream; its log is kept a while for those who come back."""
    return [sink for stream in server.hub._streams.values() for log in stream.logs.values() for sink in log.cursors]


async def test_nothing_follows_a_close_frame(server: Server) -> None:
    async with connect(server.url) as ws:
        await call(ws, "subscribe", channel="book", symbols=[BTC])
        (connection,) = server.connections
        connection._ws.send_close(1000)
        connection._send_pending()
        assert (connection.ready, readers(server)) == (False, [])
        with pytest.raises(ConnectionClosed):
            await until(ws, lambda _: False)


async def test_a_socket_that_fails_does_not_reach_the_others(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(server.url) as ws, connect(server.url) as other:
        await call(ws, "subscribe", channel="book", symbols=[BTC])
        (broken,) = (c for c in server.connections if isinstance(c._session, Session) and c._session._cursors)
        await call(other, "subscribe", channel="book", symbols=[BTC])
        real, written = broken._transport, asyncio.Event()

        class Failing:
            def write(self, data: bytes) -> None:
                written.set()
                raise RuntimeError("the handle is closed")

            writelines = write

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        monkeypatch.setattr(broken, "_transport", Failing())
        await written.wait()
        await until(other, lambda message: message.get("type") == "update")
        with pytest.raises(ConnectionClosed):
            await until(ws, lambda _: False)


async def test_one_connection_too_many_is_refused_before_the_upgrade(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwire.server.admission.CONNECTIONS_MAX", 1)
    async with connect(server.url) as ws:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server.url):
                pass
        assert refused.value.response.status_code == 503
        assert b"1 connections, its limit" in refused.value.response.body
        assert "rate" in (await call(ws, "ping"))["result"]


async def test_another_path_is_not_a_socket(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.url.removesuffix("/ws") + "/stream"):
            pass
    assert refused.value.response.status_code == 404
    assert b"/ws" in refused.value.response.body


async def test_a_client_that_vanishes_leaves_nothing_behind(server: Server) -> None:
    async with connect(server.url) as ws:
        await call(ws, "subscribe", channel="book", symbols=[BTC])
        ws.transport.abort()
    async with connect(server.url) as ws:
        await call(ws, "ping")
        assert readers(server) == []


async def test_heartbeats_name_the_streams(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.protocol.session.HEARTBEAT_MS", 20)
    async with connect(server.url) as ws:
        await call(ws, "subscribe", channel="status", symbols=[BTC])
        beat = await until(ws, lambda message: message.get("type") == "heartbeat" and message["streams"] != [])
        assert beat["streams"][0]["channel"] == "status"


async def test_a_stopping_server_says_so(server: Server) -> None:
    async with serving(drain_seconds=0) as stopping:
        ws = await connect(stopping.url)
        await ws.recv()
    with pytest.raises(ConnectionClosed):
        await until(ws, lambda _: False)
    assert ws.close_code == 1012


async def http_get(server: Server, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: here:{server.port}\r\nConnection: close\r\n\r\n".encode())
    response = (await reader.read()).decode()
    writer.close()
    head, _, body = response.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_http_on_the_same_port(server: Server) -> None:
    status, page = await http_get(server, "/")
    assert (status, f"ws://here:{server.port}/ws" in page, BTC in page) == (200, True, True)
    assert await http_get(server, "/healthz") == (200, '{"status":"ok"}')
    assert await http_get(server, "/readyz") == (200, '{"ready":true}')
    assert (await http_get(server, "/nothing"))[0] == 404


async def test_a_taken_port_is_said(server: Server) -> None:
    with pytest.raises(ConfigError, match=f"{server.port}.*--port"):
        Server(ServerSettings(port=server.port))


def recording(path: Path, symbol: str, price: str) -> FeedSpec:
    """A recording of one trade."""
    venue, _, pair = symbol.partition(":")
    base, _, quote = pair.partition("-")
    info = {
        "symbol": symbol, "venue": venue, "base": base, "quote": quote, "asset_class": "equity", "kind": "mirrored",
        "tick_size": "0.01", "lot_size": "1", "channels": ["trades", "status"],
        "status": {"instrument": "open", "feed": "live", "reason": ""},
    }  # fmt: skip
    data = {
        "id": "1", "price": price, "size": "5", "side": "buy", "ts_event": 0, "buy_order_id": None,
        "sell_order_id": None,
    }  # fmt: skip
    lines: list[Any] = [
        {"tickwire": "recording", "version": 1, "url": "", "epoch": "", "instruments": [info]},
        {
            "at": 1,
            "message": {"channel": "trades", "symbol": symbol, "type": "update", "seq": 1, "ts": 1, "data": data},
        },
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return FeedSpec("recorded", "tickwire", path)


async def test_several_feeds_at_once_each_with_its_own_state(tmp_path: Path) -> None:
    one = recording(tmp_path / "one.jsonl", "NYSE:ONE-USD", "1.50")
    two = recording(tmp_path / "two.jsonl", "NYSE:TWO-USD", "2.50")
    async with serving(feeds=(FeedSpec("simulated"), one, two)) as server, connect(server.url) as ws:
        for symbol in ("NYSE:ONE-USD", "NYSE:TWO-USD"):
            await call(ws, "subscribe", channel="status", symbols=[symbol])
            ended = await until(ws, lambda m: m.get("channel") == "status" and "ended" in m["data"]["reason"])
            assert (ended["symbol"], ended["data"]["feed"]) == (symbol, "down")
        prices = {}
        for symbol in ("NYSE:ONE-USD", "NYSE:TWO-USD"):
            reply = await call(ws, "snapshot", channel="trades", symbol=symbol)
            prices[symbol] = [trade["price"] for trade in reply["result"]["data"]["trades"]]
        assert prices == {"NYSE:ONE-USD": ["1.50"], "NYSE:TWO-USD": ["2.50"]}
        reply = await call(ws, "instruments", venue="SIM")
        assert {row["status"]["feed"] for row in reply["result"]["instruments"]} == {"live"}


async def test_a_feed_that_is_not_run_any_more_is_down(tmp_path: Path) -> None:
    spec = recording(tmp_path / "one.jsonl", "NYSE:ONE-USD", "1.50")
    async with serving(feeds=(spec,), data_dir=tmp_path / "data"):
        pass
    async with serving(feeds=(), data_dir=tmp_path / "data") as server, connect(server.url) as ws:
        reply = await call(ws, "instruments")
        (row,) = reply["result"]["instruments"]
        assert row["status"] == {"instrument": "open", "feed": "down", "reason": "not running"}


async def test_a_server_that_can_not_start_leaves_port_and_tape_free(tmp_path: Path) -> None:
    missing = FeedSpec("recorded", "tickwire", tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match=r"missing\.jsonl"):
        Server(ServerSettings(port=0, data_dir=tmp_path / "data", feeds=(missing,)))
    async with serving(data_dir=tmp_path / "data") as server, connect(server.url):
        pass


async def test_the_market_goes_on_from_its_tape(tmp_path: Path) -> None:
    async with serving(data_dir=tmp_path) as first:
        epoch = first.tape.epoch
        async with connect(first.url) as ws:
            await call(ws, "subscribe", channel="book", symbols=[BTC])
            await until(ws, lambda message: message.get("seq", 0) > 100 and message.get("channel") == "book")
    stopped_at = first.market.digest()
    tape = open_tape(tmp_path, "process")
    assert restore(tape).digest() == stopped_at
    tape.close()
    async with serving(data_dir=tmp_path) as second:
        assert second.tape.epoch == epoch
        async with connect(second.url) as ws:
            reply = await call(ws, "subscribe", channel="book", symbols=[BTC])
            assert reply["result"]["streams"][0]["seq"] >= first.market.listing(BTC).seq["book"]
            await until(ws, lambda message: message.get("type") == "update")
