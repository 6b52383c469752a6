"""Clients that lose their connections while messages go on, and all come back at once."""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks.load import AFTERMATH_SECONDS, Reader, Stream
from benchmarks.peers import OURS, PEERS, serving
from benchmarks.peers.workload import frame
from benchmarks.processes import LOAD_CORE, pinned
from benchmarks.results import Wrong
from benchmarks.storm.arriving import Arriving, Loop, arrive

BUFFER_BYTES = 1 << 18


class Plan(NamedTuple):
    """What is to happen.

    Args:
        clients: that are cut off. others: that are not.
        rate: messages a second. payload_bytes: of each.
        calm: seconds before the cut. away: until all come back. after: from then to the last message.
        lose: number of a message that the server leaves out, to see the check fail; -1 for none.
        late: how many messages too far a client goes on from, to see the check fail.
    """

    clients: int
    others: int
    rate: int
    payload_bytes: int
    calm: float
    away: float
    after: float
    lose: int = -1
    late: int = 0


class Resumed(NamedTuple):
    """What came of it.

    Args:
        seconds: from the first attempt to come back until the last client had what it missed, each: of each client.
        missed_bytes: that they were sent, together.
        calm, stormy: latencies of those that stayed, ns: of messages due before the cut, and during the storm.
        server, reading: shares of their cores that the server and the clients used during the storm.
    """

    seconds: float
    each: list[float]
    missed_bytes: int
    calm: list[int]
    stormy: list[int]
    server: float
    reading: float


class Client:
    """One that reads the stream. It knows when it had each message."""

    def __init__(self, client: socket.socket, stream: Stream, buffer: bytearray, came: array[int] | None) -> None:
        self.socket = client
        self.reader = Reader(stream)
        self.came = came
        self._frame_bytes = stream.frame_bytes
        self._buffer = buffer
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))

    def readable(self) -> None:
        """
        Raises:
            Wrong: what comes is not what has to.
        """
        size = self.socket.recv_into(self._buffer)
        if not size:
            raise Wrong(f"the server closed a connection before message {self.reader.awaited}")
        self._took(self._address, size)

    def cut(self) -> None:
        """Reset the connection; what was received of a message is lost."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.reader.begun = b""
        self.reader.position -= self.reader.position % self._frame_bytes

    def back(self, arrived: Arriving) -> None:
        """
        Raises:
            Wrong: it was not let go on.
        """
        _, reply = arrived.greeted
        if b'"recovered":true' not in reply or b'"error"' in reply:
            raise Wrong(f"who comes back is told {reply[:300]!r}")
        if arrived.rest:
            self._took(ctypes.cast(ctypes.c_char_p(arrived.rest), ctypes.c_void_p).value or 0, len(arrived.rest))

    def _took(self, address: int, size: int) -> None:
        before = self.reader.awaited
        self.reader.received(address, size)
        if self.came is not None:
            self.came.extend([time.monotonic_ns()] * (self.reader.awaited - before))


def resume_storm(plan: Plan) -> Resumed:
    """Let it happen.

    Raises:
        Wrong: a client did not get every message once and in order.
    """
    peer = PEERS[OURS]
    messages = int(plan.rate * (plan.calm + plan.away + plan.after))
    stream = Stream(messages, partial(frame, size=plan.payload_bytes))
    buffer = bytearray(BUFFER_BYTES)
    clients: list[Client] = []
    loop = Loop()
    with (
        serving(OURS, messages=messages, rate=plan.rate, payload_bytes=plan.payload_bytes, lose=plan.lose) as server,
        pinned(LOAD_CORE),
    ):
        try:
            coming = partial(Arriving, server.port, peer.path)
            arriving = [coming(peer.request, peer.greetings) for _ in range(plan.clients + plan.others)]
            for number, each in enumerate(arriving):
                came = array("q") if number >= plan.clients else None
                clients.append(Client(each.socket, stream, buffer, came))
            arrive(loop, arriving)
            epoch = json.loads(arriving[0].greeted[0][4:])["epoch"]
            for client in clients:
                loop.read(client.socket, client.readable)
            leaving, staying = clients[: plan.clients], clients[plan.clients :]

            server.start()
            _wait(loop, plan.calm)
            cut_ns = time.monotonic_ns()
            for client in leaving:
                loop.forget(client.socket)
                client.cut()
            _wait(loop, plan.away)

            until = max(client.reader.awaited for client in staying)
            missed = sum(until - client.reader.awaited for client in leaving) * stream.frame_bytes
            began, server_cpu, cpu = time.monotonic_ns(), server.cpu_seconds(), time.process_time()
            each_ns = _come_back(loop, coming, leaving, epoch, until, plan.late)
            ended = time.monotonic_ns()
            server_cpu, cpu = server.cpu_seconds() - server_cpu, time.process_time() - cpu
            loop.run(lambda: all(client.reader.complete for client in clients))
            _wait(loop, AFTERMATH_SECONDS)
            if any(client.reader.begun for client in clients):
                raise Wrong("more came after the last message")
            started_ns = server.report().started_ns
        finally:
            loop.close()
            for client in clients:
                client.socket.close()
    due = [started_ns + n * 1_000_000_000 // plan.rate for n in range(messages)]
    calm, stormy = (
        [
            at - since
            for client in staying
            for at, since in zip(client.came or (), due, strict=True)
            if begun <= since < end
        ]
        for begun, end in ((started_ns, cut_ns), (began, ended + 2_000_000_000 // plan.rate))
    )
    seconds = (ended - began) / 1e9
    return Resumed(
        seconds, [ns / 1e9 for ns in each_ns], missed, calm, stormy, min(1.0, server_cpu / seconds), cpu / seconds
    )


def _wait(loop: Loop, seconds: float) -> None:
    end = time.monotonic() + seconds
    loop.run(lambda: time.monotonic() >= end)


def _come_back(
    loop: Loop, coming: Callable[[bytes, int], Arriving], clients: list[Client], epoch: str, until: int, late: int
) -> list[int]:
    """Let clients come back, each from its place; how long that took each, ns, until it had message `until`."""
    began, took = time.monotonic_ns(), []

    def come(client: Client) -> None:
        position = b',"from":{"epoch":"%b","seq":%d}}}' % (epoch.encode(), client.reader.awaited + late)
        waiting = True

        def look() -> None:
            nonlocal waiting
            if waiting and client.reader.awaited >= until:
                waiting = False
                took.append(time.monotonic_ns() - began)

        def readable() -> None:
            client.readable()
            look()

        def back(arrived: Arriving) -> None:
            client.back(arrived)
            look()
            loop.read(client.socket, readable)

        arriving = coming(PEERS[OURS].request.removesuffix(b"}}") + position, 2)
        client.socket = arriving.socket
        loop.add(arriving, back)

    for client in clients:
        come(client)
    loop.run(lambda: len(took) == len(clients))
    return took
