"""What do the others notice, and what does it cost, when half of the clients stop reading?

                   core 0                                          core 1
              ┌───────────────────────┐           ┌───────────────────────────────────────┐
    open loop │ server: keeps a place ├──────────►│ 30 that read: every byte, and when    │
    ─────────►│ for each that stalls, │   TCP     ├───────────────────────────────────────┤
     1,000/s  │ or hoards, or drops   ├─ ─ ─ ─ ─ ►│ 30 that read nothing, until all is    │
              │ memory over time?     │           │ sent: then, every byte                │
              └───────────────────────┘           └───────────────────────────────────────┘

Each server is run twice, once with all clients reading, and once with half of them reading nothing. Of those that go on
reading it is measured what they get and how long after it was due; of the server, how much more memory it has than in
the undisturbed run, divided by the number of those that stall. Their kernels hold 32 KiB each, as over a real network.
In the end they wake, and must get every message once and in order too.

The peers are told to leave nothing out (`max_backpressure` of socketify, `max_pending` of NATS): then they hold for
each client what it has not read. By themselves, uWebSockets leaves messages out for a client that is 64 KiB behind, and
NATS cuts it off at 64 MB; `websockets.broadcast` and Node's `ws` hoard without a bound.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

from benchmarks.latency.arrivals import Behind, read
from benchmarks.load import receive, stream_of
from benchmarks.memory import KIB, watched
from benchmarks.peers import OURS, PEERS, serving
from benchmarks.peers.workload import frame
from benchmarks.percentiles import quantiles
from benchmarks.processes import LOAD_CORE, pinned
from benchmarks.results import Aim, Cell, Lines, Measured, Table, Wrong
from benchmarks.storm.arriving import Arriving, Loop, arrive

NAMES = (OURS, "socketify", "websockets", "ws", "nats")
PAYLOAD_BYTES = 600
UNREAD_BYTES = 32_768
NOTICE = b'{"type":"'
"""What tickwire may say between two messages: its heartbeat, and to who stalls that it lags. What comes after a gap
would be the wrong message."""
SAMPLE_SECONDS = 0.1
POINTS = 20
FLAT_KIB = 16.0


class Run(NamedTuple):
    """What one run came to.

    Args:
        per_second: messages that each of those that read got.
        latency: theirs from when a message was due, milliseconds by share.
        grown: bytes that the server had more than in the beginning, at `POINTS` times from the first message's to the
            last one's.
    """

    per_second: float
    latency: dict[str, float]
    grown: list[int]


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--clients", type=int, default=60, metavar="N", help="half of them stall (%(default)s)")
    parser.add_argument("--rate", type=int, default=1_000, metavar="N", help="messages a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="length of a run (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="of these: %(default)s")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave out a message, to see the run fail")


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: a client did not get what it had to.
    """
    if given.smoke:
        given.clients, given.rate, given.seconds = 8, 2_000, 0.5
        given.only = [name for name in given.only if name == OURS]
    names = [name for name in given.only if PEERS[name].available]
    stalled = given.clients // 2
    calm: dict[str, Run] = {}
    disturbed: dict[str, Run] = {}
    behind: dict[str, str] = {}
    for name in names:
        try:
            calm[name], disturbed[name] = run(name, given, 0), run(name, given, stalled)
        except Behind as how:
            if name == OURS and given.smoke:
                raise Wrong(f"{name}: {how}") from None
            behind[name] = str(how)
    kib = {name: per_stalled(calm[name].grown, disturbed[name].grown, stalled) for name in disturbed}
    times = [given.seconds * n / (POINTS - 1) for n in range(POINTS)]
    mb = given.rate * given.seconds * len(frame(0, PAYLOAD_BYTES)) / 1e6
    return Measured(
        settings={
            "clients": given.clients,
            "that stall": stalled,
            "messages/s": given.rate,
            "seconds": given.seconds,
            "payload bytes": PAYLOAD_BYTES,
            "unread bytes in a client's kernel": UNREAD_BYTES,
            **{name: version(name) for name in ("tickwire", "uvicorn", "uvloop", "websockets", "socketify")},
        },
        tables=[_others_table(given, calm, disturbed), _memory_table(stalled, kib)],
        charts=[
            Lines(
                "Memory for a client that reads nothing",
                x="seconds",
                y="KiB",
                series={name: list(zip(times, curve, strict=True)) for name, curve in kib.items()},
            )
        ],
        aims=[
            Aim(
                "KiB that a stalled client's memory grows by in the second half of the run",
                kib[OURS][-1] - kib[OURS][POINTS // 2] if OURS in kib else None,
                FLAT_KIB,
                at_most=True,
                why="what it has not read is in the stream's log, once for all",
            )
        ],
        findings=[
            f"In a run, {mb:.1f} MB were sent to each client. A server that keeps what one has not read for that one "
            "alone grows by as much, less what the kernel takes.",
            *(f"{name} does not keep up: {how}." for name, how in behind.items()),
            *(f"{name}: {PEERS[name].why_not}." for name in given.only if name not in names),
        ],
    )


def run(name: str, given: Namespace, stalled: int) -> Run:
    """One server, with so many clients that read nothing until all is sent.

    Raises:
        Wrong: a client did not get what it had to.
        Behind: those that read are more than a second late.
    """
    peer = PEERS[name]
    messages = int(given.rate * given.seconds)
    stream, reader = stream_of(name, messages, PAYLOAD_BYTES)
    if name == OURS:
        stream.heartbeat = NOTICE
    loop = Loop()
    clients: list[Arriving] = []
    try:
        with (
            serving(name, messages=messages, rate=given.rate, payload_bytes=PAYLOAD_BYTES, lose=given.lose) as server,
            pinned(LOAD_CORE),
        ):
            try:
                coming = partial(Arriving, server.port, peer.path, peer.request, peer.greetings)
                clients += [coming(UNREAD_BYTES if n < stalled else 0) for n in range(given.clients)]
                arrive(loop, clients)
                reading = {client.socket: reader(stream) for client in clients[stalled:]}
                with watched(server.pid, SAMPLE_SECONDS) as samples:
                    server.start()
                    arrivals = read(reading, messages, given.rate)
                if stalled:
                    receive({client.socket: reader(stream) for client in clients[:stalled]})
                started_ns = server.report().started_ns
            finally:  # before the server ends, which might wait for them
                loop.close()
                for client in clients:
                    client.socket.close()
    except (Wrong, OSError) as problem:
        raise Wrong(f"{name}, {stalled} of {given.clients} clients stalled: {problem}") from None
    due = [started_ns + n * 1_000_000_000 // given.rate for n in range(messages)]
    latencies = [at - since for came in arrivals.sampled.values() for at, since in zip(came, due, strict=True)]
    seconds = (arrivals.last[-1] - arrivals.last[0]) / 1e9
    return Run((messages - 1) / seconds, quantiles(latencies), growth(samples, due[0], due[-1]))


def growth(samples: Sequence[tuple[int, int]], first_ns: int, last_ns: int) -> list[int]:
    """What a process had more than in the first sample, at `POINTS` times: of each, the last sample before it."""
    times = [at for at, _ in samples]
    points = [first_ns + (last_ns - first_ns) * n // (POINTS - 1) for n in range(POINTS)]
    return [samples[max(0, bisect_right(times, point) - 1)][1] - samples[0][1] for point in points]


def per_stalled(calm: Sequence[int], disturbed: Sequence[int], stalled: int) -> list[float]:
    """KiB that each of the stalled cost, at each time."""
    return [(more - less) / stalled / KIB for less, more in zip(calm, disturbed, strict=True)]


def _others_table(given: Namespace, calm: dict[str, Run], disturbed: dict[str, Run]) -> Table:
    rows: list[list[Cell]] = [
        [f"{name}, {what}", of[name].per_second, *(of[name].latency[share] for share in ("p50", "p99", "max"))]
        for name in disturbed
        for what, of in (("all read", calm), ("half stalled", disturbed))
    ]
    return Table(
        f"What those get that go on reading, of {given.rate:,} messages/s",
        ["server", "messages/s each", "p50 ms", "p99 ms", "max ms"],
        rows,
    )


def _memory_table(stalled: int, kib: dict[str, list[float]]) -> Table:
    rows: list[list[Cell]] = [
        [name, curve[POINTS // 2], curve[-1], curve[-1] - curve[POINTS // 2]] for name, curve in kib.items()
    ]
    return Table(
        f"Memory for each of {stalled} clients that read nothing",
        ["server", "after half of the run, KiB", "in the end, KiB", "in the second half, KiB"],
        rows,
    )
