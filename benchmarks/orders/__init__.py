"""How many orders a second are acknowledged, how long does one take, and how long does a restart?

                core 0                                           core 1
    ┌──────────────────────────────────┐        ┌──────────────────────────────────────┐
    │ tickwire: session, tape, market, │◄──TCP──┤ accounts, each of which sends orders │
    │ acknowledgement                  ├───────►│ and checks every answer              │
    └──────────────────────────────────┘        └──────────────────────────────────────┘

Each account rests an order, takes a lot from the market's maker, cancels an order that rests, and so on. Each must be
answered once, in order, with its own name and the status that it must have; in the end the orders on the tape, on the
book and taken must be those acknowledged, and the ledger must balance.

- Orders a second: 20 accounts, each with a window of orders under way.
- One at a time: from `send` to the answer, beside servers that only send the message back.
- At a rate: orders are sent when they are due, whatever has been answered, and latency counts from then: if the server
  stalls, all that is late because of it counts (no coordinated omission).
- Compiled: the first three also with the package that `make compiled` makes of the same source, at one durability.
- Recovery: a tape of such orders, 100 a transaction, to the market that it leaves: from its beginning, and as a server
  would find it at the worst moment, with the newest snapshot as old as it gets.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.compiled import COMPILED, INTERPRETED, LEFT_OUT, packages, started_with
from benchmarks.orders.load import Trader, at_rate, check, connect, echoed, in_windows, one_by_one
from benchmarks.orders.recovery import Recovery, measure_recovery
from benchmarks.orders.trading import DURABILITIES, account, steps
from benchmarks.percentiles import SHARES, quantiles
from benchmarks.processes import LOAD_CORE, SERVER_CORE, pinned, said, started, started_program, tell
from benchmarks.results import Aim, Bars, Cell, Measured, Table
from tickwire.tape.base import Durability

ECHOES = ("stack", "picows", "socketify", "ws")
MEASURED_BY = "picows"
"""The echo that the latency of an order is compared with."""
AIM: Durability = "process"
"""The durability that the aims are about."""
AIM_COMPILED = f"{AIM}, {COMPILED}"
AIM_ORDERS_PER_S, AIM_ECHOES = 40_000, 1.3
WARM_UP_SHARE = 20
"""One in so many samples of a latency comes before those that count."""


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--connections", type=int, default=20, metavar="N", help="accounts that trade (%(default)s)")
    parser.add_argument("--window", type=int, default=20, metavar="N", help="orders each has under way (%(default)s)")
    parser.add_argument("--orders", type=int, default=60_000, metavar="N", help="of a run, in all (%(default)s)")
    parser.add_argument("--samples", type=int, default=20_000, metavar="N", help="of one at a time (%(default)s)")
    parser.add_argument("--rate", type=int, default=5_000, metavar="N", help="orders a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3, metavar="S", help="at that rate (%(default)s)")
    parser.add_argument("--commands", type=int, default=500_000, metavar="N", help="to recover (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary one by default")


class Contestant(NamedTuple):
    """A tickwire server: the durability of its tape, and where its package is found."""

    durability: Durability
    package: Path


class Orders(NamedTuple):
    """One run: acknowledged a second, shares of their cores used, commands in a transaction of the tape."""

    per_s: float
    server: float
    generator: float
    per_transaction: float


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: an order was not acknowledged as it had to be.
    """
    if given.smoke:
        given.connections, given.orders, given.samples, given.commands, given.rounds = 4, 400, 60, 400, 1
        given.rate, given.seconds = 200, 0.1
    found = packages()
    durabilities: tuple[Durability, ...] = ("none", AIM) if given.smoke else DURABILITIES
    ours = {str(durability): Contestant(durability, found[INTERPRETED]) for durability in durabilities}
    if COMPILED in found:
        ours[AIM_COMPILED] = Contestant(AIM, found[COMPILED])
    echoes = [MEASURED_BY] if given.smoke else [name for name in ECHOES if name != "ws" or shutil.which("node")]
    orders: dict[str, list[Orders]] = {name: [] for name in ours}
    single: dict[str, list[int]] = {name: [] for name in (*ours, *echoes)}
    steady: dict[str, list[int]] = {name: [] for name in ours}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        recovery = measure_recovery(Path(folder), given.commands, given.connections)
    for _ in range(given.rounds):
        for name, contestant in ours.items():
            with trading(contestant, given, given.orders) as (server, traders):
                seconds, cpu = in_windows(traders, given.window)
                report = done(server, traders)
                count = sum(trader.acknowledged for trader in traders)
                shares = report["cpu_seconds"] / seconds, cpu / seconds
                orders[name].append(Orders(count / seconds, *shares, count / report["transactions"]))
        for name in single:
            single[name] += measure_single(ours.get(name, name), given, given.samples // given.rounds)
        for name, contestant in ours.items():
            count = int(given.rate * given.seconds / given.rounds) // given.connections * given.connections
            with trading(contestant, given, count) as (server, traders):
                steady[name] += at_rate(traders, count, given.rate)[count // WARM_UP_SHARE :]
                done(server, traders)
    medians = {name: Orders(*map(median, zip(*each, strict=True))) for name, each in orders.items()}
    return _measured(given, medians, {n: quantiles(each) for n, each in single.items()}, steady, recovery)


@contextmanager
def _serving(server: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What a server says first; this process keeps to the other core until it ends."""
    with server:
        try:
            ready = said(server)
            with pinned(LOAD_CORE):
                yield ready
        except BaseException:
            server.kill()
            raise


@contextmanager
def trading(
    contestant: Contestant, given: Namespace, orders: int, connections: int = 0
) -> Iterator[tuple[subprocess.Popen[str], list[Trader]]]:
    """A server whose measurement has begun, and who trades on it.

    Args:
        orders: of all together. connections: those of the options by default.
    """
    connections = connections or given.connections
    folder = [] if given.folder is None else ["--folder", given.folder]
    arguments = contestant.durability, "--accounts", connections, *folder
    server = started_with(contestant.package, "benchmarks.orders.server", *arguments)
    with _serving(server) as ready, ExitStack() as open_clients:
        clients = [open_clients.enter_context(closing(connect(ready["port"], login))) for login in ready["logins"]]
        planned = [steps(account(number), orders // connections) for number in range(connections)]
        tell(server, "start")
        yield server, [Trader(client, each) for client, each in zip(clients, planned, strict=True)]


def done(server: subprocess.Popen[str], traders: Sequence[Trader]) -> dict[str, Any]:
    """What the server reports when all is done.

    Raises:
        Wrong: it has something else than it has acknowledged.
    """
    tell(server, "report")
    report = said(server)
    check(report, list(chain.from_iterable(trader.planned for trader in traders)))
    return report


def measure_single(server: Contestant | str, given: Namespace, samples: int) -> list[int]:
    """Nanoseconds of one order, or of an echo of this name, at a time.

    Raises:
        Wrong: an answer is not what it must be.
    """
    warm_up = samples // WARM_UP_SHARE
    if isinstance(server, str):
        with _serving(_echo(server)) as ready, connect(ready["port"]) as client:
            latencies = echoed(client, steps(account(0), warm_up + samples))
    else:
        with trading(server, given, warm_up + samples, 1) as (process, [trader]):
            latencies = one_by_one(trader, warm_up + samples)
            done(process, [trader])
    return latencies[warm_up:]


def _echo(name: str) -> subprocess.Popen[str]:
    if name != "ws":
        return started("benchmarks.orders.echoes", name)
    command: list[object] = ["node", Path(__file__).with_name("echo.mjs")]
    if taskset := shutil.which("taskset"):
        command = [taskset, "-c", SERVER_CORE, *command]
    return started_program(*command)


# ---- what it comes to -----------------------------------------------------------------------------


def _measured(
    given: Namespace,
    orders: dict[str, Orders],
    single: dict[str, dict[str, float]],
    steady: dict[str, list[int]],
    recovery: Recovery,
) -> Measured:
    p50 = {name: each["p50"] for name, each in single.items()}
    at_rate_ms = {name: quantiles(each) for name, each in steady.items()}
    replayed_per_s = given.commands / recovery.replayed
    tape = orders[AIM]
    most = max((name for name in (AIM, AIM_COMPILED) if name in orders), key=lambda name: orders[name].per_s)
    fastest = min((name for name in (AIM, AIM_COMPILED) if name in single), key=lambda name: p50[name])
    return Measured(
        settings={
            "connections": given.connections,
            "window": given.window,
            "orders a run": given.orders,
            "rounds": given.rounds,
            **{name: version(name) for name in ("tickwire", "uvicorn", "uvloop", "websockets", "picows", "socketify")},
        },
        tables=[
            Table(
                "acknowledged orders",
                ["durability", "a second", "of none", "server core", "generator", "CPU µs an order", "a transaction"],
                [[name, run.per_s, run.per_s / orders["none"].per_s, *_shares(run)] for name, run in orders.items()],
            ),
            Table(
                "one at a time, µs from send to answer",
                ["server", *SHARES, f"p50 of an echo of {MEASURED_BY}"],
                [[*_row(name, each), p50[name] / p50[MEASURED_BY]] for name, each in single.items()],
            ),
            Table(
                f"{given.rate:,} orders a second, µs from due to answer",
                ["durability", *SHARES],
                [_row(name, each) for name, each in at_rate_ms.items()],
            ),
            Table(
                f"recovery of {given.commands:,} commands, {recovery.megabytes:,.0f} MB",
                ["from", "seconds", "commands a second"],
                [["its beginning", recovery.replayed, replayed_per_s], ["a snapshot", recovery.from_snapshot, None]],
            ),
        ],
        charts=[Bars("One order or echo at a time", "p50, µs", {"p50": {n: v * 1000 for n, v in p50.items()}})],
        aims=[
            Aim(
                f"order to acknowledgement, durability {fastest}: times an echo of {MEASURED_BY}, p50",
                p50[fastest] / p50[MEASURED_BY],
                AIM_ECHOES,
                at_most=True,
                why="of interpreted and compiled the better; an echo decodes nothing, writes no tape and matches "
                "nothing; an order does, in Python, alone in its turn of the loop",
            ),
            Aim(
                f"acknowledged orders a second on one core, durability {most}",
                orders[most].per_s,
                AIM_ORDERS_PER_S,
                why="of interpreted and compiled the better; all of an order is Python's: reading and checking it, the "
                "fold, the answer",
            ),
        ],
        findings=[
            f"The server's core is {tape.server:.0%} busy and the generator's {tape.generator:.0%} with durability "
            f"{AIM}: the generator is no bottleneck while the first is the larger.",
            f"A commit is shared by the orders of one turn, {tape.per_transaction:.0f} here, so that a tape costs "
            f"{1 - tape.per_s / orders['none'].per_s:.0%} of the orders a second; of one order that is alone it takes "
            f"{(p50[AIM] - p50['none']) * 1000:.0f} µs.",
            "Orders here are small and on one instrument, nobody reads a stream, and every connection is local.",
            f"A tape is replayed {replayed_per_s / tape.per_s:.1f} times as fast as its orders came in.",
            _compiled(orders, p50),
            *([] if given.smoke or "ws" in single else ["ws: there is no node here."]),
        ],
    )


def _compiled(orders: dict[str, Orders], p50: dict[str, float]) -> str:
    if AIM_COMPILED not in orders:
        return LEFT_OUT
    plain, compiled = orders[AIM], orders[AIM_COMPILED]
    return (
        f"Compiled, with durability {AIM}, {compiled.per_s / plain.per_s:.2f} times as many orders are acknowledged; "
        f"one at a time takes {p50[AIM_COMPILED] / p50[AIM]:.2f} times as long. What is around the session is not "
        "compiled."
    )


def _shares(run: Orders) -> list[Cell]:
    return [f"{run.server:.0%}", f"{run.generator:.0%}", run.server / run.per_s * 1e6, run.per_transaction]


def _row(name: str, milliseconds: dict[str, float]) -> list[Cell]:
    return [name, *(each * 1000 for each in milliseconds.values())]
