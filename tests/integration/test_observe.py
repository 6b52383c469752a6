"""What an operator sees of a real server: metrics, probes, logs, and who held up its event loop."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

import support
from scraping import Values, of, values
from serving import START_SECONDS_MAX
from tickwire import connect as connect_client
from tickwire.config import ServerSettings
from tickwire.errors import ConfigError, RequestRefused
from tickwire.limits import MESSAGE_BYTES_MAX
from tickwire.model.records import ListInstrument, Transfer
from tickwire.observe import watchdog
from tickwire.observe.watchdog import Watchdog
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.server.app import KEYS_FILE, Server
from tickwire.server.keys import KeyStore

WAIT_SECONDS = 30
BTC = replace(support.BTC, feed="")


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Server]:
    """A server where nothing happens by itself, but the clock."""
    server = Server(ServerSettings(**{"port": 0, "feeds": (), "drain_seconds": 0, **settings}))
    async with asyncio.timeout(WAIT_SECONDS), server.running():
        yield server


async def get(server: Server, path: str, **headers: str) -> tuple[int, str]:
    """Status and body of an HTTP request."""

    def ask() -> tuple[int, str]:
        try:
            with urlopen(
                Request(server.url.replace("ws://", "http://").removesuffix("/ws") + path, headers=headers)
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def scrape(server: Server) -> Values:
    status, body = await get(server, "/metrics")
    assert status == 200, body
    return values(body)


async def until(server: Server, reached: Callable[[Values], bool]) -> Values:
    """The first scrape of which something is true."""
    while True:
        found = await scrape(server)
        if reached(found):
            return found


async def call(ws: ClientConnection, method: str, **params: Any) -> Any:
    await ws.send(json.dumps({"id": method, "method": method, "params": params}))
    while (message := json.loads(await ws.recv())).get("id") != method:
        pass
    return message


# ---- metrics -----------------------------------------------------------------------------------------


async def test_connections_requests_and_closes() -> None:
    async with serving() as server:
        async with connect(server.url) as one, connect(server.url, subprotocols=[Subprotocol(MSGPACK.name)]) as two:
            received = [await one.recv(), await two.recv()]  # the hellos
            for text in ('{"id":1,"method":"ping"}', '{"id":2,"method":"no.such"}', "{", '{"id":3,"method":["ping"]}'):
                await one.send(text)
                received.append(await one.recv())
            found = await scrape(server)
            assert of(found, "tickwire_connections") == {(JSON.name,): 1, (MSGPACK.name,): 1}
            assert of(found, "tickwire_sent_messages_total") == {(JSON.name,): 5, (MSGPACK.name,): 1}
            sizes = {MSGPACK.name: framed(received.pop(1)), JSON.name: sum(map(framed, received))}
            assert of(found, "tickwire_sent_bytes_total") == {(name,): size for name, size in sizes.items()}
            assert of(found, "tickwire_requests_total") == {
                ("ok", "ping"): 1,
                ("unknown_method", "unknown"): 1,
                ("invalid_json", "unknown"): 1,
                ("invalid_request", "unknown"): 1,
            }
            await two.close(4999)
        with pytest.raises(InvalidStatus):
            await connect(server.url.replace("/ws", "/else"))
        async with connect(server.url) as cut, connect(server.url) as large:
            cut.transport.abort()
            await large.send("x" * (MESSAGE_BYTES_MAX + 1))
            await large.wait_closed()
        found = await until(server, lambda now: sum(of(now, "tickwire_closes_total").values()) == 4)
        assert of(found, "tickwire_closes_total") == {("1000",): 1, ("other",): 1, ("1006",): 1, ("1009",): 1}
        assert of(found, "tickwire_connections_refused_total") == {("404",): 1}
        assert of(found, "tickwire_connections") == {}


def framed(message: str | bytes) -> int:
    """Bytes of a message in an unmasked frame."""
    size = len(message.encode() if isinstance(message, str) else message)
    return size + (2 if size < 126 else 4)


async def test_a_stream_is_counted_as_its_client_gets_it() -> None:
    async with serving(feeds=ServerSettings().feeds) as server, connect(server.url, compression=None) as ws:
        hello = await ws.recv()
        await ws.send(
            json.dumps({"id": 1, "method": "subscribe", "params": {"channel": "book", "symbols": ["SIM:BTC-USDT"]}})
        )
        received = [hello, *[await ws.recv() for _ in range(20)]]
        await ws.send('{"id":2,"method":"unsubscribe","params":{"channel":"book","symbols":["SIM:BTC-USDT"]}}')
        while json.loads(received[-1]).get("id") != 2:
            received.append(await ws.recv())
        found = await scrape(server)
        assert of(found, "tickwire_sent_messages_total") == {(JSON.name,): len(received)}
        assert of(found, "tickwire_sent_bytes_total") == {(JSON.name,): sum(map(framed, received))}
        assert of(found, "tickwire_feed_state")["simulated", "live"] == 1
        assert 0 <= of(found, "tickwire_feed_age_seconds")["simulated",] < 5
        assert of(found, "tickwire_publication_latency_seconds_count")[()] > 20


async def test_orders_tape_and_time() -> None:
    async with serving() as server:
        key = server.keys.create("alice", scopes=("read", "trade"), kind="hmac")[1]
        server._gateway.submit([ListInstrument(BTC), Transfer("alice", "USDT", "1000", "1")], lambda _: None)
        async with connect_client(server.url, key=key) as client:
            await client.place("SIM:BTC-USDT", "buy", "1", price="100", client_order_id="mine")
            with pytest.raises(RequestRefused, match="insufficient_balance"):
                await client.place("SIM:BTC-USDT", "buy", "10", price="100")
            await client.cancel(client_order_id="mine")
            cancel = {"method": "cancel", "params": {"client_order_id": "never"}}
            place = {"symbol": "SIM:BTC-USDT", "side": "buy", "size": "1", "price": "100"}
            odd = {"method": "place", "params": {**place, "size": "-1"}}
            operations = [{"method": "place", "params": place}, cancel, odd, cancel]
            await client.request("order.batch", {"operations": operations})
            found = await scrape(server)
            assert of(found, "tickwire_orders_total") == {
                ("place", "accepted"): 2,
                ("place", "insufficient_balance"): 1,
                ("place", "invalid_params"): 1,
                ("cancel", "accepted"): 1,
                ("cancel", "unknown_order"): 2,
            }
            requests = of(found, "tickwire_requests_total")
            assert requests["ok", "order.place"] == 1
            assert requests["insufficient_balance", "order.place"] == 1
            assert requests["ok", "auth.login"] == requests["ok", "order.batch"] == 1
            assert of(found, "tickwire_sessions_logged_in") == {(): 1}
            assert of(found, "tickwire_command_latency_seconds_count") == {(): 4}
            assert 0 < of(found, "tickwire_command_latency_seconds_sum")[()] < WAIT_SECONDS
        commits = of(found, "tickwire_tape_commit_seconds_count")[()]
        assert of(found, "tickwire_tape_seq") == {(): commits} == of(found, "tickwire_transaction_records_count")
        assert of(found, "tickwire_transaction_records_sum")[()] >= commits + 5  # each has a clock
        assert 0 < of(found, "tickwire_tape_bytes")[()] <= server.tape.bytes_held
        assert of(found, "tickwire_tape_age_seconds")[()] < 5
        assert of(found, "tickwire_pending_records") == {(): 0}
        assert of(found, "tickwire_info") == {(server.tape.epoch, "0.1.0"): 1}


async def test_requests_over_http_are_counted_too() -> None:
    async with serving() as server:
        assert (await get(server, "/api/v1/orders"))[0] == 401
        assert of(await scrape(server), "tickwire_requests_total") == {("not_logged_in", "order.list"): 1}


async def test_metrics_are_for_those_who_are_named() -> None:
    async with serving() as server:
        assert (await get(server, "/metrics"))[0] == 200
        for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
            status, body = await get(server, "/metrics", **{header: "127.0.0.1"})
            assert (status, "--metrics-allow" in body) == (403, True), header
            assert "tickwire_" not in body
        for host in ("localhost", "127.0.0.1:1", "[::1]:8000"):
            assert (await get(server, "/metrics", Host=host))[0] == 200, host
        for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "["):
            status, body = await get(server, "/metrics", Host=host)
            assert (status, "by an address" in body) == (403, True), host
    async with serving(metrics_allow=("10.0.0.0/8",)) as server:
        assert (await get(server, "/metrics"))[0] == 403
        assert (await get(server, "/healthz"))[0] == 200
    with pytest.raises(ConfigError, match="metrics reader 'here'"):
        ServerSettings(metrics_allow=("here",))


# ---- probes and the loop -----------------------------------------------------------------------------


async def test_healthz_says_when_the_writer_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        assert await get(server, "/healthz") == (200, '{"status":"ok"}')

        def full(records: object) -> int:
            raise OSError(28, "No space left on device", "/secret/place")

        monkeypatch.setattr(server.tape, "append", full)
        while True:
            answer = await get(server, "/healthz")
            if answer[0] != 200:
                break
        assert answer == (503, '{"status":"failing","reason":"the writer has failed; the log says why"}')
        monkeypatch.undo()


def deliberate_block(seconds: float) -> None:
    """What no callback should do."""
    time.sleep(seconds)


async def test_a_blocked_loop_is_reported_with_the_function_that_blocks_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "REPORT_EVERY_NS", 0)  # this machine may hold the loop up, too
    caplog.set_level(logging.WARNING, "tickwire.observe.watchdog")
    async with serving() as server:
        before = of(await scrape(server), "tickwire_loop_blocked_total")[()]
        asyncio.get_running_loop().call_soon(deliberate_block, 0.5)
        found = await until(server, lambda now: of(now, "tickwire_loop_blocked_total")[()] > before)
        (record,) = [record for record in caplog.records if "deliberate_block" in record.getMessage()]
        fields = vars(record)
        assert record.getMessage().startswith(f"the event loop was held up for {fields['late_ms']} ms: File ")
        assert record.getMessage().endswith(", in deliberate_block")
        assert "time.sleep(seconds)" in fields["stack"]
        assert 400 <= fields["late_ms"] < 5_000
        assert of(found, "tickwire_loop_lag_seconds_sum")[()] >= 0.4


async def test_healthz_says_when_the_loop_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server:
        monkeypatch.setattr(Watchdog, "responsive", False)
        text = '{"status":"failing","reason":"the event loop is held up; the log says by what"}'
        assert await get(server, "/healthz") == (503, text)


# ---- logs --------------------------------------------------------------------------------------------


async def test_the_log_of_a_server_tells_of_sessions_and_of_no_secret(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / KEYS_FILE)
    key = store.create("alice", scopes=("read", "trade"), kind="hmac")[1]
    store.close()
    basic = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    token = key.token(int(time.time()))
    lines: list[dict[str, Any]] = []
    options = ("--data-dir", str(tmp_path), "--log-level", "debug", "--log-format", "json", "--drain-seconds", "0")
    async with asyncio.timeout(START_SECONDS_MAX), process(*options) as (running, read):
        while (line := await read())["event"] != "tickwire serves":
            lines.append(line)
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ws", line["url"])
        for header in (f"Basic {basic}", f"Bearer {token}"):
            async with connect(line["url"], additional_headers={"Authorization": header}) as ws:
                hello = json.loads(await ws.recv())
        with pytest.raises(InvalidStatus):
            await connect(line["url"], additional_headers={"Authorization": f"Basic {basic[:-4]}"})
        async with connect(line["url"]) as ws:
            hello = json.loads(await ws.recv())
            signature = key.sign(hello["challenge"])
            assert "error" in await call(ws, "auth.login", key=key.key, signature=signature[:-1])
            assert "result" in await call(ws, "auth.login", key=key.key, signature=signature)
            assert "error" in await call(ws, "no.such", token=token)
        running.terminate()
        while (found := await read()) != {}:
            lines.append(found)
        assert await running.wait() == 0
    (login,) = [line for line in lines if line["event"] == "logged in"]
    assert {name: login[name] for name in ("level", "logger", "session", "key", "account", "ip")} == {
        "level": "info", "logger": "tickwire.server.gateway", "session": hello["session"], "key": key.key,
        "account": "alice", "ip": "127.0.0.1",
    }  # fmt: skip
    opened = [line for line in lines if line["event"] == "session opened"]
    closed = [line for line in lines if line["event"] == "session closed"]
    assert [line.get("key") for line in opened] == [key.key, key.key, None]
    assert [(line["session"], line["key"], line["code"]) for line in closed] == [
        (line["session"], key.key, 1000) for line in opened
    ]
    assert sum(line["event"] == "a login is refused" for line in lines) == 2
    everything = json.dumps(lines)
    for secret in (key.secret, basic, token, signature):
        assert not any(secret[at : at + 12] in everything for at in range(0, len(secret) - 11, 12))


@asynccontextmanager
async def process(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Callable[[], Awaitable[Any]]]]:
    """`tickwire serve` in a process of its own, and what reads a line of its log; an empty object is the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    command = [sys.executable, "-m", "tickwire", "serve", "--port", "0", *options]
    running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    stderr = running.stderr
    assert stderr is not None

    async def read() -> Any:
        return json.loads(await stderr.readline() or b"{}")

    try:
        yield running, read
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
