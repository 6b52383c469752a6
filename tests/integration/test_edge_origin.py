"""Web pages of other origins, and clients behind proxies, over real sockets: REST and WebSocket agree on both."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge import call, edge, http
from tickwire.keyfile import KeyFile
from tickwire.server.app import Server

APP = "https://app.example"


async def upgrade_status(server: Server, **headers: str) -> int:
    """101, or the status with which an upgrade with these headers is refused; `_` stands for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        async with connect(server.url, additional_headers=given) as ws:
            assert "rate" in (await call(ws, "ping"))["result"]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def basic(key: KeyFile) -> str:
    return f"Basic {base64.b64encode(f'{key.key}:{key.secret}'.encode()).decode()}"


# ---- origins -----------------------------------------------------------------------------------------


async def test_only_listed_and_own_pages_may_connect() -> None:
    async with edge(feeds=(), origins=(APP, "http://localhost:5173")) as server:
        own = f"http://127.0.0.1:{server.port}"
        origins: list[Any] = [APP, "http://localhost:5173", own]
        assert [await upgrade_status(server, Origin=origin) for origin in origins] == [101, 101, 101]
        assert await upgrade_status(server) == 101  # a bot has no origin
        for origin in (
            "https://evil.example", "https://app.example.evil.example", "https://sub.app.example", "http://app.example",
            "https://app.example:8443", "https://APP.example", f"{APP}/", "null", "", "*", f"{APP} {APP}",
            f"https://127.0.0.1:{server.port}", "http://127.0.0.1", f"http://127.0.0.2:{server.port}",
            f"http://localhost:{server.port}",
        ):  # fmt: skip
            assert (await upgrade_status(server, Origin=origin), origin) == (403, origin)


async def test_a_name_that_is_made_to_lead_here_is_not_the_servers_own() -> None:
    async with edge(feeds=()) as server:
        port = server.port
        rebound = {"Origin": f"http://evil.example:{port}", "Host": f"evil.example:{port}"}
        answer = await http(server, "GET", "/ws", **_handshake(), **rebound)
        assert (answer.status, "evil.example" in answer.body) == (403, True)
        for host in (f"localhost:{port}", f"[::1]:{port}"):
            answer = await http(server, "GET", "/ws", **_handshake(), Origin=f"http://{host}", Host=host)
            assert (answer.status, host) == (400, host)  # which the lack of a key is


def _handshake() -> dict[str, str]:
    return {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}


async def test_other_pages_are_given_no_cors_headers() -> None:
    async with edge(feeds=(), origins=(APP,)) as server, edge(feeds=()) as without_list:
        preflight = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
        for path in ("/healthz", "/api/v1/orders"):
            listed = await http(server, "GET", path, Origin=APP)
            assert listed.headers["access-control-allow-origin"] == APP
            allowed = await http(server, "OPTIONS", path, Origin=APP, **preflight)
            assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, APP)
            assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
            for where, origin in ((server, "https://evil.example"), (without_list, APP)):
                for answer in (
                    await http(where, "GET", path, Origin=origin),
                    await http(where, "OPTIONS", path, Origin=origin, **preflight),
                ):
                    assert "access-control-allow-origin" not in answer.headers


# ---- proxies -----------------------------------------------------------------------------------------


async def seen_as(server: Server, key: KeyFile, forwarded: str) -> tuple[int, int]:
    """What an upgrade and a REST request with this `X-Forwarded-For` come to, for a key with a list of addresses."""
    headers = {"Authorization": basic(key), "X_Forwarded_For": forwarded}
    return await upgrade_status(server, **headers), (await http(server, "GET", "/api/v1/orders", **headers)).status


async def test_the_address_behind_a_trusted_proxy_counts() -> None:
    async with edge(feeds=(), trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as server:
        _, key = server.keys.create("alice", scopes=["trade"], kind="hmac", allow_ips=["203.0.113.7", "2001:db8::/32"])
        for forwarded in (
            "203.0.113.7", " 203.0.113.7 ", "203.0.113.7:4711", "[2001:db8::1]:443", "2001:db8::1",
            "::ffff:203.0.113.7", "203.0.113.7, 10.1.2.3",
            "198.51.100.1, 203.0.113.7, 10.1.2.3,10.9.9.9", "garbage, 203.0.113.7",
        ):  # fmt: skip
            assert (await seen_as(server, key, forwarded), forwarded) == ((101, 200), forwarded)
        for forwarded in (
            "198.51.100.1", "203.0.113.7, 198.51.100.1", "203.0.113.7, 198.51.100.1, 10.1.2.3", "203.0.113.7, garbage",
            "203.0.113.7,", "10.1.2.3", "", "127.0.0.1",
        ):  # fmt: skip
            assert (await seen_as(server, key, forwarded), forwarded) == ((401, 401), forwarded)


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8", "::1")])
async def test_what_others_say_of_their_address_is_not_believed(trusted: tuple[str, ...]) -> None:
    async with edge(feeds=(), trusted_proxies=trusted) as server:
        _, far = server.keys.create("alice", scopes=["trade"], kind="hmac", allow_ips=["203.0.113.7"])
        _, near = server.keys.create("alice", scopes=["trade"], kind="hmac", allow_ips=["127.0.0.1"])
        assert await seen_as(server, far, "203.0.113.7") == (401, 401)
        assert await seen_as(server, near, "203.0.113.7") == (101, 200)


async def test_limits_count_the_address_behind_the_proxy() -> None:
    async with edge(feeds=(), trusted_proxies=("127.0.0.1",), connections_per_ip=1, upgrades_per_second=2) as server:
        one, other = ({"X-Forwarded-For": ip} for ip in ("203.0.113.7", "203.0.113.8"))
        async with connect(server.url, additional_headers=one), connect(server.url, additional_headers=other):
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.url, additional_headers=one)
            assert refused.value.response.status_code == 429
            assert b"1 connections, the most it may" in (refused.value.response.body or b"")
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.url, additional_headers=one)
            assert b"2 upgrades a second" in (refused.value.response.body or b"")
            for _ in range(3):  # the proxy's own sockets are not counted for an address
                assert (await http(server, "GET", "/healthz")).status == 200
        assert (await upgrade_status(server, X_Forwarded_For="203.0.113.8")) == 101


async def test_the_scheme_behind_a_trusted_proxy_counts() -> None:
    async with edge(feeds=(), trusted_proxies=("127.0.0.1",)) as trusting, edge(feeds=()) as other:
        for server, believed in ((trusting, True), (other, False)):
            host = f"127.0.0.1:{server.port}"
            status = {
                (scheme, proto): await upgrade_status(server, Origin=f"{scheme}://{host}", X_Forwarded_Proto=proto)
                for scheme in ("http", "https")
                for proto in ("http", "https", "http, https")
            }
            assert status == {
                (scheme, proto): 101 if scheme == (proto.split(", ")[-1] if believed else "http") else 403
                for scheme, proto in status
            }
            page = (await http(server, "GET", "/", X_Forwarded_Proto="https")).body
            assert f"{'wss' if believed else 'ws'}://{host}/ws" in page


async def test_a_key_is_checked_at_the_login_as_well() -> None:
    async with edge(feeds=(), trusted_proxies=("127.0.0.1",)) as server:
        _, key = server.keys.create("alice", scopes=["trade"], kind="hmac", allow_ips=["203.0.113.7"])
        for ip, code in (("203.0.113.7", None), ("203.0.113.8", "login_failed")):
            async with connect(server.url, additional_headers={"X-Forwarded-For": ip}) as ws:
                challenge = json.loads(await ws.recv())["challenge"]
                reply = await call(ws, "auth.login", key=key.key, signature=key.sign(challenge))
                assert reply.get("error", {}).get("code") == code
