"""What does a client that polls a book know, and what does it cost, beside one that is told?

                           core 0                            core 1
                ┌─────────────────────────┐         ┌──────────────────────┐
    a recorded  │ server, as `tickwire    │  GET ◄──┤ a few clients: each  │     how old is what they hold?
    book ──────►│ replay` runs it, and    ├────────►│ polls at 1, 10 or    ├──►  which changes did they never see?
                │ its tape: when each     │ stream  │ 100 Hz, or reads the │     is it the book of that moment,
                │ change was published    ├────────►│ stream               │     level by level?
                └─────────────────────────┘         └──────────────────────┘

The recording is the first seconds of the built-in market's BTC/USDT, the same in each measurement; each has a server of
its own, and after it comes one that nobody reads. The stream's clients rebuild the book: it must be the server's at
every number, and so must every answer to a GET, or the run fails with exit code 1. The processor time is what the
server needs above the median of those that nobody reads.

    python benchmarks/rest_vs_stream.py [--seconds 20] [--clients 10] [--json FILE] [--page] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks import rest_page
from benchmarks.fanout import Failed, said, started, tell
from benchmarks.fanout_load import Wrong, connect, frame_size
from benchmarks.fanout_workload import pin
from benchmarks.rest_server import SYMBOL, Change, digest, record
from benchmarks.staleness import Staleness

RATES_HZ = (1, 10, 100)
STREAM = "stream"
PATH = f"/api/v1/instruments/{SYMBOL}/book"
SUBSCRIBE = b'{"id":1,"method":"subscribe","params":{"channel":"book","symbols":["SIM:BTC-USDT"]}}'
START_NS = 1_000_000_000
"""How long after the server's start a measurement begins: its clients are connected by then."""
MARGIN_SECONDS = 3
"""Of recording beyond the measurement."""
TEXT, PING, PONG = 0x81, 0x89, 0x8A
BUFFER_BYTES = 1 << 18
ANSWER_SECONDS_MAX = 5


def _sleep_until(at: int) -> None:
    time.sleep(max(0, at - time.monotonic_ns()) / 1e9)


class _Data(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Message(msgspec.Struct):
    type: str = ""
    seq: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class Client:
    """One that holds the book, from before a measurement on.

    Attributes:
        received: payloads, and when each was there whole (monotonic ns).
        bytes: what came over the socket during the measurement.
    """

    def __init__(self) -> None:
        self.received: list[tuple[int, bytes]] = []
        self.bytes = 0

    def run(self, begin: int, end: int) -> None:
        """Hold the book until `end`. The measurement is from `begin` to `end`, monotonic ns."""
        raise NotImplementedError

    def held(self) -> Iterator[tuple[int, int, str]]:
        """When it had which number, and the digest of its book then.

        Raises:
            Wrong: it can't be a book.
        """
        raise NotImplementedError


class Reader(Client):
    """Reads the stream."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._begun = b""
        self._socket = connect(port, greetings=1)
        self._socket.setblocking(True)
        self._send(TEXT, SUBSCRIBE)
        while len(self.received) < 2:  # the reply and the snapshot
            self._read()

    def _send(self, kind: int, payload: bytes) -> None:
        self._socket.sendall(bytes((kind, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def _read(self) -> int:
        """Take in what has come; how many bytes."""
        data = self._socket.recv(BUFFER_BYTES)
        now = time.monotonic_ns()
        begun = self._begun + data
        at = 0
        while (size := frame_size(begun[at : at + 10])) is not None and at + size <= len(begun):
            header = 2 if begun[at + 1] < 126 else 4 if begun[at + 1] == 126 else 10
            payload = begun[at + header : at + size]
            if begun[at] == PING:
                self._send(PONG, payload)
            else:
                self.received.append((now, payload))
            at += size
        self._begun = begun[at:]
        return len(data)

    def run(self, begin: int, end: int) -> None:
        """See `Client`."""
        while (left := (end - time.monotonic_ns()) / 1e9) > 0:
            self._socket.settimeout(left)
            try:
                size = self._read()
            except TimeoutError:
                return
            self.bytes += size if time.monotonic_ns() >= begin else 0

    def held(self) -> Iterator[tuple[int, int, str]]:
        """See `Client`."""
        decoder, sides = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Data)
        bids: dict[str, str] = {}
        asks: dict[str, str] = {}
        expected = -1
        for at, payload in self.received:
            message = decoder.decode(payload)
            if message.type in ("", "heartbeat"):  # the reply to the request has no type
                continue
            if message.type not in ("snapshot", "update") or expected not in (-1, message.seq):
                raise Wrong(f"the book's message {expected} was to come, but this came: {payload[:160]!r}")
            expected = message.seq + 1
            data = sides.decode(message.data)
            for levels, changed in ((bids, data.bids), (asks, data.asks)):
                levels.update(changed)
                for price, size in changed:
                    if size == "0":
                        del levels[price]
            yield at, message.seq, digest(_sorted(bids, -1), _sorted(asks, +1))


def _sorted(levels: dict[str, str], sign: int) -> list[tuple[str, str]]:
    return sorted(levels.items(), key=lambda level: sign * float(level[0]))


class Poller(Client):
    """Asks for the whole book over a connection that is kept.

    Args:
        hz: how often.
        offset: which part of a period after the first poller it begins.
    """

    def __init__(self, port: int, hz: int, offset: float) -> None:
        super().__init__()
        self._hz = hz
        self._offset = offset
        self._request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n\r\n".encode()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask()

    def _ask(self) -> int:
        """Send a request and keep the answer; how many bytes it had."""
        self._socket.sendall(self._request)
        data, size = b"", 0
        while not size or len(data) < size:
            data += self._socket.recv(BUFFER_BYTES)
            if not size and (end := data.find(b"\r\n\r\n")) >= 0:
                head = data[:end].lower()
                if not head.startswith(b"http/1.1 200"):
                    raise Wrong(f"a GET of the book was answered with {data[:200]!r}")
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                body, size = end + 4, end + 4 + int(length)
        self.received.append((time.monotonic_ns(), data[body:]))
        return size

    def run(self, begin: int, end: int) -> None:
        """See `Client`. After an answer that is late it goes on in its rhythm."""
        period = 1_000_000_000 // self._hz
        due = begin + int(period * (self._offset - 1))
        while due < end:
            _sleep_until(due)
            size = self._ask()
            self.bytes += size if time.monotonic_ns() >= begin else 0
            due += max(1, -(-(time.monotonic_ns() - due) // period)) * period

    def held(self) -> Iterator[tuple[int, int, str]]:
        """See `Client`."""
        decoder, sides = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Data)
        for at, body in self.received:
            answer = decoder.decode(body)
            book = sides.decode(answer.data)
            yield at, answer.seq, digest(book.bids, book.asks)


class Result(NamedTuple):
    """Of clients that follow the book in one way; but for the levels, all of a second.

    Args:
        staleness: of all clients together.
        changes: published.
        levels: of the book, both sides together.
        bytes: received by all.
        cpu_seconds: of the server.
    """

    staleness: Staleness
    changes: float
    levels: int
    bytes: float
    cpu_seconds: float


def measure(recording: Path, make: list[Callable[[int], Client]], seconds: float) -> Result:
    """Let clients follow the book for so long, and check what they held.

    Raises:
        Failed, Wrong: a client had something else than the server's book.
    """
    cores = os.sched_getaffinity(0)
    with started("benchmarks.rest_server", recording) as server:
        try:
            listening = said(server)
            pin(1)  # not before: the server would inherit it
            clients = [made(listening["port"]) for made in make]
            began = listening["at"] + START_NS  # the same part of the recording in each measurement
            end = began + int(seconds * 1e9)
            failures: list[Exception] = []
            threads = [Thread(target=_run, args=(client, began, end, failures)) for client in clients]
            for thread in threads:
                thread.start()
            _sleep_until(began)
            tell(server, "start")
            for thread in threads:
                thread.join()
            _sleep_until(end)
            tell(server, "report")
            report = said(server)
        except (Failed, Wrong, OSError) as failure:
            server.kill()
            raise Failed(str(failure)) from None
        finally:
            os.sched_setaffinity(0, cores)
        tell(server, "stop")
    if failures:
        raise Failed(str(failures[0]))
    changes = [Change(*row) for row in report["changes"]]
    staleness = Staleness()
    for client in clients:
        check(client, changes, staleness, began, end)
    return Result(
        staleness=staleness,
        changes=sum(began <= change.at < end for change in changes) / seconds,
        levels=changes[-1].levels,
        bytes=sum(client.bytes for client in clients) / seconds,
        cpu_seconds=report["cpu_seconds"] / seconds,
    )


def _run(client: Client, begin: int, end: int, failures: list[Exception]) -> None:
    try:
        client.run(begin, end)
    except (Wrong, OSError) as failure:
        failures.append(failure)


def check(client: Client, changes: list[Change], staleness: Staleness, begin: int, end: int) -> None:
    """Compare what a client held with the server's book at each number, and count how old it was.

    Raises:
        Wrong: it was another book.
    """
    digests = {change.seq: change.digest for change in changes}
    held = list(client.held())
    for _, seq, its in held:
        if digests.get(seq) != its:
            raise Wrong(f"what was held at {seq} is not the book that the server's tape has at {seq}")
    staleness.add([(at, seq) for at, seq, _ in held], [(each.seq, each.at) for each in changes], begin, end)


def main(argv: list[str]) -> int:
    """Run everything, print the table, and return 1 if a client held something else than the server's book."""
    parser = argparse.ArgumentParser(description="polling a book beside reading its stream")
    parser.add_argument("--seconds", type=float, default=20, metavar="N", help="of each measurement (%(default)s)")
    parser.add_argument("--clients", type=int, default=10, metavar="N", help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--page", action="store_true", help="write the page and its chart into docs/explanation")
    parser.add_argument("--smoke", action="store_true", help="half a second, two clients: only the checks count")
    given = parser.parse_args(argv)
    if given.smoke:
        given.seconds, given.clients = 0.5, 2
    n = given.clients
    ways: dict[str, list[Callable[[int], Client]]] = {STREAM: [Reader] * n}
    for hz in RATES_HZ:
        ways[f"{hz} Hz"] = [lambda port, hz=hz, at=at: Poller(port, hz, at / n) for at in range(n)]  # type: ignore[misc]
    measured: dict[str, Result] = {}
    idle: list[float] = []
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "book.jsonl"
        record(recording, given.seconds + MARGIN_SECONDS)
        for name, make in ways.items():
            try:
                measured[name] = measure(recording, make, given.seconds)
                if not (given.smoke and idle):
                    idle.append(measure(recording, [], given.seconds).cpu_seconds)
            except (Failed, Wrong) as failure:
                print(f"WRONG: {name}: {failure}", file=sys.stderr)
                return 1
    alone = median(idle)
    rows = {name: summary(result, n, alone) for name, result in measured.items()}
    show(rows, alone)
    if given.json:
        report = {"clients": n, "seconds": given.seconds, "idle": alone, "ways": rows}
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    if given.page:
        rest_page.write(rows, {name: result.staleness for name, result in measured.items()}, n, given.seconds)
    print("\nat every number that a client held, it held the server's book")
    return 0


def summary(result: Result, clients: int, idle: float) -> dict[str, Any]:
    """The numbers of a result: staleness in ms; bytes and the server's ms of one client and second, without those of a
    server that nobody reads (`idle`, seconds)."""
    staleness = result.staleness
    return {
        "p50_ms": staleness.quantile(0.5) / 1e6,
        "p99_ms": staleness.quantile(0.99) / 1e6,
        "changes": result.changes,
        "levels": result.levels,
        "missed": staleness.missed / max(1, staleness.changes),
        "bytes": result.bytes / clients,
        "cpu_ms": max(0.0, result.cpu_seconds - idle) / clients * 1e3,
    }


def show(rows: dict[str, dict[str, Any]], idle: float) -> None:
    """Print the table."""
    columns = ("p50 ms", "p99 ms", "changes/s", "never seen", "KB/s", "server ms/s")
    print(f"{'':<10}" + "".join(f"{column:>13}" for column in columns))
    for name, row in rows.items():
        cells = (
            f"{row['p50_ms']:,.2f}", f"{row['p99_ms']:,.2f}", f"{row['changes']:,.0f}", f"{row['missed']:.1%}",
            f"{row['bytes'] / 1e3:,.1f}", f"{row['cpu_ms']:,.2f}",
        )  # fmt: skip
        print(f"{name:<10}" + "".join(f"{cell:>13}" for cell in cells))
    print(f"(of one client; a server that nobody reads needs {idle * 1e3:,.1f} ms/s)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
