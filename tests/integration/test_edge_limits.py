"""Each limit on what an address, a key or a session may have, hit over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any
from unittest.mock import Mock

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge import BTC, ETH, call, closed, edge, exchange, http
from serving import serving
from tickwire import connect as client_of
from tickwire.errors import ConfigError, ConnectionLost, InvalidInput
from tickwire.keyfile import KeyFile
from tickwire.limits import FILES_RESERVED
from tickwire.server.app import Server
from tickwire.server.socket import Connection

HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with edge() as running:
        yield running


async def test_a_dialect_is_told_what_the_server_counts() -> None:
    """Sockets and upgrades of every kind, under the limits that are set."""
    async with edge(connections_per_ip=4, upgrades_per_second=7) as server:
        url = server.url.removesuffix("/ws") + "/coinapi/v1"
        async with connect(server.url), connect(url), connect(url) as last:
            assert last.response is not None
            told = last.response.headers
    names = ("X-ConcurrencyLimit-Limit", "X-ConcurrencyLimit-Remaining", "X-WsRequestsPerIpLimit-Limit")
    assert [told[name] for name in names] == ["4", "1", "7"]
    assert told["X-WsRequestsPerIpLimit-Remaining"] in ("4", "5")  # one comes back every 143 ms


def key_of(server: Server, **more: Any) -> KeyFile:
    return server.keys.create("alice", scopes=["read", "trade"], kind="hmac", **more)[1]


def basic(key: KeyFile, secret: str | None = None) -> dict[str, str]:
    proof = f"{key.key}:{key.secret if secret is None else secret}"
    return {"Authorization": f"Basic {base64.b64encode(proof.encode()).decode()}"}


async def refused(server: Server, **headers: str) -> tuple[int, dict[str, str], str]:
    """How an upgrade is refused."""
    with pytest.raises(InvalidStatus) as error:
        async with connect(server.url, additional_headers=headers):
            pass
    response = error.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, headers, (response.body or b"").decode()


async def login(ws: Any, key: KeyFile, **more: Any) -> Any:
    hello = json.loads(await ws.recv())
    reply = await call(ws, "auth.login", key=key.key, signature=key.sign(hello["challenge"]), **more)
    return reply | {"session": hello["session"]}


# ---- sockets of an address ---------------------------------------------------------------------------


async def test_one_socket_too_many_of_an_address() -> None:
    async with edge(connections_per_ip=2) as server, connect(server.url) as first, connect(server.url):
        status, headers, text = await refused(server)
        assert (status, headers["retry-after"]) == (429, "10")
        assert text == "Your address has 2 connections, the most it may. Close one first.\n"
        assert (await http(server, "GET", "/healthz")).status == 429  # a socket is a socket
        await first.close()
        async with asyncio.timeout(20):
            while len(server.connections) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0)
        async with connect(server.url) as again:
            assert "rate" in (await call(again, "ping"))["result"]


async def test_sockets_that_only_speak_http_are_given_back() -> None:
    async with edge(connections_per_ip=2) as server:
        for _ in range(5):
            assert (await http(server, "GET", "/healthz")).status == 200
        for _ in range(5):
            assert (await refused(server, Authorization="Basic eA=="))[0] == 401
        assert server._gateway.admission._sockets_open == 0
        assert server._gateway.admission._sockets == {}


async def test_one_upgrade_too_many_in_a_second() -> None:
    async with edge(upgrades_per_second=3) as server:
        for _ in range(3):
            async with connect(server.url):
                pass
        status, headers, text = await refused(server)
        assert (status, headers["retry-after"], headers["ratelimit-limit"]) == (429, "1", "3")
        assert headers["ratelimit-remaining"] == "0"
        assert text == "more than 3 upgrades a second from one address; slow down\n"
        assert (await http(server, "GET", "/healthz")).status == 200


# ---- connections of a key ----------------------------------------------------------------------------


async def test_one_connection_too_many_of_a_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.admission.CONNECTIONS_PER_KEY_MAX", 2)
    key = key_of(server)
    async with connect(server.url) as first, connect(server.url, additional_headers=basic(key)):
        assert (await login(first, key))["result"]["account"] == "alice"
        async with connect(server.url) as third:
            error = (await login(third, key))["error"]
            assert (error["code"], error["retry"]) == ("too_many_connections", True)
            assert await closed(third) == (4102, "too many connections of this key; retry_after=10")
        status, headers, text = await refused(server, **basic(key))
        assert (status, headers["retry-after"], "takeover" in text) == (429, "10", True)
        await call(first, "auth.logout")
        async with connect(server.url) as fourth:
            assert (await login(fourth, key))["result"]["account"] == "alice"
        async with connect(server.url) as other:
            assert (await login(other, key_of(server)))["result"]["account"] == "alice"


async def test_the_newest_session_takes_over(server: Server) -> None:
    key, other_key = key_of(server), key_of(server)
    async with AsyncExitStack() as stack:
        old = [await stack.enter_async_context(connect(server.url)) for _ in range(3)]
        for ws in old:
            await login(ws, key)
        other = await stack.enter_async_context(connect(server.url))
        await login(other, other_key)
        new = await stack.enter_async_context(connect(server.url))
        assert (await login(new, key, takeover=True))["result"]["account"] == "alice"
        for ws in old:
            assert await closed(ws) == (4409, "another session of the key has taken over")
        for ws in (new, other):
            assert "rate" in (await call(ws, "ping"))["result"]


async def test_a_client_that_comes_back_ends_its_last_session_and_no_other(server: Server) -> None:
    key = key_of(server)
    async with connect(server.url) as old, connect(server.url) as other, connect(server.url) as new:
        session = (await login(old, key))["session"]
        await login(other, key)
        assert (await login(new, key, takeover=session))["result"]["account"] == "alice"
        assert await closed(old) == (4409, "another session of the key has taken over")
        for ws in (new, other):
            assert "rate" in (await call(ws, "ping"))["result"]
    async with connect(server.url) as stranger, connect(server.url) as another:
        session = (await login(stranger, key_of(server)))["session"]
        assert "result" in await login(another, key, takeover=session)
        assert "rate" in (await call(stranger, "ping"))["result"]


async def test_a_client_that_was_replaced_stays_away(server: Server) -> None:
    key = key_of(server)
    async with client_of(server.url, key=key) as client, await client.subscribe("trades", BTC) as trades:
        async with connect(server.url) as ws:
            await login(ws, key, takeover=True)
            with pytest.raises(ConnectionLost) as lost:  # noqa: PT012
                async with asyncio.timeout(20):
                    async for _ in trades:
                        pass
        assert (lost.value.code, client.connected) == (4409, False)


# ---- requests of a session ---------------------------------------------------------------------------


async def test_the_rate_is_told_at_the_upgrade_and_in_band() -> None:
    async with edge(requests_per_second=5) as server, connect(server.url) as ws:
        assert ws.response is not None
        told = {name: ws.response.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")}
        assert told == {"Limit": "5", "Remaining": "5", "Reset": "0"}
        assert json.loads(await ws.recv())["limits"]["requests_per_second"] == 5
        rates = [(await call(ws, "ping"))["result"]["rate"] for _ in range(3)]
        assert [(rate["limit"], rate["remaining"]) for rate in rates] == [(5, 4), (5, 3), (5, 2)]
        assert 400 < rates[2]["reset_ms"] <= 600


async def test_too_many_requests_are_refused_and_a_flood_ends_the_session() -> None:
    async with edge(requests_per_second=5) as server, connect(server.url) as ws:
        await ws.recv()
        ping = json.dumps({"id": 1, "method": "ping"})
        for _ in range(5 + 50):
            await ws.send(ping)
        replies = [json.loads(await ws.recv()) for _ in range(55)]
        refusals = [reply["error"] for reply in replies if "error" in reply]
        assert {(error["code"], error["retry"]) for error in refusals} == {("rate_limited", True)}
        assert len(refusals) >= 45
        for _ in range(60):
            await ws.send("{")  # counted like any other
        assert await closed(ws) == (4101, "far too many requests; retry_after=10")


async def test_one_subscription_too_many(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.protocol.session.SUBSCRIPTIONS_MAX", 1)
    async with connect(server.url) as ws:
        assert "result" in await call(ws, "subscribe", channel="trades", symbols=[BTC])
        error = (await call(ws, "subscribe", channel="trades", symbols=[ETH]))["error"]
        assert error["code"] == "too_many_subscriptions"


async def test_requests_over_http_are_counted_by_key() -> None:
    async with edge(requests_per_second=2) as server:
        key = key_of(server)
        first = await http(server, "GET", "/api/v1/orders", **basic(key))
        told = [first.headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        assert (first.status, told) == (200, ["2", "1", "1"])
        answers = [await http(server, "GET", "/api/v1/orders", **basic(key)) for _ in range(2)]
        assert [each.status for each in answers] == [200, 429]
        assert answers[1].headers["retry-after"] == "1"
        assert json.loads(answers[1].body)["error"]["code"] == "rate_limited"
        assert (await http(server, "GET", "/api/v1/orders", **basic(key_of(server)))).status == 200


# ---- logins ------------------------------------------------------------------------------------------


async def test_failed_logins_of_an_address_are_limited(server: Server) -> None:
    key = key_of(server)
    for _ in range(28):
        assert (await http(server, "GET", "/api/v1/orders", **basic(key, "wrong"))).status == 401
    assert (await refused(server, **basic(key, "wrong")))[0] == 401
    async with connect(server.url) as ws:
        await ws.recv()
        error = (await call(ws, "auth.login", key=key.key, signature="wrong"))["error"]
        assert error["code"] == "login_failed"
        for signature in ("wrong", "right"):  # is not told any more
            error = (await call(ws, "auth.login", key=key.key, signature=signature))["error"]
            assert (error["code"], error["retry"]) == ("rate_limited", True)
        assert "rate" in (await call(ws, "ping"))["result"]
    told = await http(server, "GET", "/api/v1/orders", **basic(key))
    assert (told.status, told.headers["retry-after"], told.headers["ratelimit-limit"]) == (429, "2", "30")
    status, headers, _ = await refused(server, **basic(key))
    assert (status, headers["retry-after"]) == (429, "2")


async def test_whoever_must_log_in_and_does_not_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.protocol.session.Session.beat_ms", 40)
    monkeypatch.setattr("tickwire.protocol.session.HEARTBEAT_MS", 5_000)
    async with edge(require_key=True) as server:
        key = key_of(server)
        async with connect(server.url) as quick, connect(server.url, additional_headers=basic(key)) as header:
            await login(quick, key)
            async with connect(server.url) as slow:
                assert await closed(slow) == (4401, "not logged in within 10 s")
            for ws in (quick, header):
                assert "rate" in (await call(ws, "ping"))["result"]
            await call(quick, "auth.logout")
            assert await closed(quick) == (4401, "not logged in within 10 s")


async def test_whoever_wants_nothing_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.protocol.session.Session.beat_ms", 40)
    monkeypatch.setattr("tickwire.protocol.session.HEARTBEAT_MS", 300_000)
    async with connect(server.url) as reader, connect(server.url, additional_headers=basic(key_of(server))) as trader:
        await call(reader, "subscribe", channel="status", symbols=[BTC])
        async with connect(server.url) as idle:
            assert await closed(idle) == (4103, "nothing asked for in 600 s")
        for ws in (reader, trader):
            assert "rate" in (await call(ws, "ping"))["result"]


async def test_a_client_that_ignores_its_close_is_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.protocol.session.Session.beat_ms", 50)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    (connection,) = server.connections
    connection.close(4103, "")
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionError):  # noqa: PT012
            while True:  # pings, as long as anybody takes them
                writer.write(bytes([0x89, 0x80, 0, 0, 0, 0]))
                await writer.drain()
                await asyncio.sleep(0)
    assert server.connections == set()


# ---- open files --------------------------------------------------------------------------------------


async def test_no_more_sockets_than_the_process_may_have_files() -> None:
    most = 160 - FILES_RESERVED
    async with serving("--feed", "simulated", after="ulimit -Sn 100; ulimit -Hn 160") as served:
        port = int(served.url.rpartition(":")[2].removesuffix("/ws"))
        async with AsyncExitStack() as stack:
            for _ in range(most):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
            for _ in range(FILES_RESERVED + 40):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                async with asyncio.timeout(20):
                    said = await reader.read()
                assert said.startswith(b"HTTP/1.1 503")
                assert f"This server has {most} connections, its limit.".encode() in said
        async with asyncio.timeout(20):
            while True:
                with suppress(InvalidStatus):  # until it has seen that those are gone
                    async with connect(served.url) as ws:
                        assert "rate" in (await call(ws, "ping"))["result"]
                        break


# ---- keys --------------------------------------------------------------------------------------------


async def test_keys_that_can_not_be_read_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tickwire.server.app.WATCH_SECONDS", 0.01)
    key, other = key_of(server), key_of(server)
    async with connect(server.url) as ws, connect(server.url) as asking:
        await login(ws, key)
        await login(asking, other)
        changed = Mock(side_effect=ConfigError("the disk is gone"))
        with monkeypatch.context() as broken:
            broken.setattr(server.keys, "changed", changed)
            broken.setattr(server.keys, "get", changed)
            async with asyncio.timeout(20):
                while changed.call_count < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            await asking.send('{"id":1,"method":"account.balances"}')
            assert await closed(asking) == (1011, "the server failed")
        server.keys.revoke(key.key)
        assert await closed(ws) == (4403, "the session's key was revoked")
    assert "the disk is gone" in caplog.text


async def test_a_busy_server_refuses_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise InvalidInput("the server has more to do than it can queue; nothing was done", code="busy")

    with monkeypatch.context() as busy:
        busy.setattr(server._gateway, "submit", full)
        status, headers, text = await refused(server, **basic(key_of(server)))
    assert (status, headers["retry-after"]) == (503, "1")
    assert text == "the server has more to do than it can queue; nothing was done\n"
    assert server._gateway.admission._sockets == {}


# ---- upgrades ----------------------------------------------------------------------------------------


async def test_upgrades_that_are_refused_count_as_well() -> None:
    async with edge(upgrades_per_second=2, origins=("https://app.example",)) as server:
        nowhere = ("GET /nowhere HTTP/1.1\r\nHost: x\r\n" + HANDSHAKE).encode()
        foreign = ("GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n" + HANDSHAKE).encode()
        said = [await exchange(server, request) for request in (nowhere, foreign, nowhere, foreign)]
        assert [each.status for each in said] == [404, 403, 429, 429]


async def test_an_upgrade_that_fails_does_not_reach_the_others_and_is_given_back(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = server._gateway.new_session
    failed: list[Connection] = []

    def fails_once(connection: Connection, *given: Any) -> Any:
        if not failed:
            failed.append(connection)
            raise ZeroDivisionError
        return real(connection, *given)

    monkeypatch.setattr(server._gateway, "new_session", fails_once)
    upgrade = ("GET /ws HTTP/1.1\r\nHost: x\r\n" + HANDSHAKE).encode()
    sockets = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
    for _, writer in sockets:
        writer.write(upgrade)
    firsts = []
    async with asyncio.timeout(20):
        for reader, _ in sockets:
            try:
                firsts.append((await reader.readexactly(12)).decode())
            except (asyncio.IncompleteReadError, ConnectionError):
                firsts.append("cut")
        assert sorted(firsts) == ["HTTP/1.1 101"] * 4 + ["cut"]
        assert len(server.connections) == 4
        assert failed[0] not in failed[0]._uvicorn_connections
        assert server._gateway.admission._sockets == {"127.0.0.1": 4}
        for _, writer in sockets:
            writer.close()
        while server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert "an upgrade has failed" in caplog.text
