"""How does each cost grow: with clients, with streams, with instruments, with history?

    clients       10 ──► 5,000       one stream that all read              hub alone; server with sockets
    streams        1 ──► 1,000       one client that reads all             fold and hub
    instruments   10 ──► 10,000      one of them trades or is asked for    fold, REST of the dialects, snapshot
    records   10,000 ──► 1,000,000   tape on disk                          append, start from a snapshot
    candles   10,000 ──► 320,000     closed candles on disk                the oldest and the newest of an instrument

Sizes double. What is measured is the processor time of this process, the least of three, so that other processes
disturb little; memory is what Python allocates. Through the upper half of each curve goes a line whose slope in the
logarithms is the exponent: 0 where a cost does not depend on the size, 1 where it is in proportion. A curve that is
steeper than it has to be is named in the findings.

Every client is compared with the first, whose messages must have every number once; restored states have the same
digest; answers are compared with what was put in.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.growth.curve import TOLERANCE, Family, charts, sizes, table
from benchmarks.growth.fan_out import clients, streams
from benchmarks.growth.history import candles, tape
from benchmarks.growth.instruments import instruments
from benchmarks.growth.sockets import DELIVERED, sockets
from benchmarks.processes import SERVER_CORE, pinned
from benchmarks.results import Measured

HELD_UP_US = 5_000
"""A turn that takes longer is named in the findings."""


def options(parser: ArgumentParser) -> None:
    """Where each curve ends."""
    parser.add_argument("--clients", type=int, default=5_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--streams", type=int, default=1_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--instruments", type=int, default=10_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="on the tape (%(default)s)")
    parser.add_argument("--candles", type=int, default=320_000, metavar="N", help="in the store (%(default)s)")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave event N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """Measure every curve.

    Raises:
        Wrong: a message, a state or an answer was not the right one.
    """
    first = 10_000
    if given.smoke:
        given.clients, given.streams, given.instruments, given.records, given.candles = 20, 2, 20, 1_000, 1_000
        first = 500
    *counts, last = sizes(10, given.clients)
    over_sockets = sockets([*counts[::2], last], delivered=100 if given.smoke else DELIVERED)
    with pinned(SERVER_CORE), TemporaryDirectory() as folder:
        by_clients = clients(sizes(10, given.clients), given.lose)
        families = [
            by_clients._replace(curves=[*by_clients.curves, *over_sockets]),
            streams(sizes(1, given.streams), given.lose),
            instruments(sizes(10, given.instruments)),
            tape(sizes(first, given.records), Path(folder)),
            candles(sizes(first, given.candles), Path(folder)),
        ]
    return Measured(
        settings={
            "clients": given.clients,
            "streams": given.streams,
            "instruments": given.instruments,
            "records": given.records,
            "candles": given.candles,
        },
        tables=[table(families)],
        charts=[*charts(families)],
        findings=findings(families),
    )


def findings(families: list[Family]) -> list[str]:
    """What grows faster than it has to, and what is left out."""
    steep = [
        f"Not as expected: {curve.of} grows with size to the {curve.exponent:.2f} against the number of {family.size}: "
        f"{curve.points[0][1]:.3g} {curve.unit} at {curve.points[0][0]:,}, {curve.points[-1][1]:.3g} at "
        f"{curve.points[-1][0]:,}."
        for family in families
        for curve in family.curves
        if not curve.as_expected
    ]
    held = [
        f"{curve.of}: {curve.points[-1][1] / 1_000:.1f} ms"
        for family in families
        for curve in family.curves
        if family.size == "instruments" and curve.expected == "linear" and curve.points[-1][1] >= HELD_UP_US
    ]
    return [
        *([f"At the most instruments one turn holds the server up for a while: {'; '.join(held)}."] if held else []),
        *(steep or [f"No curve is steeper than expected by more than {TOLERANCE}."]),
        "The hub's curves are measured without sockets, those of a server with them: there a delivered message "
        "includes its share of the system call, and a connection all that the process has for it.",
        "A request over HTTP is measured without its socket and its parsing, which do not depend on the market.",
    ]
