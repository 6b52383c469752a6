"""What does a connection cost: memory when it is idle, when it reads a stream, and how many does one core serve?

                            core 0                                core 1
              ┌──────────────────────────────┐          ┌──────────────────────────┐
              │ server: what does its memory │◄─────────┤ 1,000, then 5,000 idle;  │
              │ grow by?                     │   TCP    │ the same, subscribed     │
              ├──────────────────────────────┤          ├──────────────────────────┤
    100 ─────►│ server: one stream, by the   ├─────────►│ 10,000 subscribed, each  ├──► memcmp with the
    messages  │ clock                        │          │ of which checks all      │    one right stream
    a second  └──────────────────────────────┘          └──────────────────────────┘

A connection's memory is what the server's process grows by, resident, between the first 50 connections and all of them,
divided by their number: buffers that are there anyway are not counted, nor what the kernel holds for a socket. Idle is
a client that has been greeted and has asked for nothing; the peers that have no requests give whoever connects the
stream, so that theirs are idle only until it begins. Then every subscribed client must get some messages, byte for
byte.

The 10,000 read one stream in an open loop: a message's latency counts from when it was due, whenever the server came
to send it, and a server that is a second late does not keep up. Every client must get every message once and in order.
"""

from __future__ import annotations

import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import NamedTuple

from benchmarks.latency.arrivals import FULL_CORE, Behind, read
from benchmarks.load import connect, receive, stream_of
from benchmarks.memory import KIB, resident
from benchmarks.peers import OURS, PEERS, serving
from benchmarks.percentiles import quantiles
from benchmarks.processes import LOAD_CORE, pinned
from benchmarks.results import Aim, Bars, Cell, Measured, Table, Wrong

NAMES = (OURS, "socketify", "picows", "websockets", "aiohttp", "starlette", "ws", "nats")
CROWDED = (OURS, "socketify", "limit")
GREETINGS = {OURS: 1, "nats": 1}
"""Frames that a client is greeted with before it asks for anything."""
BASE = 50
MESSAGES = 20
IDLE_KIB_MAX = 8
IN_TIME_MS = 500
"""Keeping up, for a crowd: each message waits for the round before it, and 10,000 times `send` take some 50 ms."""


class Crowd(NamedTuple):
    """What came of many clients of one stream.

    Args:
        delivered: messages a second, over all clients, between the first and the last.
        in_time: share of the messages that came within `IN_TIME_MS` of when they were due, to some of the clients.
        latency: theirs from when a message was due, milliseconds by share.
        reading: share of the load's core that reading took.
    """

    delivered: float
    in_time: float
    latency: dict[str, float]
    reading: float


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[1_000, 5_000], metavar="N", help="connections (%(default)s)"
    )
    parser.add_argument("--crowd", type=int, default=10_000, metavar="N", help="clients of one stream (%(default)s)")
    parser.add_argument("--rate", type=int, default=100, metavar="N", help="messages a second for them (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="for which they read (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="of these: %(default)s")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave out a message, to see the run fail")


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: a client did not get what it had to.
    """
    if given.smoke:
        given.counts, given.crowd, given.seconds = [100], 100, 0.3
        given.only = [name for name in given.only if name in (OURS, "websockets")]
    names = [name for name in given.only if PEERS[name].available]
    idle, subscribed = ({name: grown(name, given, asks=asks) for name in names} for asks in (False, True))
    crowds: dict[str, Crowd] = {}
    behind: dict[str, str] = {}
    for name in [name for name in CROWDED if PEERS[name].available and (name == OURS or not given.smoke)]:
        try:
            crowds[name] = crowd(name, given)
        except Behind as how:
            if name == OURS and given.smoke:
                raise Wrong(f"{name}: {how}") from None
            behind[name] = str(how)
    most = max(given.counts)
    missing = [f"{name}: {PEERS[name].why_not}." for name in {*given.only, *CROWDED} if not PEERS[name].available]
    return Measured(
        settings={
            "connections": ", ".join(map(str, given.counts)),
            "crowd": given.crowd,
            "messages/s": given.rate,
            "seconds": given.seconds,
            **{
                name: version(name)
                for name in ("tickwire", "uvicorn", "uvloop", "websockets", "socketify", "picows", "aiohttp")
            },
        },
        tables=[_memory_table(given.counts, idle, subscribed), _crowd_table(given, crowds, behind)],
        charts=[
            Bars(
                f"Memory of a connection, of {most:,}",
                y="KiB",
                groups={name: {"idle": idle[name][most], "subscribed": subscribed[name][most]} for name in names},
            )
        ],
        aims=aims(given, idle.get(OURS), crowds),
        findings=[
            *(
                f"With {name}, the clients used {each.reading:.0%} of their core: they are what is measured, not it."
                for name, each in crowds.items()
                if each.reading >= FULL_CORE
            ),
            *(
                f"{name} does not serve {given.crowd:,} clients at {given.rate} messages/s: {how}."
                for name, how in behind.items()
            ),
            "Producers look at the clock in every turn of their event loop, so that a server's core is always busy; "
            "one that is late puts the messages that are due meanwhile into its next turn.",
            "A socket costs the kernel memory too, which is in no process and the same for every server.",
            *missing,
        ],
    )


def grown(name: str, given: Namespace, *, asks: bool) -> dict[int, float]:
    """KiB that a connection adds to a server's memory, by the number of connections.

    Args:
        asks: whether each subscribes.

    Raises:
        Wrong: a client was refused, or did not get the stream.
    """
    peer = PEERS[name]
    with serving(name, messages=MESSAGES, lose=given.lose) as server, pinned(LOAD_CORE), closing() as clients:

        def open_until(count: int) -> int:
            while len(clients) < count:
                clients.append(
                    connect(server) if asks else connect(server.port, b"", GREETINGS.get(name, 0), path=peer.path)
                )
            return resident(server.pid)

        before = open_until(BASE)
        kib = {count: (open_until(BASE + count) - before) / count / KIB for count in given.counts}
        server.start()
        if asks:
            stream, reader = stream_of(name, MESSAGES)
            receive({client: reader(stream) for client in clients})
        server.report()
    return kib


def crowd(name: str, given: Namespace) -> Crowd:
    """Many clients of one stream at a fixed rate.

    Raises:
        Wrong: a client did not get what it had to.
        Behind: the server does not keep up.
    """
    messages = max(2, int(given.rate * given.seconds))
    stream, reader = stream_of(name, messages)
    with (
        serving(name, messages=messages, rate=given.rate, lose=given.lose) as server,
        pinned(LOAD_CORE),
        closing() as clients,
    ):
        for _ in range(given.crowd):
            clients.append(connect(server))
        server.start()
        arrivals = read({client: reader(stream) for client in clients}, messages, given.rate)
        started_ns = server.report().started_ns
    due = [started_ns + n * 1_000_000_000 // given.rate for n in range(messages)]
    latencies = [at - since for came in arrivals.sampled.values() for at, since in zip(came, due, strict=True)]
    seconds = (arrivals.last[-1] - arrivals.last[0]) / 1e9
    return Crowd(given.crowd * (messages - 1) / seconds, in_time(latencies), quantiles(latencies), arrivals.reading)


def in_time(latencies_ns: Sequence[int]) -> float:
    """The share that is within `IN_TIME_MS`."""
    return sum(latency <= IN_TIME_MS * 1_000_000 for latency in latencies_ns) / len(latencies_ns)


@contextmanager
def closing() -> Iterator[list[socket.socket]]:
    """Sockets, which are closed in the end."""
    sockets: list[socket.socket] = []
    try:
        yield sockets
    except OSError as error:
        raise Wrong(f"with {len(sockets)} connections: {error}") from error
    finally:
        for each in sockets:
            each.close()


def _memory_table(
    counts: Sequence[int], idle: dict[str, dict[int, float]], subscribed: dict[str, dict[int, float]]
) -> Table:
    columns = ["server", *(f"{state}, of {count:,}" for state in ("idle", "subscribed") for count in counts)]
    rows: list[list[Cell]] = [[name, *idle[name].values(), *subscribed[name].values()] for name in idle]
    return Table("Memory of a connection, KiB", columns, rows)


def _crowd_table(given: Namespace, crowds: dict[str, Crowd], behind: dict[str, str]) -> Table:
    rows: list[list[Cell]] = [
        [
            name,
            each.delivered,
            f"{each.in_time:.1%}",
            *(each.latency[share] for share in ("p50", "p99", "max")),
            f"{each.reading:.0%}",
        ]
        for name, each in crowds.items()
    ]
    rows += [[name, *[None] * 6] for name in behind]
    return Table(
        f"{given.crowd:,} clients of one stream, {given.rate} messages/s",
        ["server", "delivered messages/s", f"within {IN_TIME_MS} ms", "p50 ms", "p99 ms", "max ms", "clients' core"],
        rows,
    )


def aims(given: Namespace, idle: dict[int, float] | None, crowds: Mapping[str, Crowd]) -> list[Aim]:
    """What is aimed at, by the memory of idle connections and by the crowds, as far as they were measured."""
    most = max(given.counts)
    held = None if idle is None else idle[most]
    why = "one process plays all clients: what it takes to read from them is in it"
    if limit := crowds.get("limit"):
        why += f"; with a C program that does nothing but send() it is {100 * limit.in_time:.3g}"
    return [
        Aim(
            "KiB of memory of an idle connection",
            held,
            IDLE_KIB_MAX,
            at_most=True,
            why="what the kernel holds is left out",
        ),
        Aim(
            f"% of {given.rate} messages/s that each of {given.crowd:,} subscribed clients on one core gets within "
            f"{IN_TIME_MS} ms of when they are due",
            100 * crowds[OURS].in_time if OURS in crowds else None,
            99,
            why=why,
        ),
    ]
