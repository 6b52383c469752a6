"""NATS: `nats-server` with its WebSocket listener, and a publisher beside the clients.

The server has a core of its own. The publisher writes the `PUB`s of a turn at once, and is at most `AHEAD` turns ahead
of what the server has taken, which its `PONG`s tell; what the server holds for clients then is its own affair. It has
room for all of a run, for it would cut off a client that lags. Clients speak the NATS protocol in frames that the
server cuts wherever it likes: see `benchmarks.load`.
"""

from __future__ import annotations

import socket
import sys
import time
from argparse import Namespace

from benchmarks.peers import NATS_SERVER
from benchmarks.peers.workload import arguments, due, payload, repeated
from benchmarks.processes import LOAD_CORE, SERVER_CORE, pin, say, started_program

AHEAD = 4
SECONDS_MAX = 10
CONFIGURATION = """
host: 127.0.0.1
log_file: /dev/null
port: {port}
max_connections: 30000
max_pending: 1GB
write_deadline: 60s
websocket {{ host: 127.0.0.1, port: {websocket_port}, no_tls: true }}
"""


def free_ports(count: int) -> list[int]:
    """TCP ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port: int, seconds: float) -> bool:
    """Whether a server listens there within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return True
    return False


class Publisher:
    """A client that publishes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = self._socket.makefile("rb")
        self._received.readline()  # INFO
        self._unanswered = 0
        self._socket.sendall(b'CONNECT {"verbose":false}\r\n')

    def publish(self, messages: bytes) -> None:
        """Send some, when the server has taken those before."""
        self._socket.sendall(messages + b"PING\r\n")
        self._unanswered += 1
        self.wait(AHEAD)

    def wait(self, ahead: int = 0) -> None:
        """Wait until the server has taken all but so many of what was published."""
        while self._unanswered > ahead:
            line = self._received.readline()
            if line == b"PONG\r\n":
                self._unanswered -= 1
            elif line == b"PING\r\n":
                self._socket.sendall(b"PONG\r\n")
            else:
                raise ConnectionError(f"nats-server says {line!r}")


def produce(given: Namespace, port: int) -> tuple[int, float]:
    """Publish all; returns when that began, by the monotonic clock in ns, and the processor time that it took here."""
    prepared = [
        b"PUB s%03d %d\r\n%b\r\n" % (n % given.streams, given.bytes, payload(n, given.bytes))
        for n in range(given.prepared)
    ]
    published = repeated(prepared, given.messages)
    if 0 <= given.lose < given.messages:
        published[given.lose] = b""
    publisher = Publisher(port)
    started_ns, cpu = time.monotonic_ns(), time.process_time()
    for numbers in due(given, started_ns):
        if numbers:
            publisher.publish(b"".join(published[numbers.start : numbers.stop]))
        else:
            until_ns = started_ns + numbers.start * 1_000_000_000 // given.rate
            time.sleep(max(0, until_ns - time.monotonic_ns()) / 1e9)
    publisher.wait()
    return started_ns, time.process_time() - cpu


def main(given: Namespace) -> None:
    """Serve until stdin ends."""
    port, websocket_port = free_ports(2)
    with started_program(NATS_SERVER, "-c", "/dev/stdin", core=SERVER_CORE) as nats:
        try:
            pin(LOAD_CORE)
            assert nats.stdin is not None
            with nats.stdin:
                nats.stdin.write(CONFIGURATION.format(port=port, websocket_port=websocket_port))
            if not listens(websocket_port, SECONDS_MAX):
                say(error="nats-server does not listen")
                return
            say(port=websocket_port, pid=nats.pid)
            if sys.stdin.readline():
                started_ns, cpu = produce(given, port)
                if sys.stdin.readline():
                    say(waited_seconds=0.0, started_ns=started_ns, load_cpu_seconds=cpu)
                    sys.stdin.readline()
        finally:
            nats.terminate()


if __name__ == "__main__":
    main(arguments())
