"""What the HTTP side of the port bears: slow, endless and oversized requests, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge import WAIT_SECONDS, Answer, answer, call, edge, exchange, http
from tickwire.limits import HTTP_HEADER_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_PIPELINED_MAX, MESSAGE_BYTES_MAX
from tickwire.server.app import Server

UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
GET = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
TOO_LARGE = f"At most {HTTP_HEADER_BYTES_MAX} bytes and {HTTP_HEADERS_MAX} lines of headers are taken here.\n"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with edge(feeds=()) as running:
        yield running
        assert running._gateway.admission._sockets == {}


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests have 0.3 seconds."""
    monkeypatch.setattr("tickwire.server.front.HTTP_REQUEST_SECONDS_MAX", 0.3)


async def trickle(server: Server, pieces: Iterator[bytes]) -> tuple[Answer | None, float]:
    """What the server says to whoever sends a piece every 20 ms, and after how many seconds."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    got = bytearray()

    async def read() -> None:
        try:
            while piece := await reader.read(4_096):
                got.extend(piece)
        except ConnectionError:  # what was sent after the end has come too late
            pass

    said = asyncio.ensure_future(read())
    async with asyncio.timeout(WAIT_SECONDS):
        for piece in pieces:
            if writer.is_closing():
                break
            writer.write(piece)
            await asyncio.wait((said,), timeout=0.02)
            if said.done():
                break
        await said
    writer.close()
    return answer(bytes(got)) if got else None, loop.time() - begin


def byte_by_byte(text: str) -> Iterator[bytes]:
    for char in text:
        yield char.encode()
    while True:
        yield b""


def endless(begin: str, piece: bytes) -> Iterator[bytes]:
    yield begin.encode()
    while True:
        yield piece


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    "pieces",
    [
        endless("", b""),
        endless("", b"\r\n"),
        endless("GET /", b"x"),
        endless(GET, b"X: y\r\n"),
        endless(UPGRADE + "X: ", b"y"),
        byte_by_byte(UPGRADE + "X-Long: " + "y" * 100),
    ],
    ids=["nothing", "empty lines", "target", "headers", "a header of an upgrade", "an upgrade byte by byte"],
)
async def test_a_request_that_never_ends_is_cut(server: Server, pieces: Iterator[bytes]) -> None:
    said, seconds = await trickle(server, pieces)
    assert said is not None
    assert (said.status, said.headers["connection"]) == (408, "close")
    assert 0.25 < seconds < 3


@pytest.mark.usefixtures("_hurried")
async def test_the_deadline_holds_for_the_next_request_as_well(server: Server) -> None:
    said, seconds = await trickle(server, endless(GET + "\r\nGET /he", b"a"))
    assert said is not None
    assert (said.status, "408 Request Timeout" in said.body) == (200, True)
    assert 0.25 < seconds < 3


@pytest.mark.usefixtures("_hurried")
async def test_a_body_that_never_ends_is_cut(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    _, key = server.keys.create("alice", scopes=["trade"], kind="hmac")
    proof = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    head = "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Basic "
    with caplog.at_level(logging.WARNING):
        said, seconds = await trickle(server, endless(f"{head}{proof}\r\n\r\n", b" "))
    assert said is None
    assert 0.25 < seconds < 3
    assert caplog.records == []


async def test_an_answer_that_nobody_reads_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.front.HTTP_RESPONSE_SECONDS_MAX", 0.3)
    monkeypatch.setattr("tickwire.server.front.HTTP_REQUEST_SECONDS_MAX", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(ConnectionError):  # noqa: PT012
            while True:  # the answers fill what the kernel holds, then the server waits
                writer.write(f"{GET}\r\n".encode() * HTTP_PIPELINED_MAX)
                await writer.drain()
                await asyncio.sleep(0)
    writer.close()


@pytest.mark.parametrize("begin", [GET, UPGRADE], ids=["request", "upgrade"])
@pytest.mark.parametrize(
    "headers",
    [
        f"X-Long: {'x' * HTTP_HEADER_BYTES_MAX}\r\n",
        "".join(f"X-{number}: {'x' * 1_000}\r\n" for number in range(17)),
        "X: y\r\n" * HTTP_HEADERS_MAX,
    ],
    ids=["one long line", "many long lines", "too many lines"],
)
async def test_headers_too_large_are_refused(server: Server, begin: str, headers: str) -> None:
    said = await exchange(server, f"{begin}{headers}\r\n".encode())
    assert (said.status, said.body) == (431, TOO_LARGE)


async def test_a_line_without_an_end_is_refused_piece_by_piece(server: Server) -> None:
    said, _ = await trickle(server, endless(GET + "X: ", b"y" * 1_000))
    assert said is not None
    assert (said.status, said.body) == (431, TOO_LARGE)


async def test_a_request_target_too_long_is_refused(server: Server) -> None:
    said = await exchange(server, f"GET /{'x' * HTTP_HEADER_BYTES_MAX} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (said.status, said.body) == (431, TOO_LARGE)


async def test_trailers_count_as_headers(server: Server) -> None:
    head = "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    said = await exchange(server, (head + "X: y\r\n" * HTTP_HEADERS_MAX + "\r\n").encode())
    assert said.status in (401, 431)  # whichever is found out first
    assert server._gateway.admission._sockets == {}


async def test_headers_within_their_bounds_are_taken(server: Server) -> None:
    lines = "".join(f"X-{number}: {'x' * 160}\r\n" for number in range(HTTP_HEADERS_MAX - 6))
    assert 15_000 < len(lines) < HTTP_HEADER_BYTES_MAX
    said = await exchange(server, f"{GET}{lines}Connection: close\r\n\r\n".encode())
    assert said.status == 200
    async with connect(server.url, additional_headers={f"X-{n}": "x" * 150 for n in range(90)}) as ws:
        assert "rate" in (await call(ws, "ping"))["result"]


async def test_many_requests_on_one_socket_are_counted_each_for_itself(server: Server) -> None:
    pipelined = f"{GET}X: {'y' * 3_000}\r\n\r\n" * HTTP_PIPELINED_MAX + f"{GET}Connection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(pipelined.encode())
    async with asyncio.timeout(WAIT_SECONDS):
        said = await reader.read()
    writer.close()
    assert said.count(b"HTTP/1.1 200 OK") == HTTP_PIPELINED_MAX + 1


async def test_requests_that_do_not_wait_for_answers_are_refused(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{GET}\r\n".encode() * (HTTP_PIPELINED_MAX + 2))
    async with asyncio.timeout(WAIT_SECONDS):
        said = await reader.read()
    writer.close()
    assert answer(said).status == 429
    assert f"At most {HTTP_PIPELINED_MAX} requests may wait on one socket".encode() in said


async def test_a_body_too_large_is_refused(server: Server) -> None:
    _, key = server.keys.create("alice", scopes=["trade"], kind="hmac")
    proof = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    said = await http(server, "POST", "/api/v1/orders", " " * (MESSAGE_BYTES_MAX + 1), Authorization=f"Basic {proof}")
    assert (said.status, f"larger than {MESSAGE_BYTES_MAX} bytes" in said.body) == (400, True)


async def test_garbage_is_answered_and_closed(server: Server) -> None:
    said = await exchange(server, b"\x16\x03\x01\x02\x00 what a TLS client says first")
    assert said.status == 400


async def test_a_wrong_handshake_is_counted_and_given_back(server: Server) -> None:
    for _ in range(3):
        said = await exchange(server, (UPGRADE.replace("AAAA==", "") + "\r\n").encode())
        assert said.status == 400
    with pytest.raises(InvalidStatus):
        async with connect(server.url + "/other"):
            pass
    assert server._gateway.admission._sockets_open == 0


async def test_headers_in_pieces_are_counted_once(server: Server) -> None:
    head = f"{GET}Connection: close\r\nX: {'x' * 11_900}\r\n\r\n".encode()
    lines = f"{GET}Connection: close\r\n{''.join(f'X-{n}: {chr(120) * 3_000}{chr(13)}{chr(10)}' for n in range(5))}\r\n"
    for whole in (head, lines.encode()):
        pieces = iter([whole[at : at + 1_460] for at in range(0, len(whole), 1_460)])
        said, _ = await trickle(server, pieces)
        assert said is not None
        assert said.status == 200
