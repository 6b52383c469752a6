"""Attacks with sockets: too many, too slow, too idle, with too much in front of the first message."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from edge import Authority
from hostile.stage import CUT, FULL, WAIT_SECONDS, Attacker, Stage, address, limit, serving, upgrade
from tickwire.limits import (
    CONNECTIONS_PER_IP_MAX,
    HTTP_HEADER_BYTES_MAX,
    HTTP_HEADERS_MAX,
    HTTP_PIPELINED_MAX,
    MESSAGE_BYTES_MAX,
    UPGRADES_PER_SECOND_MAX,
)
from tickwire.server.keys import KeyStore

MANY = 900 if FULL else 150
SLACK_SECONDS = 5.0


async def dribble(attacker: Attacker, data: bytes, seconds: float) -> None:
    """Send byte by byte, until the server has enough of it."""
    try:
        for byte in data:
            attacker.send(bytes([byte]))
            await attacker.writer.drain()
            await asyncio.sleep(seconds)
    except ConnectionError:
        pass


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the socket is closed or cut."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            data += piece
    return data


async def test_slow_and_silent_sockets_are_answered_408(stage: Stage) -> None:
    source = address()
    async with stage.attacked("slowloris: upgrades byte by byte"):
        began = time.monotonic()
        attackers = [await Attacker.connected(stage, source) for _ in range(MANY)]
        request = upgrade(Cookie="a" * 8_000)
        slow = [asyncio.create_task(dribble(each, request, 0.1)) for each in attackers[::2]]
        statuses = Counter(await asyncio.gather(*(each.status() for each in attackers)))
        assert statuses == {408: MANY}
        assert time.monotonic() - began < limit("HTTP_REQUEST_SECONDS_MAX") + SLACK_SECONDS
        for task in slow:
            task.cancel()


async def test_one_address_can_not_take_all_sockets(stage: Stage) -> None:
    source, beyond = address(), 20
    async with stage.attacked("more sockets than an address may have"):
        attackers = [await Attacker.connected(stage, source) for _ in range(CONNECTIONS_PER_IP_MAX + beyond)]
        first = await asyncio.gather(*(each.status() for each in attackers[CONNECTIONS_PER_IP_MAX:]))
        assert Counter(first) == {429: beyond}
        assert attackers[-1].headers["retry-after"] == "10"


@pytest.mark.parametrize(
    "endless",
    [b"a" * 1_000, b"X: " + b"a" * 1_000 + b"\r\n", b"X: y\r\n"],
    ids=["a line", "long headers", "short headers"],
)
async def test_endless_headers_are_answered_431(stage: Stage, endless: bytes) -> None:
    source = address()
    async with stage.attacked("endless headers"):
        attackers = [await Attacker.connected(stage, source) for _ in range(20)]
        for each in attackers:
            each.send(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
            each.send(endless * (2 * max(HTTP_HEADER_BYTES_MAX // len(endless), HTTP_HEADERS_MAX)))
        assert Counter([await each.status() for each in attackers]) == {431: 20}


async def test_a_flood_of_upgrades_is_answered_429(stage: Stage) -> None:
    source, seconds = address(), 10.0 if FULL else 1.5
    statuses: Counter[int] = Counter()
    waits: set[str] = set()

    async def flood() -> None:
        while time.monotonic() < end:
            attacker = await Attacker.connected(stage, source)
            attacker.send(upgrade())
            status = await attacker.status()
            statuses[status] += 1
            if status == 429:
                waits.add(attacker.headers["retry-after"])
            attacker.leave()

    async with stage.attacked("a flood of upgrades"):
        began = time.monotonic()
        end = began + seconds
        flooding = [asyncio.create_task(flood()) for _ in range(20)]
        await asyncio.sleep(seconds / 2)
        asked = time.monotonic()
        await Attacker.upgraded(stage, address())  # another address gets in at once
        assert time.monotonic() - asked < 1.0
        await asyncio.gather(*flooding)
        took = time.monotonic() - began
    print(f" {dict(statuses)} in {took:.1f} s", end="")
    assert statuses.keys() == {101, 429}
    assert UPGRADES_PER_SECOND_MAX <= statuses[101] <= UPGRADES_PER_SECOND_MAX * (took + 1)
    assert waits == {"1"}


async def test_whoever_must_log_in_and_does_not_is_closed_4401(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path / "keys.db")) as store:
        key = store.create("honest", scopes=["read"], kind="hmac")[1]
    header = f"Basic {base64.b64encode(f'{key.key}:{key.secret}'.encode()).decode()}"
    with serving(tmp_path, "--require-key", header=header) as stage:
        async with stage.attacked("open, and never logged in"):
            attackers = [await Attacker.upgraded(stage, address()) for _ in range(40)]
            for number, each in enumerate(attackers):
                if number % 2:
                    each.ask(1, "subscribe", channel="book", symbols=["SIM:BTC-USDT"])
                    assert (await each.reply(1))["error"]["code"] == "not_logged_in"
            slow = [
                asyncio.create_task(dribble(each, b"\x81\xfe\xff\xff" + b"a" * 999, 0.2)) for each in attackers[::2]
            ]
            assert Counter(await asyncio.gather(*(each.code() for each in attackers))) == {4401: 40}
            for task in slow:
                task.cancel()


async def test_a_message_byte_by_byte_is_no_sign_of_life(stage: Stage) -> None:
    source = address()
    async with stage.attacked("slowloris: a frame byte by byte"):
        attackers = [await Attacker.upgraded(stage, source) for _ in range(50)]
        frame = b"\x81\xfe\xff\xff\0\0\0\0" + b" " * 9_999
        slow = [asyncio.create_task(dribble(each, frame, 0.1)) for each in attackers]
        patient = await Attacker.upgraded(stage, source)
        await dribble(patient, b"\x81\x9c\0\0\0\0" + b'{"id":1,  "method":  "ping"}', 0.01)
        assert "rate" in (await patient.reply(1))["result"]  # slow is not yet hostile
        assert Counter(await asyncio.gather(*(each.code() for each in attackers))) == {4103: 50}
        for task in slow:
            task.cancel()


async def test_a_body_that_does_not_come_or_does_not_end(stage: Stage) -> None:
    with closing(KeyStore(stage.folder / "keys.db")) as store:
        key = store.create("poster", scopes=["trade"], kind="hmac")[1]
    proof = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    head = f"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {proof}\r\n".encode()
    source = address()
    async with stage.attacked("bodies that never come, or never end"):
        silent = [await Attacker.connected(stage, source) for _ in range(20)]
        for each in silent:
            each.send(head + b"Content-Length: 1000000000\r\n\r\n{")
        endless = [await Attacker.connected(stage, source) for _ in range(20)]
        for each in endless:
            each.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 40)
        assert MESSAGE_BYTES_MAX < 40 * 4096
        assert Counter([await each.status() for each in endless]) == {400: 20}
        assert Counter([await each.status() for each in silent]) == {CUT: 20}


async def test_requests_that_pile_up_on_a_socket_cut_it(stage: Stage) -> None:
    source = address()
    async with stage.attacked("pipelined requests"):
        attackers = [await Attacker.connected(stage, source) for _ in range(20)]
        for each in attackers:
            each.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (HTTP_PIPELINED_MAX + 1))
            assert await each.status() == 200
        for each in attackers:
            each.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000)
        for each in attackers:
            async with asyncio.timeout(WAIT_SECONDS):
                answered = (await all_of(each.reader)).count(b"HTTP/1.1 200")
            assert answered <= 3 * HTTP_PIPELINED_MAX


async def test_tls_handshakes_that_do_not_end_are_cut(tmp_path: Path) -> None:
    Authority().issue(tmp_path / "cert.pem", tmp_path / "key.pem")
    options = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with serving(tmp_path, *options) as stage:
        source = address()
        async with stage.attacked("TLS handshakes that do not end", memory_mib=64):
            began = time.monotonic()
            attackers = [await Attacker.connected(stage, source) for _ in range(MANY)]
            for each in attackers[::2]:
                each.send(b"\x16\x03\x01\x02\x00")  # the beginning of a ClientHello
            assert Counter(await asyncio.gather(*(each.status() for each in attackers))) == {CUT: MANY}
            assert time.monotonic() - began < limit("TLS_HANDSHAKE_SECONDS_MAX") + SLACK_SECONDS
