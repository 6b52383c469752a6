"""A planned stop of a real server under load: who is told what, in which order, and what of it is there afterwards."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from contextlib import AsyncExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import tickwire
from serving import Served, serving
from tickwire.cli.doctor import examine
from tickwire.config import ServerSettings
from tickwire.errors import ConfigError, TapeError
from tickwire.keyfile import KeyFile
from tickwire.server.app import STOP_SECONDS_MAX, Server
from tickwire.server.keys import KeyStore
from tickwire.tape.sqlite import open_tape

BTC = "SIM:BTC-USDT"
SECOND = 1_000_000_000
WAIT_SECONDS = 40
Message = dict[str, Any]


def keys(folder: Path, *accounts: str) -> list[KeyFile]:
    with closing(KeyStore(folder / "keys.db")) as store:
        return [store.create(account, scopes=["read", "trade"], kind="hmac")[1] for account in accounts]


class Client:
    """A session that keeps all that it is sent.

    Attributes:
        messages: stream messages, in the order of arrival, by channel.
        replies: by the id of the request.
        drain: what the server said of its stop, and when it was read (ns).
        ended: close code, and when (ns).
        sent: the client_order_ids of all placements of `trade_on`.
        acknowledged: the newest state of each order that was answered; `acknowledged_late` of them while draining.
        busy: that some have been.
        epoch: of the server's tape.
    """

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.messages: dict[str, list[Message]] = {}
        self.replies: dict[object, Message] = {}
        self.drain: tuple[int, int] | None = None
        self.draining = asyncio.Event()
        self.ended: tuple[int | None, int] = (None, 0)
        self.sent: set[str] = set()
        self.acknowledged: dict[str, Message] = {}
        self.acknowledged_late = 0
        self.busy = asyncio.Event()
        self.epoch = ""
        self._ids = count(1)
        self._waiting: dict[object, asyncio.Future[Message]] = {}
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.ws:
                message = json.loads(text)
                if "id" in message:
                    self.replies[message["id"]] = message
                    if message["id"] in self._waiting:
                        self._waiting.pop(message["id"]).set_result(message)
                elif message["type"] == "drain":
                    assert self.drain is None
                    self.drain = message["deadline"], time.time_ns()
                    self.draining.set()
                elif "channel" in message:
                    self.messages.setdefault(message["channel"], []).append(message)
        except ConnectionClosed:
            pass
        self.ended = self.ws.close_code, time.time_ns()
        for future in self._waiting.values():
            future.cancel()

    async def call(self, method: str, **params: Any) -> Any:
        """The result; CancelledError when the connection ends before."""
        request = next(self._ids)
        self._waiting[request] = future = asyncio.get_running_loop().create_future()
        await self.ws.send(json.dumps({"id": request, "method": method, "params": params}))
        reply = await future
        assert "error" not in reply, reply
        return reply["result"]

    async def place(self, name: str) -> Message:
        """An order that rests far from the market."""
        params = {"symbol": BTC, "side": "buy", "size": "0.001", "price": "80000.00", "client_order_id": name}
        order: Message = (await self.call("order.place", **params))["order"]
        return order

    async def trade_on(self, name: str) -> None:
        """Place and cancel, two requests at a time, until the connection ends."""

        async def hand(numbers: str) -> None:
            try:
                for number in count():
                    client_order_id = f"{name}-{numbers}-{number}"
                    self.sent.add(client_order_id)
                    order = await self.place(client_order_id)
                    self.acknowledged[client_order_id] = order
                    if len(self.acknowledged) > 20:
                        self.busy.set()
                    self.acknowledged_late += self.drain is not None
                    if number % 2:
                        self.acknowledged[client_order_id] = (
                            await self.call("order.cancel", client_order_id=client_order_id)
                        )["order"]
                    await asyncio.sleep(0.005)
            except (asyncio.CancelledError, ConnectionClosed):
                return

        await asyncio.gather(hand("x"), hand("y"))


async def joined(stack: AsyncExitStack, url: str, key: KeyFile | None = None) -> Client:
    """A client that has said who it is."""
    ws = await stack.enter_async_context(connect(url, max_queue=None))
    hello = json.loads(await ws.recv())
    client = Client(ws)
    client.epoch = hello["epoch"]
    if key is not None:
        await client.call("auth.login", key=key.key, signature=key.sign(hello["challenge"]))
    return client


async def http(url: str, request: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a request on a connection of its own."""
    host, _, port = url.removeprefix("ws://").removesuffix("/ws").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{request} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def order_over_http(key: KeyFile, *, length: int) -> bytes:
    """The head of a request that places an order; the body has `length` bytes."""
    proof = f"Bearer {key.token(int(time.time()))}"
    lines = ("POST /api/v1/orders HTTP/1.1", "Host: here", f"Authorization: {proof}", f"Content-Length: {length}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def refused(host: str, port: int) -> None:
    """Returns when nobody listens there any more."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # just then
            continue
        writer.close()
        await writer.wait_closed()


async def exit_code(served: Served) -> int:
    async with asyncio.timeout(WAIT_SECONDS):
        return await served.process.wait()


async def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    alice, bob = keys(tmp_path, "alice", "bob")
    settings = ("--data-dir", str(tmp_path), "--requests-per-second", "100000")
    async with serving(*settings, "--drain-seconds", "1.5") as served, AsyncExitStack() as stack:
        traders = [await joined(stack, served.url, key) for key in (alice, bob)]
        readers = [await joined(stack, served.url) for _ in range(4)]
        clients = traders + readers
        for client in clients:
            await client.call("subscribe", channel="book", symbols=[BTC])
        for client in traders:
            await client.call("subscribe", channel="orders")
        trading = [asyncio.create_task(client.trade_on(f"t{n}")) for n, client in enumerate(traders)]
        async with asyncio.timeout(WAIT_SECONDS):
            for client in traders:
                await client.busy.wait()
            assert (await http(served.url, "GET /readyz"))[0] == 200
            told_at = time.time_ns()
            served.process.send_signal(signal.SIGTERM)
            await readers[0].draining.wait()

            status, _, body = await http(served.url, "GET /readyz")
            assert (status, json.loads(body)) == (503, {"ready": False, "reason": "draining"})
            assert (await http(served.url, "GET /healthz"))[0] == 200
            with pytest.raises(InvalidStatus) as refused:
                await connect(served.url)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "1"
            assert b"about to stop" in (refused.value.response.body or b"")

            await asyncio.gather(*trading, *(client.reader for client in clients))
            assert await exit_code(served) == 0

        drains = sorted((client.drain[0], client.ended, client.drain[1]) for client in clients if client.drain)
        assert len(drains) == 6
        begin = drains[0][0] - SECOND // 4
        assert [deadline - begin for deadline, _, _ in drains] == [SECOND * n // 4 for n in range(1, 7)]
        assert told_at <= begin <= drains[0][2]
        for deadline, (code, at), told in drains:
            assert (code, told < at, deadline <= at) == (1012, True, True)
        assert drains[0][1][1] < drains[-1][0]  # not all of them at the end
        assert sum(client.acknowledged_late for client in traders) > 0
        for client in clients:
            book = client.messages["book"]
            assert [message["seq"] for message in book] == list(range(book[0]["seq"], book[0]["seq"] + len(book)))

    assert [text for fine, text in examine(tmp_path) if not fine] == []
    with closing(open_tape(tmp_path, "process")) as tape:
        snapshot = tape.load_snapshot()
        assert snapshot is not None
        assert snapshot[0] == tape.last_seq

    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        for before, key in zip(traders, (alice, bob), strict=True):
            client = await joined(stack, served.url, key)
            assert len(before.acknowledged) > 20
            for name, order in before.acknowledged.items():
                assert (await client.call("order.get", client_order_id=name))["order"] == order
            unanswered = before.sent - set(before.acknowledged)
            assert len(unanswered) <= 2
            listed = {row["client_order_id"] for row in (await client.call("order.list"))["orders"]}
            assert listed == {name for name, order in before.acknowledged.items() if order["status"] == "open"}
            assert not unanswered & listed  # what was not answered was not done
        for before in clients:
            client = await joined(stack, served.url)
            last = before.messages["book"][-1]["seq"]
            position = {"epoch": before.epoch, "seq": last}
            assert (await client.call("subscribe", channel="book", symbols=[BTC], **{"from": position}))["recovered"]
            await client.call("ping")
            seqs = [message["seq"] for message in client.messages["book"]]
            assert seqs == list(range(last + 1, last + 1 + len(seqs)))
            assert client.messages["book"][0]["type"] == "update"


async def test_the_port_closes_early_and_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    (alice,) = keys(tmp_path, "alice")
    settings = ("--data-dir", str(tmp_path), "--drain-seconds", "600")
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        client = await joined(stack, served.url, alice)
        host, _, port = served.url.removeprefix("ws://").removesuffix("/ws").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(order_over_http(alice, length=9) + b"{")  # and never more
        await client.call("ping")
        begin = time.time_ns()
        served.process.send_signal(signal.SIGTERM)
        await client.draining.wait()
        assert client.drain is not None
        assert client.drain[0] >= begin + 600 * SECOND
        await refused(host, int(port))
        order = await client.place("late")
        again = time.time_ns()
        served.process.send_signal(signal.SIGTERM)
        await client.reader
        assert client.ended[0] == 1012
        assert await exit_code(served) == 0
        assert time.time_ns() - again < STOP_SECONDS_MAX * SECOND // 2
        writer.close()
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        client = await joined(stack, served.url, alice)
        assert (await client.call("order.get", client_order_id="late"))["order"] == order
        await client.ws.close()


async def test_a_guard_fires_at_the_close_unless_it_is_disarmed_before(tmp_path: Path) -> None:
    files = keys(tmp_path, "stays", "goes")
    settings = ("--data-dir", str(tmp_path), "--drain-seconds", "0.5")
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        stays, goes = [await joined(stack, served.url, key) for key in files]
        for client in (stays, goes):
            await client.call("session.cancel_on_disconnect", scope="connection")
            assert (await client.place("mine"))["status"] == "open"
        served.process.send_signal(signal.SIGTERM)
        await stays.draining.wait()
        await stays.call("session.cancel_on_disconnect", scope="off")
        assert await exit_code(served) == 0
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        for key, status in zip(files, ("open", "canceled"), strict=True):
            client = await joined(stack, served.url, key)
            assert (await client.call("order.get", client_order_id="mine"))["order"]["status"] == status
            await client.ws.close()


async def test_a_request_over_http_that_is_under_way_is_finished(tmp_path: Path) -> None:
    (alice,) = keys(tmp_path, "alice")
    body = json.dumps({"symbol": BTC, "side": "buy", "size": "0.001", "price": "80000.00", "client_order_id": "half"})
    settings = ("--data-dir", str(tmp_path), "--drain-seconds", "0.2")
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        client = await joined(stack, served.url)
        host, _, port = served.url.removeprefix("ws://").removesuffix("/ws").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(order_over_http(alice, length=len(body)) + body[:20].encode())
        await writer.drain()
        await client.call("ping")
        served.process.send_signal(signal.SIGTERM)
        await client.reader  # it is closed: all sessions are
        await refused(host, int(port))
        writer.write(body[20:].encode())
        answer = (await reader.read()).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 200")
        order = json.loads(answer.partition("\r\n\r\n")[2])["order"]
        assert (order["client_order_id"], order["status"]) == ("half", "open")
        assert await exit_code(served) == 0
    async with serving(*settings) as served, AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        client = await joined(stack, served.url, alice)
        assert (await client.call("order.get", client_order_id="half"))["order"] == order
        await client.ws.close()


async def test_the_client_library_says_so_and_goes_on_with_the_next_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tickwire.client")
    settings = ("--data-dir", str(tmp_path), "--drain-seconds", "0.3")
    async with serving(*settings) as served, asyncio.timeout(WAIT_SECONDS):
        port = served.url.removesuffix("/ws").rpartition(":")[2]
        client = tickwire.connect(served.url, encoding="msgpack")
        await client.__aenter__()
        book = await client.book(BTC)
        before = book.seq
        assert client.draining is None
        served.process.send_signal(signal.SIGTERM)
        while client.draining is None:
            await client.ping()
        assert abs(client.draining - time.time_ns()) < 10 * SECOND
        assert await exit_code(served) == 0
    async with serving(*settings, "--port", port), asyncio.timeout(WAIT_SECONDS):
        await book.until(lambda book: client.stats.connections == 2)
        assert (client.draining, book.seq >= before) == (None, True)
        await client.close()
    assert [record.message for record in caplog.records if record.name == "tickwire.client.keeper"] == [
        f"{client.url} stops or restarts and will close this connection; the client then reconnects"
    ]


async def test_a_failed_writer_ends_the_server_with_its_error_and_everybody_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(ServerSettings(port=0, feeds=()))
    mine = [server.keys.create(name, scopes=["read", "trade"], kind="hmac")[1] for name in ("alice", "bob")]
    serving_on = asyncio.create_task(server.serve())
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT_SECONDS):
        clients = [await joined(stack, server.url, key) for key in mine]
        for client in clients:
            await client.call("session.cancel_on_disconnect", scope="account")
        monkeypatch.setattr(server.tape, "append", Mock(side_effect=TapeError("the disk is full")))
        with pytest.raises(TapeError, match="the disk is full"):
            await serving_on
        for client in clients:
            await client.reader
        assert [client.ended[0] for client in clients] == [1012, 1012]
    assert server._socket.fileno() == -1


async def test_a_snapshot_that_fails_at_the_end_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(ServerSettings(port=0, feeds=(), data_dir=tmp_path))
    async with server.running(), asyncio.timeout(WAIT_SECONDS):
        while not server.tape.last_seq:  # noqa: ASYNC110
            await asyncio.sleep(0)
        monkeypatch.setattr(server.tape, "save_snapshot", Mock(side_effect=TapeError("the disk is full")))
    assert "no last snapshot" in caplog.text
    assert server._socket.fileno() == -1
    with pytest.raises(ConfigError, match="closed"):
        server.keys.list()
    with closing(open_tape(tmp_path, "process")) as tape:
        assert tape.epoch == server.tape.epoch


async def test_a_server_that_can_not_listen_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("tickwire.server.app.notify", told.append)
    monkeypatch.setattr("tickwire.server.app._Web.startup", AsyncMock(side_effect=OSError("no port")))
    async with asyncio.timeout(WAIT_SECONDS):
        for run in (server := Server(ServerSettings(port=0, feeds=()))).serve, _briefly:
            with pytest.raises(OSError, match="no port"):
                await run()
    assert told == []
    assert server._socket.fileno() == -1


async def _briefly() -> None:
    async with Server(ServerSettings(port=0, feeds=())).running():
        pass


async def test_a_server_whose_port_is_gone_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    ready = asyncio.Event()

    def notify(state: str) -> None:
        told.append(state)
        ready.set()

    async def main_loop(_: object) -> None:
        await ready.wait()
        raise RuntimeError("no loop")

    monkeypatch.setattr("tickwire.server.app.notify", notify)
    monkeypatch.setattr("tickwire.server.app._Web.main_loop", main_loop)
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(RuntimeError, match="no loop"):
            await Server(ServerSettings(port=0, feeds=())).serve()
    assert told == ["READY=1", "STOPPING=1"]


async def test_a_disk_that_takes_no_more_ends_the_process_with_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tickwire", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'ulimit -f 600; exec "$@"', "sh", *command), stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_SECONDS):
        _, said = await process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(r"tickwire: transaction \d+ was not stored: disk I/O error", said.decode().splitlines()[-1])
