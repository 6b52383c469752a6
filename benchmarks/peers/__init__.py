"""The servers that benchmarks put beside each other, each used as its own documentation recommends.

    with serving("socketify", messages=100_000, turn=256) as server:
        clients = [connect(server) for _ in range(200)]        # benchmarks.load
        server.start()
        ...                                                     # read
        report = server.report()

Each runs in a process of its own on `SERVER_CORE`, and sends the same numbered messages to all clients: `turn` of them
a turn of its event loop, as fast as clients take them, or `rate` a second, whether they take them or not.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from benchmarks.processes import SERVER_CORE, cpu_seconds_of, said, started_program, tell
from benchmarks.results import Wrong

HERE = Path(__file__).resolve().parent
NATS_SERVER = Path(sys.executable).with_name("nats-server")
LIMIT_C = HERE / "limit.c"


def _symbols(streams: Sequence[int]) -> bytes:
    symbols = ",".join(f'"SIM:S{stream:03}-USDT"' for stream in streams)
    return f'{{"id":1,"method":"subscribe","params":{{"channel":"trades","symbols":[{symbols}]}}}}'.encode()


def _subjects(streams: Sequence[int]) -> bytes:
    subscribing = "".join(f"SUB s{stream:03} {stream:03}\r\n" for stream in streams)
    return f'CONNECT {{"verbose":false}}\r\n{subscribing}PING\r\n'.encode()


def _numbers(streams: Sequence[int]) -> bytes:
    return b",".join(b"%d" % stream for stream in streams)


class Peer(NamedTuple):
    """A server.

    Args:
        command: what runs it.
        why: how it is used, and why so.
        request: what a client sends after the upgrade to read the one stream; nothing if empty.
        greetings: frames that come before the stream's first one.
        path: what a client connects to.
        asks: what a client sends to read some of many streams; None for a server without topics.
        greetings_of: frames that come first then, by the number of streams.
        needs: the program that it can't run without, where that is no part of this project's environment.
        core: where it runs; None for one that sees to that itself.
    """

    command: Sequence[str | Path]
    why: str
    request: bytes = b""
    greetings: int = 0
    path: str = "/ws"
    asks: Callable[[Sequence[int]], bytes] | None = None
    greetings_of: Callable[[int], int] = lambda _: 1
    needs: str | Path = sys.executable
    core: int | None = SERVER_CORE

    @property
    def available(self) -> bool:
        """Whether it can run here."""
        return shutil.which(self.needs) is not None

    @property
    def why_not(self) -> str:
        """What is missing; "" for nothing."""
        return "" if self.available else f"there is no {Path(self.needs).name} here"


def _python(module: str) -> Sequence[str]:
    return (sys.executable, "-m", f"benchmarks.peers.{module}")


OURS = "tickwire"

PEERS = {
    "tickwire": Peer(
        _python("tickwire"),
        "uvicorn, gateway, sessions and hub as in production; a turn is a transaction; the codec has the frames ready",
        request=_symbols([0]),
        greetings=3,  # hello, the reply, and the snapshot
        asks=_symbols,
        greetings_of=lambda streams: 2 + streams,
    ),
    "socketify": Peer(_python("socketify"), "uWebSockets: app.publish for each message to the topic", asks=_numbers),
    "websockets": Peer(
        _python("websockets"),
        "websockets.broadcast for each message, on uvloop, without compression and keepalive",
        asks=_numbers,
    ),
    "picows": Peer(_python("picows"), "transport.send for each message and client, on uvloop"),
    "aiohttp": Peer(_python("aiohttp"), "await ws.send_str for each message and client, on uvloop"),
    "starlette": Peer(
        _python("starlette"), "await websocket.send_text for each message and client, on uvicorn with uvloop"
    ),
    "nats": Peer(
        _python("nats"),
        "nats-server with its WebSocket listener on one core; a publisher on the load's core writes a turn at once",
        request=_subjects([0]),
        greetings=2,  # its INFO and the PONG
        path="/",
        asks=_subjects,
        greetings_of=lambda _: 2,
        needs=NATS_SERVER,
        core=None,
    ),
    "ws": Peer(("node", HERE / "ws.mjs"), "Node: client.send for each message and client, from a Buffer", needs="node"),
    "limit": Peer(
        (LIMIT_C,),
        "bare system calls in C: one send() of a turn's ready bytes for each client, and nothing else",
        needs="cc",
    ),
    "pages": Peer(
        (LIMIT_C, "--pages=1"),
        "bare system calls in C: one sendfile() of a turn's bytes in a ready file for each client, and nothing else",
        needs="cc",
    ),
}
"""By name. "limit" and "pages" are no servers: they are what the system calls cost that a server makes for each client.
"""


class Report(NamedTuple):
    """What a server has to say when all is produced.

    Args:
        cpu_seconds: its processor time since `start`, of all its threads.
        waited_seconds: how long of that the producer waited for clients that had much unsent.
        started_ns: when it began, by the monotonic clock: message n of an open loop was due n / rate later.
        load_cpu_seconds: processor time of what it needs beside it on the load's core.
    """

    cpu_seconds: float
    waited_seconds: float
    started_ns: int
    load_cpu_seconds: float = 0.0


class Server:
    """One that listens."""

    def __init__(self, peer: Peer, process: subprocess.Popen[str]) -> None:
        """
        Raises:
            Wrong: it has ended.
        """
        listening = said(process)
        self.peer = peer
        self.port: int = listening["port"]
        self.pid: int = listening.get("pid", process.pid)
        self._process = process
        self.cpu_seconds_before = 0.0
        """What it had used at the start."""

    def start(self) -> None:
        """Let it produce."""
        self.cpu_seconds_before = self.cpu_seconds()
        tell(self._process, "start")

    def report(self) -> Report:
        """Wait until all is produced.

        Raises:
            Wrong: it has ended.
        """
        tell(self._process, "report")
        report = said(self._process)
        return Report(self.cpu_seconds() - self.cpu_seconds_before, **report)

    def kill(self) -> None:
        """End it at once: something went wrong."""
        self._process.kill()

    def cpu_seconds(self) -> float:
        """The processor time that it has used, of all its threads."""
        return cpu_seconds_of(self.pid)


@contextmanager
def serving(
    name: str,
    *,
    messages: int,
    turn: int = 256,
    rate: int = 0,
    payload_bytes: int = 125,
    lose: int = -1,
    streams: int = 1,
    prepared: int = 0,
) -> Iterator[Server]:
    """A server that listens, and is stopped at the end.

    Args:
        messages: how many it is to produce.
        turn: messages a turn of its event loop, if it is to produce as fast as clients read.
        rate: messages a second, if that is fixed. Those that are due are sent at once.
        payload_bytes: of each message.
        lose: number of a message to leave out, to see a check fail.
        streams: message n belongs to stream n % streams.
        prepared: how many differ, whole turns and rounds of the streams; they are sent again and again. All if 0.

    Raises:
        Wrong: it can't run here, or has ended.
    """
    peer = PEERS[name]
    if peer.why_not:
        raise Wrong(peer.why_not)
    given = {
        "messages": messages, "turn": turn, "rate": rate, "bytes": payload_bytes, "lose": lose, "streams": streams,
        "prepared": prepared or messages,
    }  # fmt: skip
    program, *arguments = peer.command
    arguments += [f"--{option}={value}" for option, value in given.items()]
    with started_program(_compiled() if program == LIMIT_C else program, *arguments, core=peer.core) as process:
        try:
            yield Server(peer, process)
        except BaseException:
            process.kill()
            raise


@cache
def _compiled() -> Path:
    folder = mkdtemp(prefix="tickwire-limit-")
    atexit.register(shutil.rmtree, folder)
    program = Path(folder) / "limit"
    subprocess.run(["cc", "-O2", "-Wall", "-o", program, LIMIT_C], check=True)
    return program
