"""What a delivered message and a connection cost the server over real sockets, by number of clients."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.growth.curve import Curve
from benchmarks.memory import resident
from benchmarks.peers import serving
from benchmarks.processes import said, started

DELIVERED, MESSAGES_MAX = 5_000_000, 100_000


def sockets(counts: Iterable[int], *, delivered: int = DELIVERED, lose: int = -1) -> list[Curve]:
    """The server of the fan-out benchmark: one stream of messages of 125 bytes, 256 a turn, for all clients, each of
    which checks every byte.

    Args:
        delivered: messages of a run, over all clients. lose: number of one that is left out, to see the check fail.

    Raises:
        Wrong: a client did not get exactly the stream.
    """
    cpu, memory = [], []
    for count in counts:
        messages = max(1, min(MESSAGES_MAX, delivered // count))
        with serving("tickwire", messages=messages, lose=lose) as server:
            before = resident(server.pid)
            load = ("--peer", "tickwire", "--port", server.port, "--clients", count, "--messages", messages)
            with started("benchmarks.load", *load) as generator:
                said(generator)
                memory.append((count, max(1.0, (resident(server.pid) - before) / count)))
                server.start()
                said(generator)
                cpu.append((count, 1e9 * max(0.01, server.report().cpu_seconds) / (count * messages)))
    return [
        Curve("server with sockets, per delivered message", "ns of processor", "flat", cpu),
        Curve("server with sockets, per connection", "bytes of memory", "flat", memory),
    ]
