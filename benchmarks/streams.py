"""How many messages a second does one server core deliver when every client reads ten of a hundred streams?

                  core 0                                  core 1
     ┌──────────────────────────────┐      ┌────────────────────────────────┐
     │ stream 0 ──┐                 │ TCP  │ client 0 reads 0, 11, 22, … 99 │
     │ stream 1 ──┼─► topics ───────┼─────►│ client 1 reads 1, 12, 23, … 0  │──► memcmp with what
     │ …          │                 │      │ …                              │    each has to get
     │ stream 99 ─┘                 │      │ client 199 reads 99, 10, … 98  │
     └──────────────────────────────┘      └────────────────────────────────┘

As `fanout`, with those that have topics: message n belongs to stream n % 100 and carries n, and each client subscribes
to ten streams by the server's own means (benchmarks/peers). A client must get all messages of its streams, each once,
whole and in order; nobody promises an order between streams, but each server has one, and it is checked as well. A
client's part of a turn is a tenth of it, so what a server joins is short.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from statistics import median

from benchmarks.fanout import TURNS_MIN, Case, Run, left_out, run, settings
from benchmarks.load import SUBSCRIPTIONS
from benchmarks.peers import PEERS
from benchmarks.results import Bars, Cell, Measured, Table

STREAMS = 100
TURNS = (256, 1024)
WEIGHTS = {"tickwire": 55, "socketify": 16, "websockets": 1, "nats": 18}
"""How many times more messages one gets than the slowest, being faster."""
WITH_TOPICS = [name for name, peer in PEERS.items() if peer.asks is not None]


def options(parser: ArgumentParser) -> None:
    """See `benchmarks.suite.Benchmark`."""
    parser.add_argument("--clients", type=int, nargs="+", default=[200, 2_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", nargs="+", choices=WITH_TOPICS, default=WITH_TOPICS, help="leave out the others")
    parser.add_argument(
        "--messages",
        type=int,
        default=90_000,
        metavar="N",
        help="that the slowest deliver in a run, over all clients (%(default)s)",
    )
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """See `benchmarks.suite.Benchmark`."""
    turns: tuple[int, ...] = TURNS
    if given.smoke:
        given.clients, given.rounds, given.messages, turns = [5], 1, 500, TURNS[:1]
    cases = [
        Case(clients, turn, name)
        for clients in given.clients
        for turn in turns
        for name in given.only
        if PEERS[name].available and (turn == TURNS[0] or WEIGHTS[name] > 1)
    ]
    runs: dict[Case, list[Run]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case, done in runs.items():
            done.append(run(case, messages_of(case, given.messages), given.lose, STREAMS))
    medians = {case: Run(*map(median, zip(*done, strict=True))) for case, done in runs.items()}
    return Measured(
        settings={"streams": STREAMS, "subscriptions of a client": SUBSCRIPTIONS, **settings(given)},
        tables=[table(clients, turn, medians) for clients in given.clients for turn in turns],
        charts=[chart(medians)],
        findings=[
            f"A client reads {SUBSCRIPTIONS} of {STREAMS} streams, so its part of a turn of {turns[-1]} messages is "
            f"about {turns[-1] * SUBSCRIPTIONS // STREAMS}: tickwire writes them in one gathered call.",
            "Compared are servers that have topics, or sets of clients as `websockets` recommends. That one sends each "
            f"message by itself, whatever the turn, and is measured with {TURNS[0]} messages a turn only.",
            *left_out(given.only),
        ],
    )  # fmt: skip


def messages_of(case: Case, messages: int) -> int:
    """How many messages a server sends in all: whole turns of them."""
    delivered = messages * WEIGHTS[case.name]
    sent = delivered * STREAMS // (SUBSCRIPTIONS * case.clients)
    return max(round(sent / case.turn), TURNS_MIN) * case.turn


def table(clients: int, turn: int, medians: Mapping[Case, Run]) -> Table:
    """What was measured with so many clients and so long turns."""
    own = medians.get(Case(clients, turn, "tickwire"))
    rows: list[list[Cell]] = [
        [
            case.name,
            measured.rate / 1e6,
            own.rate / measured.rate if own else None,
            *(round(share * 100) for share in measured[1:]),
        ]
        for case, measured in medians.items()
        if (case.clients, case.turn) == (clients, turn)
    ]
    columns = ["server", "M messages/s", "tickwire is", "server core %", "generator core %", "waited %"]
    return Table(f"{clients:,} clients, {turn} messages a turn", columns, rows)


def chart(medians: Mapping[Case, Run]) -> Bars:
    """Each server by clients and turn."""
    groups: dict[str, dict[str, float]] = {}
    for case, measured in medians.items():
        groups.setdefault(f"{case.clients:,} clients, turn {case.turn}", {})[case.name] = measured.rate / 1e6
    title = f"Fan-out of {STREAMS} streams, {SUBSCRIPTIONS} a client"
    return Bars(title, "M messages/s", groups, log=True)
