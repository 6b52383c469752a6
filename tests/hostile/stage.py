"""Where attacks happen: a server in a process of its own, honest clients in another, and sockets that say anything.

Attackers have addresses of their own on the loopback (127.0.x.y), so that what one address may have is no matter to
the honest clients, who come from 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from websockets.frames import Opcode

from hostile.honest import Report
from tickwire import limits

FULL = os.environ.get("HOSTILE") == "full"
"""The limits are the real ones, attacks are larger and longer, and bounds strict; else all is made small."""
SYMBOL = "SIM:BTC-USDT"
WAIT_SECONDS = 90
SHORT_LIMITS: dict[str, float] = {
    "HEARTBEAT_MS": 500,
    "LOGIN_SECONDS_MAX": 1,
    "IDLE_SECONDS_MAX": 2,
    "SEND_BUFFER_MAX_BYTES": 2 * 1024 * 1024,
    "PING_INTERVAL_SECONDS": 1,
    "HTTP_REQUEST_SECONDS_MAX": 1.5,
    "HTTP_RESPONSE_SECONDS_MAX": 3.0,
    "TLS_HANDSHAKE_SECONDS_MAX": 1.0,
}
FULL_LIMITS: dict[str, float] = {"IDLE_SECONDS_MAX": 20}
LIMITS = FULL_LIMITS if FULL else SHORT_LIMITS
"""Those that are not the real ones: deadlines mostly, so that nobody waits for them."""
MIB = 1024 * 1024
CUT = 1006
"""The code of a connection that ended without one."""
LATENCY_MS_MAX = 500.0 if FULL else 2_000.0
"""p99 of what honest clients measure during an attack. Attackers, and in `make test` other tests, share the machine."""
SAMPLES_MIN = 60
HONEST_CLIENTS = 4

_SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks", Path(__file__).resolve().parent
_addresses = count(1)


def address() -> str:
    """An address that no other attack uses."""
    number = next(_addresses)
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def limit(name: str) -> float:
    """A limit as the attacked server has it."""
    return float(LIMITS.get(name, getattr(limits, name)))


class Latency(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples: list[float]) -> Latency:
        """By nearest rank."""
        ordered = sorted(samples) or [0.0]
        return cls(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], ordered[-1])

    def __str__(self) -> str:
        return f"p50 {self.p50:.1f} p99 {self.p99:.1f} max {self.max:.1f} ms"


class Process:
    """The server's process, from outside (Linux)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def _status(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return self._status("VmRSS") * 1024

    @property
    def memory_peak(self) -> int:
        """The most that `memory` has been since `forget_peak`."""
        return self._status("VmHWM") * 1024

    def forget_peak(self) -> None:
        """Begin to look for the peak anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def threads(self) -> int:
        return self._status("Threads")


class Stage:
    """A server that is attacked while honest clients go on.

    Attributes:
        url, port: of the server.
        process: the server's.
        folder: its data folder.
        calm: the honest clients' latencies while nobody attacks.
    """

    def __init__(self, url: str, process: Process, folder: Path, honest: subprocess.Popen[str]) -> None:
        self.url = url
        self.port = int(url.rsplit(":", 1)[1].removesuffix("/ws"))
        self.process = process
        self.folder = folder
        self._honest = honest
        time.sleep(3.0 if FULL else 1.0)
        self.calm = Latency.of(self.report().stream_ms)
        self.attackers: list[Attacker] = []

    def report(self) -> Report:
        """What the honest clients have met with since the last report."""
        assert self._honest.stdin is not None
        assert self._honest.stdout is not None
        self._honest.stdin.write("\n")
        self._honest.stdin.flush()
        line = self._honest.stdout.readline()
        assert line, "the honest clients' process has ended"
        return msgspec.json.decode(line, type=Report)

    @asynccontextmanager
    async def attacked(
        self, name: str, *, memory_mib: float = 24, latency_ms: float = LATENCY_MS_MAX
    ) -> AsyncIterator[None]:
        """An attack is the block; then the attackers leave. The server's memory stays within `memory_mib` of what it
        was, its descriptors come back, and the honest clients lose nothing and wait for nothing."""
        await asyncio.to_thread(self.report)
        process = self.process
        before, descriptors = process.memory, process.descriptors
        process.forget_peak()
        try:
            yield
        finally:
            for attacker in self.attackers:
                attacker.leave()
            self.attackers.clear()
        peak = process.memory_peak - before
        found = Report()
        async with asyncio.timeout(WAIT_SECONDS):
            while len(found.ping_ms) < SAMPLES_MIN or len(found.stream_ms) < SAMPLES_MIN:
                await asyncio.sleep(0.2)
                more = await asyncio.to_thread(self.report)
                for name_of in ("stream_ms", "ping_ms", "wrong"):
                    getattr(found, name_of).extend(getattr(more, name_of))
            while process.descriptors > descriptors:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        stream, ping = Latency.of(found.stream_ms), Latency.of(found.ping_ms)
        print(f"\n{name:42} streams {stream}; pings {ping}; memory +{peak / MIB:.1f} MiB (calm: {self.calm})", end="")
        assert found.wrong == []
        assert max(stream.p99, ping.p99) <= latency_ms
        assert peak <= memory_mib * MIB


@contextmanager
def serving(
    folder: Path,
    *arguments: str,
    lower: Mapping[str, float] | None = None,
    symbol: str = SYMBOL,
    channels: str = "trades,book,book_l3,quotes",
    clients: int = HONEST_CLIENTS,
    header: str = "",
) -> Iterator[Stage]:
    """A server and honest clients, until the block ends.

    Args:
        folder: its data folder.
        arguments: of `tickwire serve`.
        lower: more limits that are not the real ones.
        symbol, channels, clients, header: what the honest clients read, how many they are, and their `Authorization`.
    """
    command = [sys.executable, str(_SCRIPTS[0] / "limited_server.py"), json.dumps({**LIMITS, **(lower or {})})]
    command += ["--port", "0", "--log-level", "error", "--drain-seconds", "0", "--data-dir", str(folder), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    log = folder / "server.log"
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr, env=environment) as server:
        try:
            while (found := re.search(r"serves (wss?://\S+)", log.read_text())) is None:
                assert server.poll() is None, f"the server has ended: {log.read_text()}"
                time.sleep(0.05)
            honest = [sys.executable, str(_SCRIPTS[1] / "honest.py"), found[1], symbol, channels, str(clients), header]
            pipe = subprocess.PIPE
            with subprocess.Popen(honest, stdin=pipe, stdout=pipe, text=True) as clients_process:
                try:
                    assert clients_process.stdout is not None
                    assert clients_process.stdout.readline(), "the honest clients can't connect"
                    yield Stage(found[1], Process(server.pid), folder, clients_process)
                finally:
                    clients_process.kill()
        finally:
            server.terminate()
            server.wait(WAIT_SECONDS)
    assert "Traceback" not in log.read_text(), log.read_text()


class Attacker:
    """A socket that says whatever it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.headers: dict[str, str] = {}

    @classmethod
    async def connected(cls, stage: Stage, source: str) -> Attacker:
        """A socket from an address, which has said nothing yet."""
        attacker = cls(*await asyncio.open_connection("127.0.0.1", stage.port, local_addr=(source, 0)))
        stage.attackers.append(attacker)
        return attacker

    @classmethod
    async def upgraded(cls, stage: Stage, source: str, **headers: str) -> Attacker:
        """A WebSocket that is open and has been greeted."""
        attacker = await cls.connected(stage, source)
        attacker.send(upgrade(**headers))
        assert await attacker.status() == 101
        await attacker.frame()
        return attacker

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)

    def say(self, data: bytes | str, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, rsv1: bool = False) -> None:
        """A frame, masked with zeros."""
        body = data.encode() if isinstance(data, str) else data
        size = len(body)
        length = (
            bytes([0x80 | size])
            if size < 126
            else b"\xfe" + size.to_bytes(2)
            if size < 65536
            else b"\xff" + size.to_bytes(8)
        )
        self.send(bytes([fin << 7 | rsv1 << 6 | opcode]) + length + bytes(4) + body)

    def ask(self, number: int, method: str, **params: Any) -> None:
        """A request."""
        self.say(json.dumps({"id": number, "method": method, "params": params}))

    async def status(self) -> int:
        """The status of an HTTP answer, whose headers are then in `headers`; `CUT` where there is none."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            except (asyncio.IncompleteReadError, ConnectionError):
                return CUT
        first, *lines = head.rstrip().split("\r\n")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(first.split()[1])

    async def frame(self) -> tuple[int, bytes]:
        """The first byte of the next frame, and its payload."""
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first, await self.reader.readexactly(size)

    async def reply(self, number: int | None) -> Any:
        """The reply to a request; what comes before it is passed over."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                first, payload = await self.frame()
                if first & 0x0F == Opcode.TEXT and payload.startswith(b'{"id":'):
                    message = json.loads(payload)
                    if message["id"] == number:
                        return message

    async def code(self) -> int:
        """The code that the server closes with; `CUT` where it gives none."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                while True:
                    first, payload = await self.frame()
                    if first & 0x0F == Opcode.CLOSE:
                        self.say(payload[:2], Opcode.CLOSE)
                        return int.from_bytes(payload[:2], "big")
            except (asyncio.IncompleteReadError, ConnectionError):
                return CUT

    def leave(self) -> None:
        """Cut the socket."""
        with contextlib.suppress(ConnectionError):
            self.writer.transport.abort()


def upgrade(**headers: str) -> bytes:
    """A request for a WebSocket; `_` in a header's name stands for `-`."""
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return ("GET /ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n").encode()
