"""How long until all clients are there, when they come at once, and when they come back at once?

    connection storm                                 resume storm

    500 clients ══SYN══►┌────────┐  101, greetings   1,000 ──✂                       ┌────────┐
    at once     ═══════►│ server ├──────────────►          └─ 2 s later, at once ═══►│ server ├─► what it missed,
                ═══════►└────────┘  a few messages   50 others ◄─────────────────────┤        │   then the stream
                                                                 latency meanwhile   └────────┘

A connection storm ends when the last client has the answer to its upgrade and has been greeted and, where the server
has such a thing, subscribed. Every answer must be the right one (RFC 6455, section 4.2.2), and then every client must
get some messages, byte for byte. They are 500, because uWebSockets lets 512 wait to be accepted, and whoever is one too
many tries again after a second.

In the resume storm the clients of one stream lose their connections, messages go on, and all come back at once, each
from the number that it had last. It must be told that nothing is lost, get exactly the messages that it missed, and
then the others. Its time ends with the last message that was there when the storm began. What the others measure
meanwhile is beside what they measured before, each message from when it was due. The peers have no such thing: a client
of theirs begins anew.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from statistics import median
from time import monotonic_ns, process_time
from typing import NamedTuple

from benchmarks.load import receive, stream_of
from benchmarks.peers import OURS, PEERS, serving
from benchmarks.percentiles import SHARES, quantile, quantiles
from benchmarks.processes import LOAD_CORE, pinned
from benchmarks.results import Bars, Cell, Measured, Table, Wrong
from benchmarks.storm.arriving import Arriving, Loop, arrive
from benchmarks.storm.resuming import Plan, Resumed, resume_storm

NAMES = (OURS, "socketify", "picows", "websockets", "aiohttp", "starlette", "ws", "nats")
MESSAGES = 20
PLAN = Plan(clients=1_000, others=50, rate=100, payload_bytes=500, calm=3, away=2, after=3)


class Storm(NamedTuple):
    """A connection storm.

    Args:
        seconds: until the last client was there.
        server: processor time of the server in it, seconds.
        reading: share of their core that the clients took.
    """

    seconds: float
    server: float
    reading: float


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--clients", type=int, default=500, metavar="N", help="that come at once (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--back", type=int, default=PLAN.clients, metavar="N", help="that come back (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="of these: %(default)s")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave out a message, to see the run fail")


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: a client was not let in, or did not get what it had to.
    """
    plan = PLAN._replace(clients=given.back, lose=given.lose)
    if given.smoke:
        given.clients, given.rounds = 50, 1
        given.only = [name for name in given.only if name in (OURS, "websockets")]
        plan = plan._replace(clients=20, others=3, calm=0.2, away=0.2, after=0.4)
    names = [name for name in given.only if PEERS[name].available]
    storms: dict[str, list[Storm]] = {name: [] for name in names}
    for _ in range(given.rounds):
        for name in names:
            storms[name].append(connection_storm(name, given.clients, given.lose))
    resumed = [resume_storm(plan) for _ in range(given.rounds)]
    per_second = {name: median(given.clients / each.seconds for each in storms[name]) for name in names}
    return Measured(
        settings={
            "clients": given.clients,
            "that come back": plan.clients,
            "others": plan.others,
            "messages/s": plan.rate,
            "payload bytes": plan.payload_bytes,
            "seconds away": plan.away,
            "rounds": given.rounds,
            **{name: version(name) for name in ("tickwire", "uvicorn", "uvloop", "websockets", "socketify", "picows")},
        },
        tables=[
            _connection_table(given.clients, storms, per_second),
            _resume_table(plan, resumed),
            _stay_table(resumed),
        ],
        charts=[
            Bars(
                "Connection storm",
                y="connections/s",
                groups={name: {"connections/s": per_second[name]} for name in names},
            )
        ],
        findings=[
            "A connection of tickwire is more than an upgrade: it is counted for its address, has a session that says "
            "what it may do, asks for a stream and is given a snapshot. That of a peer is the bare upgrade.",
            "One process plays all clients: where it takes most of its core, the connections a second are its own, and "
            "the ratio of the servers' processor time is the one to look at.",
            f"While {plan.clients:,} clients come back at once, the p99 of those that stay is "
            f"{median(quantiles(each.stormy)['p99'] for each in resumed):.3g} ms, after "
            f"{median(quantiles(each.calm)['p99'] for each in resumed):.3g} ms before. One process plays all clients, "
            "so what it takes to read is in both numbers.",
            *(f"{name}: {PEERS[name].why_not}." for name in given.only if name not in names),
        ],
    )


def connection_storm(name: str, count: int, lose: int) -> Storm:
    """Let clients come at once.

    Raises:
        Wrong: one was not let in, or did not get the messages.
    """
    peer = PEERS[name]
    clients: list[Arriving] = []
    loop = Loop()
    try:
        with serving(name, messages=MESSAGES, lose=lose) as server, pinned(LOAD_CORE):
            try:
                clients += [Arriving(server.port, peer.path, peer.request, peer.greetings) for _ in range(count)]
                began, cpu, reading = monotonic_ns(), server.cpu_seconds(), process_time()
                seconds = (arrive(loop, clients) - began) / 1e9
                cpu, reading = server.cpu_seconds() - cpu, process_time() - reading
                if any(client.rest for client in clients):
                    raise Wrong("the stream began before the start was given")
                stream, reader = stream_of(name, MESSAGES)
                server.start()
                receive({client.socket: reader(stream) for client in clients})
                server.report()
            finally:  # before the server ends, which might wait for them
                loop.close()
                for client in clients:
                    client.socket.close()
    except (Wrong, OSError) as problem:
        raise Wrong(f"{name}, {count} clients at once: {problem}") from None
    return Storm(seconds, cpu, reading / seconds)


def _connection_table(clients: int, storms: dict[str, list[Storm]], per_second: dict[str, float]) -> Table:
    used = {name: sum(each.server for each in of) * 1e6 / clients / len(of) for name, of in storms.items()}
    rows: list[list[Cell]] = [
        [
            name,
            median(each.seconds for each in of),
            per_second[name],
            used[name],
            f"{median(each.reading for each in of):.0%}",
            per_second[OURS] / per_second[name] if OURS in storms else None,
            used[name] / used[OURS] if used.get(OURS) else None,
        ]
        for name, of in storms.items()
    ]
    columns = [
        "server",
        "until all are there, s",
        "connections/s",
        "processor time each, µs",
        "clients' core",
        "tickwire is, by the clock",
        "by processor time",
    ]
    return Table(f"Connection storm: {clients} clients come at once", columns, rows)


def _resume_table(plan: Plan, resumed: list[Resumed]) -> Table:
    rows: list[list[Cell]] = [
        [
            str(number),
            each.seconds,
            quantile(sorted(each.each), 0.5),
            each.missed_bytes / 1e6,
            each.missed_bytes / 1e6 / each.seconds,
            f"{each.server:.0%}",
            f"{each.reading:.0%}",
        ]
        for number, each in enumerate(resumed, 1)
    ]
    return Table(
        f"Resume storm: {plan.clients:,} clients come back at once to a stream of {plan.rate} messages/s",
        [
            "round",
            "until all have what they missed, s",
            "half of them, s",
            "MB",
            "MB/s",
            "server's core",
            "clients' core",
        ],
        rows,
    )


def _stay_table(resumed: list[Resumed]) -> Table:
    rows: list[list[Cell]] = [
        [what, *(median(quantiles(latencies)[share] for latencies in rounds) for share in SHARES)]
        for what, rounds in (
            ("before", [each.calm for each in resumed]),
            ("in the storm", [each.stormy for each in resumed]),
        )
    ]
    return Table(
        "Latency of those that stay, from when a message was due", ["", *(f"{share} ms" for share in SHARES)], rows
    )
