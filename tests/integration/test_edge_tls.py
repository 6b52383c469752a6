"""TLS on the one port: both clients, a certificate that is renewed while the server runs, and handshakes that stall."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from edge import BTC, WAIT_SECONDS, Authority, call, edge
from serving import serving
from tickwire import connect as client_of
from tickwire import connect_blocking
from tickwire.config import ServerSettings
from tickwire.errors import ConfigError, ConnectionLost
from tickwire.protocol.messages import StreamMessage
from tickwire.protocol.session import Session
from tickwire.server.app import Server
from tickwire.server.tls import Certificate


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "server.crt", tmp_path / "server.key"


async def serial_of(server: Server | str, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that a new connection gets."""
    port = int((server if isinstance(server, str) else server.url).rsplit(":", 1)[1].removesuffix("/ws"))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    return int(certificate["serialNumber"], 16)


async def test_everything_on_the_port_is_tls(authority: Authority, files: tuple[Path, Path]) -> None:
    authority.issue(*files)
    async with edge(tls_cert=files[0], tls_key=files[1]) as server:
        assert server.url == f"wss://127.0.0.1:{server.port}/ws"
        async with connect(server.url, ssl=authority.context) as ws:
            assert "streams" in (await call(ws, "subscribe", channel="book", symbols=[BTC]))["result"]
        async with client_of(server.url, ssl=authority.context) as client, await client.subscribe("book", BTC) as book:
            messages = aiter(book)
            first = [await anext(messages) for _ in range(20)]
            seqs = [message.seq for message in first if isinstance(message, StreamMessage)]
            assert seqs == list(range(seqs[0], seqs[0] + 20))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=authority.context)
        assert writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        said = (await reader.read()).decode()
        writer.close()
        assert said.startswith("HTTP/1.1 200")
        assert "wss://here/ws" in said


async def test_a_client_that_does_not_read_is_left_behind(authority: Authority, files: tuple[Path, Path]) -> None:
    authority.issue(*files)
    trust = authority.context
    async with (
        edge(tls_cert=files[0], tls_key=files[1], requests_per_second=1_000_000) as server,
        connect(server.url, ssl=trust) as ws,
        connect(server.url, ssl=trust) as other,
    ):
        await call(ws, "subscribe", channel="book", symbols=[BTC])
        (connection,) = (
            each for each in server.connections if isinstance(each._session, Session) and each._session._cursors
        )
        ws.transport.pause_reading()
        async with asyncio.timeout(WAIT_SECONDS):
            while connection.ready:
                await ws.send('{"id":1,"method":"snapshot","params":{"channel":"book","symbol":"SIM:BTC-USDT"}}')
                await asyncio.sleep(0)
        assert 256 * 1024 < connection.unsent_bytes < 1024 * 1024
        assert "rate" in (await call(other, "ping"))["result"]
        ws.transport.resume_reading()
        assert "rate" in (await call(ws, "ping"))["result"]
        ws.transport.abort()  # what it has not taken from its library would hold up a close


async def test_a_client_that_does_not_trust_the_certificate_says_so(
    authority: Authority, files: tuple[Path, Path]
) -> None:
    authority.issue(*files)
    async with edge(feeds=(), tls_cert=files[0], tls_key=files[1]) as server:
        for context in (None, Authority().context):
            with pytest.raises(ConnectionLost, match=r"(?i)certificate.verify.failed"):
                async with client_of(server.url, ssl=context):
                    pass
        with pytest.raises(ConnectionLost):
            async with client_of(server.url.replace("wss", "ws", 1)):
                pass


async def test_an_own_page_is_of_https(authority: Authority, files: tuple[Path, Path]) -> None:
    authority.issue(*files)
    async with edge(feeds=(), tls_cert=files[0], tls_key=files[1]) as server:
        own = f"https://127.0.0.1:{server.port}"
        async with connect(server.url, ssl=authority.context, additional_headers={"Origin": own}) as ws:
            assert "rate" in (await call(ws, "ping"))["result"]


async def test_a_new_certificate_is_taken_and_a_bad_one_is_not(
    authority: Authority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = files
    first = authority.issue(cert, key)
    async with edge(feeds=(), tls_cert=cert, tls_key=key) as server:
        async with connect(server.url, ssl=authority.context) as before:
            assert await serial_of(server, authority.context) == first
            second = authority.issue(cert, key)
            async with asyncio.timeout(WAIT_SECONDS):
                while await serial_of(server, authority.context) != second:
                    pass
            assert "rate" in (await call(before, "ping"))["result"]  # goes on with the old one
        for bad in (b"no certificate", b""):
            caplog.clear()
            cert.write_bytes(bad)
            async with asyncio.timeout(WAIT_SECONDS):
                while "new connections go on with the certificate from before" not in caplog.text:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert str(cert) in caplog.text
            assert await serial_of(server, authority.context) == second
        caplog.clear()
        authority.issue(cert.with_name("other.crt"), key)  # a key that belongs to another certificate
        cert.unlink()
        async with asyncio.timeout(WAIT_SECONDS):
            while "go on with the certificate from before" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert await serial_of(server, authority.context) == second
        third = authority.issue(cert, key)
        async with asyncio.timeout(WAIT_SECONDS):
            while await serial_of(server, authority.context) != third:
                pass


async def test_a_handshake_that_stalls_is_cut(
    authority: Authority, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwire.server.app.TLS_HANDSHAKE_SECONDS_MAX", 0.2)
    authority.issue(*files)
    async with edge(feeds=(), tls_cert=files[0], tls_key=files[1]) as server:
        for begun in (b"", b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(begun)
            async with asyncio.timeout(WAIT_SECONDS):
                assert await reader.read() == b""
            writer.close()


def test_a_bad_certificate_is_told_of_once(
    authority: Authority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue(*files)
    certificate = Certificate(*files)
    files[0].write_bytes(b"no certificate")
    for _ in range(3):
        certificate.refresh()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_files_that_can_not_be_used_are_named(authority: Authority, files: tuple[Path, Path]) -> None:
    cert, key = files
    with pytest.raises(ConfigError, match=r"server\.crt.*No such file"):
        Server(ServerSettings(port=0, tls_cert=cert, tls_key=key))
    authority.issue(cert, key)
    authority.issue(cert.with_name("other.crt"), key)
    with pytest.raises(ConfigError, match=r"server\.key.*belong together"):
        Certificate(cert, key)
    for given in ((cert, None), (None, key)):
        with pytest.raises(ConfigError, match="both tls_cert and tls_key"):
            ServerSettings(tls_cert=given[0], tls_key=given[1])


async def test_the_command_serves_tls_on_its_own_loop(authority: Authority, files: tuple[Path, Path]) -> None:
    cert, key = files
    authority.issue(cert, key)
    async with serving("--tls-cert", str(cert), "--tls-key", str(key), "--drain-seconds", "0") as served:
        assert served.url.startswith("wss://")

        def trades_seen() -> list[int]:
            with connect_blocking(served.url, ssl=authority.context) as client, client.subscribe("book", BTC) as book:
                messages = iter(book)
                first = [next(messages) for _ in range(50)]
                return [message.seq for message in first if isinstance(message, StreamMessage)]

        seqs = await asyncio.to_thread(trades_seen)
        assert seqs == list(range(seqs[0], seqs[0] + 50))
        second = authority.issue(cert, key)
        async with asyncio.timeout(WAIT_SECONDS):
            while await serial_of(served.url, authority.context) != second:
                pass
