"""Those who trade: what they send, when, and what every answer must be."""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks.load import BUFFER_BYTES, SILENCE_SECONDS_MAX, frame_size
from benchmarks.orders.trading import Step, request, wanted
from benchmarks.results import Wrong
from tickwire.model.records import PlaceOrder

AFTERMATH_SECONDS = 0.1
"""How long to look for answers after the last one."""
LATE_SECONDS_MAX = 2.0
"""A server that is so late does not keep up with its orders."""


class _Order(msgspec.Struct):
    client_order_id: str
    status: str
    price: str
    size: str


class _Result(msgspec.Struct):
    order: _Order
    fills: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    id: int = 0
    """0: no answer but a hello or a heartbeat."""
    result: _Result | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class Trader:
    """One account's connection: sends its steps and checks the answers."""

    def __init__(self, client: socket.socket, planned: Sequence[Step]) -> None:
        self.client = client
        self.acknowledged = 0
        self.planned = planned
        self._requests = [request(number, step) for number, step in enumerate(planned, 1)]
        self._sent = 0
        self._begun = b""

    @property
    def complete(self) -> bool:
        """Whether every step is acknowledged."""
        return self.acknowledged == len(self.planned)

    def send(self, until: int) -> None:
        """Have asked for so many steps, or for all that there are."""
        until = min(len(self._requests), until)
        if until > self._sent:
            self.client.sendall(b"".join(self._requests[self._sent : until]))
            self._sent = until

    def read(self, buffer: memoryview) -> int:
        """Read once; the time when that was done, ns.

        Raises:
            Wrong: what comes is not the answer to the next step.
        """
        size = self.client.recv_into(buffer)
        now = time.perf_counter_ns()
        if not size:
            raise Wrong("the server closed a connection")
        self.received(bytes(buffer[:size]))
        return now

    def received(self, data: bytes) -> None:
        """Check what was read.

        Raises:
            Wrong: it is not the answer to the next step.
        """
        data = self._begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            self._answer(data[at + (2 if data[at + 1] < 126 else 4) : at + size])
            at += size
        self._begun = data[at:]

    def _answer(self, body: bytes) -> None:
        answer = _decode(body)
        if answer.id == 0 and body.startswith((b'{"type":"hello"', b'{"type":"heartbeat"')):
            return
        number = self.acknowledged
        if number >= self._sent:
            raise Wrong(f"everything sent was acknowledged, and then this came: {body!r}")
        command, status = self.planned[number]
        result = answer.result
        if (
            result is None
            or (answer.id, result.order.client_order_id) != (number + 1, command.client_order_id)
            or (result.order.status, len(result.fills)) != (status, status == "filled")
            or (isinstance(command, PlaceOrder) and (result.order.price, result.order.size) != wanted(command))
        ):
            raise Wrong(f"request {number + 1}, {command}, was to be {status}, but this came: {body!r}")
        self.acknowledged += 1


def connect(port: int, login: str = "") -> socket.socket:
    """A client that is upgraded, and logged in where there is a login."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upgrade = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    client.sendall((upgrade + (f"Authorization: Basic {login}\r\n" if login else "") + "\r\n").encode())
    received = b""
    while not received.endswith(b"\r\n\r\n"):  # byte by byte: the hello that follows is the trader's to read
        received += client.recv(1) or b"\r\n\r\n"
    if not received.startswith(b"HTTP/1.1 101"):
        raise Wrong(f"the upgrade was refused: {received[:200]!r}")
    client.settimeout(SILENCE_SECONDS_MAX)
    return client


def in_windows(traders: Sequence[Trader], window: int) -> tuple[float, float]:
    """Let each have so many orders under way until everyone has every answer; returns seconds, and those of this
    process's core.

    Raises:
        Wrong: an answer is not what it must be.
    """
    by_fileno = {trader.client.fileno(): trader for trader in traders}
    buffer = memoryview(bytearray(BUFFER_BYTES))
    incomplete, seconds, used = len(traders), 0.0, 0.0
    began, cpu = time.perf_counter(), time.process_time()
    with select.epoll() as epoll:
        for trader in traders:
            epoll.register(trader.client.fileno(), select.EPOLLIN)
            trader.send(window)
        while ready := epoll.poll(SILENCE_SECONDS_MAX if incomplete else AFTERMATH_SECONDS):
            for fileno, _ in ready:
                trader = by_fileno[fileno]
                was_complete = trader.complete
                trader.read(buffer)
                trader.send(trader.acknowledged + window)
                incomplete -= trader.complete and not was_complete
            if not incomplete and not seconds:
                seconds, used = time.perf_counter() - began, time.process_time() - cpu
    if incomplete:
        raise Wrong(f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and {incomplete} connections are incomplete")
    return seconds, used


def one_by_one(trader: Trader, count: int) -> list[int]:
    """Nanoseconds from sending each of the next orders to its answer, which is waited for before the next is sent.

    Raises:
        Wrong: an answer is not what it must be.
    """
    buffer = memoryview(bytearray(BUFFER_BYTES))
    latencies = []
    for number in range(trader.acknowledged + 1, trader.acknowledged + count + 1):
        began = now = time.perf_counter_ns()
        trader.send(number)
        while trader.acknowledged < number:  # a hello or a heartbeat may come first
            now = trader.read(buffer)
        latencies.append(now - began)
    return latencies


def echoed(client: socket.socket, planned: Sequence[Step]) -> list[int]:
    """The same of a server that sends back what it gets.

    Raises:
        Wrong: it sends something else.
    """
    latencies = []
    for number, step in enumerate(planned, 1):
        frame = request(number, step)
        header = 2 if frame[1] & 0x7F < 126 else 4
        expected = bytes((frame[0], frame[1] & 0x7F)) + frame[2:header] + frame[header + 4 :]
        began = time.perf_counter_ns()
        client.sendall(frame)
        data = client.recv(BUFFER_BYTES)
        latencies.append(time.perf_counter_ns() - began)
        if data != expected:
            raise Wrong(f"{expected!r} was to come back, but this came: {data!r}")
    return latencies


def at_rate(traders: Sequence[Trader], orders: int, per_s: int) -> list[int]:
    """Send orders when they are due, whatever has been answered, the traders in turn; nanoseconds from the time that
    each was due to its answer, in the order of the answers.

    Raises:
        Wrong: an answer is not what it must be, or the server is `LATE_SECONDS_MAX` behind.
    """
    by_fileno = {trader.client.fileno(): (number, trader) for number, trader in enumerate(traders)}
    buffer = memoryview(bytearray(BUFFER_BYTES))
    latencies: list[int] = []
    sent = 0
    gc.disable()  # or its pauses would be taken for the server's
    try:
        with select.epoll() as epoll:
            for fileno in by_fileno:
                epoll.register(fileno, select.EPOLLIN)
            began = time.perf_counter_ns()
            while len(latencies) < orders:
                late_ns = time.perf_counter_ns() - began
                due = min(orders, late_ns * per_s // 1_000_000_000 + 1)
                while sent < due:
                    traders[sent % len(traders)].send(sent // len(traders) + 1)
                    sent += 1
                if late_ns > orders * 1_000_000_000 // per_s + LATE_SECONDS_MAX * 1e9:
                    raise Wrong(f"of {orders} orders, {per_s} a second, {len(latencies)} were acknowledged in time")
                for fileno, _ in epoll.poll(0):  # the core is this process's own
                    number, trader = by_fileno[fileno]
                    first = trader.acknowledged
                    now = trader.read(buffer) - began
                    for step in range(first, trader.acknowledged):
                        latencies.append(now - (step * len(traders) + number) * 1_000_000_000 // per_s)
    finally:
        gc.enable()
    return latencies


def check(report: dict[str, Any], acknowledged: list[Step]) -> None:
    """Compare what the server has with what it has acknowledged.

    Raises:
        Wrong: it is not the same.
    """
    statuses = [step.status for step in acknowledged]
    rested, taken, canceled = (statuses.count(status) for status in ("open", "filled", "canceled"))
    expected = {
        "placed": rested + taken,
        "canceled": canceled,
        "open": rested - canceled,
        "taken": taken,
        "imbalances": [],
    }
    found = {name: report[name] for name in expected}
    if found != expected:
        raise Wrong(f"the server should have {expected}, but has {found}")
