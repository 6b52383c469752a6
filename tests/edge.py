"""What the tests of a server's edge share: a server, raw HTTP, and certificates of a CA of our own."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tickwire.config import ServerSettings
from tickwire.server.app import Server

BTC, ETH = "SIM:BTC-USDT", "SIM:ETH-USDT"
WAIT_SECONDS = 20
Message = dict[str, Any]


@asynccontextmanager
async def edge(**settings: Any) -> AsyncIterator[Server]:
    """A running server that stops at once."""
    async with Server(ServerSettings(port=0, drain_seconds=0, **settings)).running() as server:
        yield server


class Answer(NamedTuple):
    """An HTTP answer; the names of its headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: str


async def http(server: Server, method: str, path: str, body: str = "", **headers: str) -> Answer:
    """One request on a socket of its own; `_` in a header's name stands for `-`."""
    lines = {"Host": f"127.0.0.1:{server.port}", "Connection": "close"}
    lines |= {"Content-Length": str(len(body))} if body else {}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return await exchange(server, f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())


async def exchange(server: Server, request: bytes) -> Answer:
    """What the server says to these bytes before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(WAIT_SECONDS):
        writer.write(request)
        said = await reader.read()
    writer.close()
    return answer(said)


def answer(said: bytes) -> Answer:
    """An HTTP answer from its bytes."""
    head, _, body = said.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), {name.lower(): value for name, value in headers.items()}, body)


async def call(ws: ClientConnection, method: str, **params: Any) -> Message:
    """The reply to a request; what comes before it is passed over."""
    await ws.send(json.dumps({"id": method, "method": method, "params": params}))
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            message: Message = json.loads(await ws.recv())
            if message.get("id") == method:
                return message


async def closed(ws: ClientConnection) -> tuple[int | None, str | None]:
    """How the server closes; what it says before is passed over."""
    async with asyncio.timeout(WAIT_SECONDS):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed:
            return ws.close_code, ws.close_reason


class Authority:
    """A certificate authority of our own.

    Attributes:
        pem: its certificate.
        context: of a client that trusts it alone.
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of our own")])
        certificate = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.context = ssl.create_default_context(cadata=self.pem)

    def issue(self, cert: Path, key: Path) -> int:
        """Write a new certificate for 127.0.0.1 and its key to these files; returns its serial number."""
        private = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]),
            private.public_key(),
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        )
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key.write_bytes(private.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
        cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate.serial_number

    def _signed(
        self, name: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
