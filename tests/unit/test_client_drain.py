"""What the client makes of a server that is about to stop."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from client_peer import FakeServer, connected, let_run, start
from tickwire.client import Client, connect, connect_blocking
from tickwire.errors import ConnectionLost
from tickwire.protocol.client_outcomes import Broken
from tickwire.protocol.client_session import ClientSession
from tickwire.protocol.messages import Drain, Hello, Limits

DEADLINE = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    """A test that would wait forever fails instead."""
    timer = asyncio.get_running_loop().call_later(10, lambda: [task.cancel() for task in asyncio.all_tasks()])
    yield
    timer.cancel()


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


async def told(client: Client) -> None:
    while client.draining is None:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_the_user_is_told_and_all_goes_on_until_the_close(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tickwire.client")
    async with connect(server.url) as client:
        peer = await server.peer()
        assert [client.draining] == [None]
        await peer.say(Drain(DEADLINE))
        await told(client)
        assert [client.draining, client.connected] == [DEADLINE, True]
        time = start(client.time())
        await peer.answer("time", {"time": 123})
        assert await time == 123

        under_way = start(client.time())
        await peer.asked("time")
        await peer.ws.close(1012, "the server restarts")
        with pytest.raises(ConnectionLost, match=r"1012: the server restarts\b.* carried out is unknown"):
            await under_way
        await server.peer()
        await connected(client)
        assert (client.draining, client.stats.connections) == (None, 2)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", f"{server.url} stops or restarts and will close this connection; the client then reconnects")
    ]


async def test_the_announced_loss_is_a_first_one_whatever_was_before(server: FakeServer) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with Client(server.url, sleep=sleep, random=lambda: 1.0) as client:
        for _ in range(4):
            (await server.peer()).ws.transport.abort()
        peer = await server.peer()
        await connected(client)
        assert waits == [0.1, 0.2, 0.4, 0.8]
        await peer.say(Drain(DEADLINE))
        await told(client)
        await peer.ws.close(1012)
        await server.peer()
        assert waits[4:] == [0.1]


async def test_the_blocking_client_tells_as_well(server: FakeServer) -> None:
    def use() -> list[int | None]:
        with connect_blocking(server.url) as client:
            before = client.draining
            while client.draining is None:
                client.ping()
            return [before, client.draining]

    using = start(asyncio.to_thread(use))
    peer = await server.peer()
    first = asyncio.Event()

    async def pongs() -> None:
        while True:
            await peer.answer("ping", {})
            first.set()

    ponging = start(pongs())
    await first.wait()
    await peer.say(Drain(DEADLINE))
    assert await using == [None, DEADLINE]
    ponging.cancel()
    await let_run()


async def test_a_server_that_takes_no_connections_now_is_quoted() -> None:
    async def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "This server is about to stop.\n")

    async def never(_: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as other:
        url = f"ws://127.0.0.1:{next(iter(other.sockets)).getsockname()[1]}/ws"
        with pytest.raises(ConnectionLost, match=r"takes no connection now: This server is about to stop\.$"):
            await connect(url).__aenter__()


@pytest.mark.parametrize("deadline", ["soon", None, 1.5])
def test_a_drain_of_the_wrong_shape_is_a_fault_of_the_server(deadline: Any) -> None:
    session = ClientSession()
    session.received(session._codec.encode(Hello("s", "e", 7, "1", 5000, "c", Limits(65_536, 50, 9))), 1)
    assert session.received(session._codec.encode({"type": "drain", "deadline": DEADLINE}), 2) == [Drain(DEADLINE)]
    [outcome] = session.received(session._codec.encode({"type": "drain", "deadline": deadline}), 3)
    assert isinstance(outcome, Broken)
    assert outcome.close_code == 1002
