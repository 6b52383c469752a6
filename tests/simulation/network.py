"""A network of byte pipes in memory that is slow, breaks everything into pieces, stalls, cuts and falls silent.

Within a connection it is TCP: what arrives is a prefix of what was sent, in order, once. What it does not promise is
when, in which pieces, how much of it, and that either end is told when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

from simulation.loop import NOBODY, Process, VirtualLoop
from simulation.sockets import ClientEnd, ServerEnd
from simulation.trace import Trace
from tickwire.client.link import Receiver
from tickwire.errors import ConnectionLost
from tickwire.protocol.client_codec import Encoding

DIAL_SECONDS_MAX = 2.0


class Wiretap(Protocol):
    """Sees all messages of a client's connections, one connection after the other."""

    name: str

    def opened(self) -> None: ...
    def sent(self, data: bytes) -> None: ...
    def received(self, data: bytes) -> None: ...
    def closed(self, code: int) -> None: ...


class Listener(Protocol):
    """A server that takes connections."""

    process: Process

    def accept(self, transport: ServerEnd) -> asyncio.Protocol: ...


class Network:
    """All connections.

    Attributes:
        listener: who takes new connections; None while nobody listens.
        at: told each step of the server that it could be killed in.
        latency: seconds that a piece takes at most. pieces: how likely bytes are broken up.
    """

    def __init__(self, loop: VirtualLoop, rng: Random, trace: Trace) -> None:
        self.loop, self.rng, self.trace = loop, rng, trace
        self.listener: Listener | None = None
        self.at: Callable[[str], None] = lambda step: None
        self.latency = 10 ** rng.uniform(-4, -1.3)
        self.pieces = rng.choice((0.0, 0.2, 0.7))
        self.kernel_bytes = rng.choice((128, 512, 2_048, 16_384))
        self.links: list[ClientEnd] = []
        self._dialled = 0

    async def dial(self, tap: Wiretap, encoding: Encoding, receiver: Receiver) -> ClientEnd:
        """A client connects.

        Raises:
            ConnectionLost: it failed.
        """
        self._dialled += 1
        name = f"{tap.name}#{self._dialled}"
        await asyncio.sleep(self.rng.uniform(0, self.latency))
        listener = self.listener
        if listener is None:
            raise ConnectionLost("nobody listens")
        up, down = Way(self, f"{name}>"), Way(self, f"{name}<")
        server = ServerEnd(self, listener, up, down)
        client = ClientEnd(self, name, up, down, server, receiver, tap, encoding)
        self.links.append(client)
        try:
            async with asyncio.timeout(DIAL_SECONDS_MAX):
                await client.upgraded
        except BaseException as error:
            client.close(1006, "")
            if isinstance(error, TimeoutError):
                raise ConnectionLost("no answer in time") from None
            raise
        return client

    def open_links(self) -> list[ClientEnd]:
        """The connections that their client holds for alive."""
        self.links = [link for link in self.links if not link.gone or not link.server.gone]
        return [link for link in self.links if not link.gone]

    def kill(self, process: Process) -> None:
        """All sockets of a process die with it, some of them without a word (its machine is gone)."""
        silent = self.rng.random() < 0.2
        for link in self.links:
            if link.server.process is process:
                link.server.died()
                if silent:
                    link.partition()


class Way:
    """One direction of a connection.

    Attributes:
        queue: sent and not arrived.
        stalled: nothing moves, by the network's fault. held: the receiver does not read.
        deliver: takes what arrives. moved: told that there is room.
    """

    def __init__(self, network: Network, name: str) -> None:
        self.queue = bytearray()
        self.stalled = self.held = False
        self.deliver: Callable[[bytes], None]
        self.moved: Callable[[], None] = lambda: None
        self._network = network
        self._name = name
        self._last: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        """Bytes to deliver, unless this way has its end already."""
        if self._last is None:
            self.queue += data
            self.move()

    def finish(self, last: Callable[[], None], *, keep: int | None = None) -> None:
        """Call `last` once what is under way has arrived; of that, only the first `keep` bytes do."""
        if self._last is None:
            self._last = last
            if keep is not None:
                del self.queue[keep:]
            self.move()

    def finish_anywhere(self, last: Callable[[], None], most: int | None = None) -> None:
        """As `finish`, with a part of what is under way lost."""
        size = len(self.queue) if most is None else min(most, len(self.queue))
        self.finish(last, keep=self._network.rng.randint(0, size))

    def move(self) -> None:
        """Let the next piece arrive some time later."""
        if self._timer is None and not self.stalled and not self.held and (self.queue or self._last):
            network = self._network
            delay = network.rng.uniform(0.00005, network.latency)
            self._timer = network.loop.call_at(network.loop.time() + delay, self._arrive, context=NOBODY)

    def _arrive(self) -> None:
        self._timer = None
        if self.stalled or self.held:
            return
        network, size = self._network, len(self.queue)
        if size and network.rng.random() < network.pieces:
            size = network.rng.randint(1, min(size, 1_500))
        piece = bytes(self.queue[:size])
        del self.queue[:size]
        network.trace.bytes(self._name, piece)
        if piece:
            self.deliver(piece)
            self.moved()
            self.move()
        elif self._last is not None:
            last, self._last = self._last, _nothing
            self.stalled = True
            last()


def _nothing() -> None:
    pass
