"""How many messages a second does one server core deliver when every client reads the same stream?

                             core 0                             core 1
                 ┌────────────────────────┐   TCP    ┌─────────────────────────┐
    producer ───►│ tickwire, one of seven ├─────────►│ load generator: 10 to   │
    125 bytes    │ peers, or bare system  ├─────────►│ 10,000 clients, each of ├──► memcmp with the
    a message    │ calls in C             ├─────────►│ which checks every byte │    one right stream
                 └────────────────────────┘  127.0.0.1 ───────────────────────┘

Each server runs in a process of its own and is stopped before the next one starts; how it is used, and why so, is in
`benchmarks/peers`. Its producer hands out messages in turns of the event loop, each message through the server's own
way to send to all. After a turn it waits for clients with much unsent, so that nobody is asked to drop or to hoard.

What decides is how many messages a turn has: a server that joins them makes one system call for each client and turn,
one that does not makes one for each client and message. So every contestant is measured with short and with long turns,
and compared both at the same turn and each at the one where it is best. Bare system calls in C send what tickwire
sends, a segment of ready bytes for each client and turn, and do nothing else: `limit` by send(), which copies the
segment for each client, `pages` by sendfile(), which does not and which tickwire takes for large segments.

Rounds interleave the contestants; what is reported are medians. A client that gets anything but every message once and
in order fails the run. The slow ones get fewer messages, so that all runs take about as long. After some number the
messages are the first ones again, which takes no more memory.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import lcm
from statistics import median
from typing import NamedTuple

from benchmarks.peers import NATS_SERVER, PEERS, serving
from benchmarks.peers.workload import BUFFERED_BYTES_MAX, PAYLOAD_BYTES
from benchmarks.processes import said, started, started_program
from benchmarks.results import Aim, Bars, Cell, Lines, Measured, Table, Wrong

TURNS = (64, 256, 1024)
TURN = 256
"""Where the length of turns is not what is looked at."""
SWEPT_CLIENTS = (200, 2_000)
"""With so many clients, turns of all lengths are measured."""
WEIGHTS = {
    "tickwire": 200,
    "socketify": 30,
    "websockets": 1,
    "picows": 1,
    "aiohttp": 1,
    "starlette": 1,
    "nats": 20,
    "ws": 1,
    "limit": 200,
    "pages": 200,
}
"""How many times more messages one gets than the slowest, being faster."""
BARE = ("limit", "pages")
MESSAGES_MAX = 1_000_000
"""For a client, where each is an object in the server: those take 200 MB then. With few clients, a run is shorter."""
PREPARED = 25_600
"""About as many messages differ."""
TURNS_MIN = 4
"""In a run: fewer might fit into the sockets' buffers."""
MANY_CLIENTS, CROWD = 2_000, 5_000
"""With so many clients, not all are measured, for one turn of the others takes seconds."""
WITH_MANY = ("tickwire", "socketify", "websockets", "nats", *BARE)
IN_A_CROWD = ("tickwire", "socketify", *BARE)
SMOKE = ("tickwire", "socketify", "nats", *BARE)
"""One for each way to send and to read."""
FULL = 0.95
"""Share of its core from which on a load generator may be what holds a server up."""


class Run(NamedTuple):
    """One server's run.

    Args:
        rate: messages delivered a second, over all clients.
        server, generator: shares of their cores that they used; what publishes to nats-server belongs to the generator.
        waited: share of the time in which the producer waited for clients. Near 0: none held the server up.
    """

    rate: float
    server: float
    generator: float
    waited: float


class Case(NamedTuple):
    """What is measured in each round."""

    clients: int
    turn: int
    name: str


def options(parser: ArgumentParser) -> None:
    """See `benchmarks.suite.Benchmark`."""
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 200, 2_000, 10_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), help="leave out the others")
    parser.add_argument(
        "--messages",
        type=int,
        default=100_000,
        metavar="N",
        help="that the slowest deliver in a run, over all clients (%(default)s)",
    )
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """See `benchmarks.suite.Benchmark`."""
    if given.smoke:
        given.clients, given.rounds, given.messages = [5], 1, 500
        given.only = [name for name in given.only if name in SMOKE] or given.only
    names = [name for name in given.only if PEERS[name].available]
    runs: dict[Case, list[Run]] = {case: [] for case in cases(given.clients, names)}
    for _ in range(given.rounds):
        for case, done in runs.items():
            done.append(run(case, messages_of(case, given.messages), given.lose))
    medians = {case: Run(*map(median, zip(*done, strict=True))) for case, done in runs.items()}
    return Measured(
        settings=settings(given),
        tables=[*(table(clients, medians) for clients in given.clients), used(names)],
        charts=charts(given.clients, medians),
        aims=aims(medians),
        findings=findings(medians) + left_out(given.only),
    )


def cases(clients: Iterable[int], names: Sequence[str]) -> list[Case]:
    """What is measured."""
    return [
        Case(count, turn, name)
        for count in clients
        for turn in TURNS
        for name in names  # innermost, so that those that are compared run soon after each other
        if turn in turns_of(count, name)
    ]


def turns_of(clients: int, name: str) -> Sequence[int]:
    """The turns with which a server is measured."""
    if (clients >= MANY_CLIENTS and name not in WITH_MANY) or (clients >= CROWD and name not in IN_A_CROWD):
        return ()
    if WEIGHTS[name] == 1:
        return TURNS[:1] if clients >= MANY_CLIENTS else (TURN,)
    return TURNS if clients in SWEPT_CLIENTS else (TURN,)


def run(case: Case, messages: int, lose: int = -1, streams: int = 1) -> Run:
    """Let a server send `messages` messages to those who read their stream.

    Raises:
        Wrong: a client did not get exactly what it had to.
    """
    clients, turn, name = case
    whole = lcm(turn, streams)
    prepared = min(messages, max(1, PREPARED // whole) * whole)
    sent = {"messages": messages, "streams": streams, "turn": turn, "prepared": prepared}
    with serving(name, lose=lose, **sent) as server:
        load = {"port": server.port, "server-pid": server.pid, "clients": clients, **sent}
        given = (f"--{option}={value}" for option, value in load.items())
        with started("benchmarks.load", "--peer", name, *given) as generator:
            try:
                said(generator)
                server.start()
                received = said(generator)
            except Wrong as wrong:
                server.kill()
                raise Wrong(f"{name}, {clients:,} clients: {wrong}") from None
        report = server.report()
    seconds = (received["ended_ns"] - report.started_ns) / 1e9
    return Run(
        rate=received["messages"] / seconds,
        server=(received["server_cpu_seconds"] - server.cpu_seconds_before) / seconds,
        generator=(received["cpu_seconds"] + report.load_cpu_seconds) / seconds,
        waited=report.waited_seconds / seconds,
    )


def messages_of(case: Case, messages: int) -> int:
    """How many messages each client is sent: whole turns of them."""
    each = messages * WEIGHTS[case.name] // case.clients
    if case.name not in BARE:
        each = min(each, MESSAGES_MAX)
    return max(round(each / case.turn), TURNS_MIN) * case.turn


def best(medians: Mapping[Case, Run], clients: int, name: str) -> Case:
    """The turn with which a server delivers most to so many clients."""
    return max(
        (case for case in medians if (case.clients, case.name) == (clients, name)), key=lambda at: medians[at].rate
    )


def table(clients: int, medians: Mapping[Case, Run]) -> Table:
    """All that was measured with so many clients."""
    turns = sorted({case.turn for case in medians if case.clients == clients})
    names = [name for name in PEERS if any((case.clients, case.name) == (clients, name) for case in medians)]

    def ratio(own: Case, other: Case) -> Cell:
        return medians[own].rate / medians[other].rate if own in medians and other in medians else None

    rows: list[list[Cell]] = []
    for name in names:
        all_turns = [Case(clients, turn, name) for turn in turns]
        top = best(medians, clients, name)
        own = best(medians, clients, "tickwire") if "tickwire" in names else top._replace(name="tickwire")
        rows.append(
            [
                name,
                *(medians[case].rate / 1e6 if case in medians else None for case in all_turns),
                *(ratio(case._replace(name="tickwire"), case) for case in all_turns),
                *([top.turn, ratio(own, top)] if len(turns) > 1 else []),
                *(round(share * 100) for share in medians[top][1:]),
            ]
        )
    columns = [
        "server",
        *(f"M msg/s, turn {turn}" for turn in turns),
        *(f"tickwire is, turn {turn}" for turn in turns),
        *(["best turn", "tickwire is, each at its best"] if len(turns) > 1 else []),
        "server core %",
        "generator core %",
        "waited %",
    ]
    return Table(f"{clients:,} clients", columns, rows)


def used(names: Iterable[str]) -> Table:
    """How each server is used."""
    return Table("How each is used", ["server", "what sends to all"], [[name, PEERS[name].why] for name in names])


def charts(all_clients: Iterable[int], medians: Mapping[Case, Run]) -> list[Lines | Bars]:
    """By clients, and by turn."""
    groups = {
        f"{clients:,} clients": {
            case.name: medians[best(medians, clients, case.name)].rate / 1e6
            for case in medians
            if case.clients == clients
        }
        for clients in all_clients
    }
    made: list[Lines | Bars] = [Bars("Fan-out of one stream, each at its best turn", "M messages/s", groups, log=True)]
    for clients in SWEPT_CLIENTS:
        series: dict[str, list[tuple[float, float]]] = {}
        for case, run in medians.items():
            if case.clients == clients:
                series.setdefault(case.name, []).append((case.turn, run.rate / 1e6))
        if series:
            made.append(Lines(f"Fan-out to {clients:,} clients", "messages a turn", "M messages/s", series, log="xy"))
    return made


def aims(medians: Mapping[Case, Run]) -> list[Aim]:
    """What is to be reached with 200 and 2,000 clients."""
    targets = {"socketify": 8.0, "websockets": 20.0, "nats": 10.0}
    measured = {(case.clients, case.name) for case in medians}
    made = []
    for clients in SWEPT_CLIENTS:
        if (clients, "tickwire") not in measured:
            continue
        own = best(medians, clients, "tickwire")
        for name, target in targets.items():
            if (clients, name) in measured:
                top = best(medians, clients, name)
                turns = f"each at its best turn, {own.turn} and {top.turn} messages"
                text = f"messages/s to {clients:,} clients, as a multiple of {name}, {turns}"
                made.append(_aim(text, own, top, target, medians))
        if (limit := own._replace(name="limit")) in medians:
            text = (
                f"messages/s to {clients:,} clients, as a share of send() in C of the same {own.turn}-message segments"
            )
            made.append(_aim(text, own, limit, 0.7, medians))
    return made


def _aim(text: str, own: Case, other: Case, target: float, medians: Mapping[Case, Run]) -> Aim:
    full = " and ".join(case.name for case in (own, other) if medians[case].generator >= FULL)
    why = f"the load generator's core was full with {full}, which may deliver more" if full else ""
    return Aim(text, medians[own].rate / medians[other].rate, target, why=why)


def findings(medians: Mapping[Case, Run]) -> list[str]:
    """What the numbers depend on, and what they leave out."""
    slow = ", ".join(dict.fromkeys(case.name for case in medians if WEIGHTS[case.name] == 1))
    made = [
        "tickwire joins what a turn, a transaction, published into one segment and makes one system call for each "
        "client, so it gains with the length of a turn. At one message a turn, as at a low rate, everyone pays one "
        "send() for each client and message.",
        "Payloads are made before the run, and tickwire's frames too: encoding is done once for all clients, and is "
        "measured in `encodings` and `fold`.",
    ]
    if slow:
        made.append(
            f"{slow} send for each message and client, whatever the turn: they are measured with {TURN} messages a "
            f"turn only, and with {MANY_CLIENTS:,} clients with {TURNS[0]}. With so many, {', '.join(WITH_MANY)} are "
            f"measured, with {CROWD:,} and more {', '.join(IN_A_CROWD)}."
        )
    if any(case.name == "nats" for case in medians):
        made.append(
            "What publishes to nats-server runs on the load generator's core, and its processor time is counted there."
        )
    full = ", ".join(
        f"{case.name} ({case.clients:,} clients, turn {case.turn})"
        for case, run in medians.items()
        if run.generator >= FULL
    )
    if full:
        made.append(
            f"The load generator's core was full, so that more might have been delivered: {full}. It pays for each "
            "piece that it reads, so those who send each message by itself cost it most."
        )
    elif medians:
        most = max(run.generator for run in medians.values())
        made.append(f"The load generator used at most {most:.0%} of its core: it held nobody up.")
    return made


def left_out(names: Iterable[str]) -> list[str]:
    """Says which servers are not measured, and why not."""
    return [f"{name} is left out: {PEERS[name].why_not}." for name in names if not PEERS[name].available]


def settings(given: Namespace) -> dict[str, Cell]:
    """What the numbers depend on."""
    names = ("tickwire", "socketify", "websockets", "picows", "aiohttp", "starlette", "uvicorn", "uvloop")
    return {
        "payload bytes": PAYLOAD_BYTES,
        "rounds": given.rounds,
        "unsent bytes that the producer waits for": BUFFERED_BYTES_MAX,
        **{name: version(name) for name in names},
        "nats-server": _printed(NATS_SERVER, "--version") if PEERS["nats"].available else None,
        "node": _printed("node", "--version") if PEERS["ws"].available else None,
    }


def _printed(*command: object) -> str:
    with started_program(*command) as program:
        return program.communicate()[0].split()[-1]
