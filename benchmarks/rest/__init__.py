"""What does a client that polls a book know, and what does it cost, beside one that is told?

                           core 0                            core 1
                ┌─────────────────────────┐         ┌──────────────────────┐
    a recorded  │ server, as `tickwire    │  GET ◄──┤ a few clients: each  │     how old is what they hold?
    book ──────►│ replay` runs it, and    ├────────►│ polls at 1, 10 or    ├──►  which changes did they never see?
                │ its tape: when each     │ stream  │ 100 Hz, or reads the │     is it the book of that moment,
                │ change was published    ├────────►│ stream               │     level by level?
                └─────────────────────────┘         └──────────────────────┘

The recording is the first seconds of the built-in market's BTC/USDT, the same in each measurement; each has a server of
its own, and after it comes one that nobody reads. The stream's clients rebuild the book, to the last number on the
server's tape: it must be the server's at every number, and so must every answer to a GET, or nothing counts. Staleness
is how long what a client holds has been out of date, exact over all moments. The processor time is what the server
needs above the median of those that nobody reads.
"""

from __future__ import annotations

import socket
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from typing import NamedTuple

import msgspec

from benchmarks.frames import frames, payload
from benchmarks.load import connect
from benchmarks.processes import LOAD_CORE, pinned, said, started, tell
from benchmarks.rest.recording import SYMBOL, Change, digest, record
from benchmarks.rest.staleness import Staleness
from benchmarks.results import Cell, Lines, Measured, Table, Wrong

RATES_HZ = (1, 10, 100)
STREAM = "stream"
PATH = f"/api/v1/instruments/{SYMBOL}/book"
SUBSCRIBE = b'{"id":1,"method":"subscribe","params":{"channel":"book","symbols":["SIM:BTC-USDT"]}}'
START_NS = 500_000_000
"""How long after the server's start a measurement begins: its clients are connected by then."""
MARGIN_SECONDS = 3
"""Of recording beyond the measurement."""
TEXT, PING, PONG = 0x81, 0x89, 0x8A
BUFFER_BYTES = 1 << 18
ANSWER_SECONDS_MAX = 5
AGES_MS = [10 ** (step / 16) for step in range(-32, 49)]
"""Where the chart's curves have their points: from 10 µs to 1 s."""


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

    def finish(self, last: int) -> None:
        """After the measurement, hear of all that was published in it: number `last` is the newest.

        Raises:
            Wrong: it does not come.
        """

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
        if not data:
            raise Wrong("the server closed a stream")
        now = time.monotonic_ns()
        begun = self._begun + data
        at = 0
        for frame in frames(begun):
            if frame[0] == PING:
                self._send(PONG, payload(frame))
            else:
                self.received.append((now, payload(frame)))
            at += len(frame)
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

    def finish(self, last: int) -> None:
        """See `Client`. A message that says it is later does not count: `held` misses those before."""
        self._socket.settimeout(ANSWER_SECONDS_MAX)
        try:
            while msgspec.json.decode(self.received[-1][1], type=_Message).seq < last:
                self._read()
        except TimeoutError:
            raise Wrong(f"the stream fell silent before number {last} of the book") from None

    def held(self) -> Iterator[tuple[int, int, str]]:
        """See `Client`."""
        decoder, sides = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Data)
        bids: dict[str, str] = {}
        asks: dict[str, str] = {}
        expected = -1
        for at, text in self.received:
            message = decoder.decode(text)
            if message.type in ("", "heartbeat"):  # the reply to the request has no type
                continue
            if message.type not in ("snapshot", "update") or expected not in (-1, message.seq):
                raise Wrong(f"the book's message {expected} was to come, but this came: {text[:160]!r}")
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
            received = self._socket.recv(BUFFER_BYTES)
            if not received:
                raise Wrong("the server closed the connection of a GET")
            data += received
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


class Followed(NamedTuple):
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


def follow(recording: Path, make: list[Callable[[int], Client]], seconds: float) -> Followed:
    """Let clients follow the book for so long, and check what they held.

    Raises:
        Wrong: a client had something else than the server's book.
    """
    with started("benchmarks.rest.server", recording) as server:
        try:
            listening = said(server)
            with pinned(LOAD_CORE):
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
                if failures:
                    raise failures[0]
                _sleep_until(end)
                tell(server, "report")
                report = said(server)
                changes = [Change(*row) for row in report["changes"]]
                staleness = Staleness()
                for client in clients:
                    check(client, changes, staleness, began, end)
        except (Wrong, OSError) as failure:
            server.kill()
            raise Wrong(str(failure)) from None
        tell(server, "stop")
    return Followed(
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
        Wrong: it was another book, or none when the measurement began, or it did not hear of the last change.
    """
    client.finish(changes[-1].seq)
    digests = {change.seq: change.digest for change in changes}
    last = changes[-1].seq
    held = [(at, seq, its) for at, seq, its in client.held() if at < end or seq <= last]  # the server goes on
    if held[0][0] > begin:
        raise Wrong("a client was not there when the measurement began")
    for _, seq, its in held:
        if digests.get(seq) != its:
            raise Wrong(f"what was held at {seq} is not the book that the server's tape has at {seq}")
    staleness.add([(at, seq) for at, seq, _ in held], [(each.seq, each.at) for each in changes], begin, end)


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--seconds", type=float, default=8, metavar="N", help="of each measurement (%(default)s)")
    parser.add_argument("--clients", type=int, default=10, metavar="N", help="(%(default)s)")


def measure(given: Namespace) -> Measured:
    """Follow the book in each way."""
    rates: tuple[int, ...] = RATES_HZ
    if given.smoke:
        given.seconds, given.clients, rates = 0.3, 1, RATES_HZ[-1:]
    n = given.clients
    ways: dict[str, list[Callable[[int], Client]]] = {STREAM: [Reader] * n}
    for hz in rates:
        ways[f"GET, {hz} Hz"] = [lambda port, hz=hz, at=at: Poller(port, hz, at / n) for at in range(n)]  # type: ignore[misc]
    if given.smoke:  # one server for all of them
        ways = {"all at once": [make for each in ways.values() for make in each]}
    followed: dict[str, Followed] = {}
    idle: list[float] = []
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "book.jsonl"
        record(recording, given.seconds + MARGIN_SECONDS)
        for name, make in ways.items():
            try:
                followed[name] = follow(recording, make, given.seconds)
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None
            idle.append(0.0 if given.smoke else follow(recording, [], given.seconds).cpu_seconds)
    return summary(followed, n, given.seconds, median(idle))


def summary(followed: Mapping[str, Followed], clients: int, seconds: float, idle: float) -> Measured:
    """The numbers of one client and second.

    Args:
        idle: processor seconds a second of a server that nobody reads.
    """
    rows: list[list[Cell]] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    for name, each in followed.items():
        staleness = each.staleness
        curves[name] = [(age, staleness.share_within(age * 1e6)) for age in AGES_MS]
        rows.append(
            [
                name,
                staleness.quantile(0.5) / 1e6,
                staleness.quantile(0.99) / 1e6,
                staleness.missed / max(1, staleness.changes) * 100,
                each.bytes / clients / 1e3,
                max(0.0, each.cpu_seconds - idle) / clients * 1e3,
            ]
        )
    columns = ["of one client", "staleness p50, ms", "p99, ms", "never seen, %", "KB/s", "server's processor, ms/s"]
    first = next(iter(followed.values()))
    return Measured(
        settings={
            "clients": clients,
            "seconds": seconds,
            "levels of the book": first.levels,
            "changes/s": first.changes,
        },
        tables=[Table("A book, polled and streamed", columns, rows)],
        charts=[
            Lines(
                "How old is the book that a client holds?",
                "staleness, ms",
                "share of the time in which it was no older than this",
                curves,
                "x",
            )
        ],
        findings=[
            f"A server that nobody reads needs {idle * 1e3:.1f} ms/s.",
            "What follows from this is told in [a page of its own](explanation/rest-vs-websocket.md).",
        ],
    )
