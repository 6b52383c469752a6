"""How many messages a second does a client take in, typed and with its books kept, on one core?

               core 0                                           core 1
      ┌───────────────────────┐        TCP       ┌──────────────────────────────────────┐
      │ ready frames, written ├─────────────────►│ socket ► WebSocket ► decoded, typed  │
      │ as fast as they are   │    127.0.0.1     │        ├─► trades, one by one        │
      │ read                  │                  │        └─► book by level, by order   ├──► = the server's
      └───────────────────────┘                  └──────────────────────────────────────┘

The frames were made beforehand by the real market, hub and codecs: the changes of a book that moves, with their
checksums, those of its orders, and its trades. Three workloads: the trades alone, as typed messages one by one; the
book alone, kept by level; and everything that the market says (both books and the trades).

Each contestant is what a user would write with it. Ours: `client.subscribe`, `client.book`, `client.book_l3`, which
verify each `seq` and each checksum; also with the package that `make compiled` makes, whose books are compiled.
`websockets` with the standard library's json, and picows with msgspec, keep dicts of strings and verify nothing; the
latter does the least that can be done, and is the limit here. ccxt keeps the book from the same changes as Binance
would say them.

A client that ends with another number of messages, other levels or other orders than the server fails the run, and so
does one that does not end. What counts is the processor time of the client's process from the first byte of the
stream to the last: the rate is what one full core would take in.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.client.recorded import BINANCE, CHANNELS, Recording, Workload, record
from benchmarks.compiled import COMPILED, INTERPRETED, LEFT_OUT, packages, started_with
from benchmarks.processes import ROOT, said, started, started_program, tell
from benchmarks.results import Aim, Bars, Cell, Measured, Table, Wrong
from tickwire.protocol.messages import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

CONTESTANTS = {
    "tickwire, JSON": SUBPROTOCOL_JSON,
    "tickwire, MessagePack": SUBPROTOCOL_MSGPACK,
    "tickwire, JSON, compiled": SUBPROTOCOL_JSON,
    "tickwire, MessagePack, compiled": SUBPROTOCOL_MSGPACK,
    "websockets + json": SUBPROTOCOL_JSON,
    "picows + msgspec": SUBPROTOCOL_JSON,
    "ccxt": BINANCE,
}
"""What each reads."""
OURS = tuple(name for name in CONTESTANTS if name.startswith("tickwire"))
CCXT_PYTHON = ROOT / ".clients" / "ccxt" / "bin" / "python"
"""The environment that `make clients` makes."""
AIM = 300_000


class Run(NamedTuple):
    """One contestant's run of one workload.

    Args:
        messages_per_s: that one second of the client's processor time takes in.
        client, server: shares of their cores that were used.
    """

    messages_per_s: float
    client: float
    server: float


Medians = dict[tuple[Workload, str], Run]
"""By workload and contestant."""


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--messages", type=int, default=60_000, metavar="N", help="a run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """Let every contestant read every workload.

    Raises:
        Wrong: one of them did not come to what the server has.
    """
    if given.smoke:
        given.messages, given.rounds = 300, 1
    workloads = [workload for workload in CHANNELS if not given.smoke or workload != "trades"]
    found = packages()
    names = [name for name in CONTESTANTS if name != "ccxt" or CCXT_PYTHON.exists()]
    names = [name for name in names if package_of(name) in found]
    runs: dict[tuple[Workload, str], list[Run]] = {}
    with TemporaryDirectory() as folder:
        recordings = record(given.messages)
        files = {key: Path(folder) / str(number) for number, key in enumerate(recordings)}
        for key, recording in recordings.items():
            recording.write(files[key])
        for _ in range(given.rounds):
            for workload in workloads:
                for name in names:
                    key = workload, CONTESTANTS[name]
                    if key in recordings:
                        package = found[package_of(name)]
                        one = run(name, workload, recordings[key], files[key], given.lose, package)
                        runs.setdefault((workload, name), []).append(one)
    medians = {key: Run(*map(median, zip(*each, strict=True))) for key, each in runs.items()}
    sizes: dict[str, Cell] = {
        f"messages of {workload}": len(recordings[workload, SUBPROTOCOL_JSON].frames) for workload in workloads
    }
    return measured(medians, workloads, {**sizes, "rounds": given.rounds})


def package_of(name: str) -> str:
    """Which of our packages a contestant runs with."""
    return COMPILED if name.endswith(COMPILED) else INTERPRETED


def run(name: str, workload: Workload, recording: Recording, file: Path, lose: int, package: Path) -> Run:
    """One contestant's run.

    Args:
        file: where the recording is. package: where ours is found. lose: the message to leave out, or -1.

    Raises:
        Wrong: it did not come to what the server has.
    """
    with started("benchmarks.client.server", file, "--lose", lose) as server:
        try:
            port = said(server)["port"]
            if name == "ccxt":
                command = CCXT_PYTHON, Path(__file__).with_name("ccxt_reader.py"), port, recording.last["book"]
                reader = started_program(*command)
            else:
                plain = name.removesuffix(f", {COMPILED}")
                reader = started_with(package, "benchmarks.client.readers", plain, port, workload, file)
            with reader:
                try:
                    said(reader)
                    tell(server, "start")
                    result, sent = said(reader), said(server)
                except Wrong:
                    reader.kill()
                    raise
            tell(server, "stop")
        except Wrong as wrong:
            server.kill()
            raise Wrong(f"{name}, {workload}: {wrong}") from None
    problem = compared(result, recording, as_floats=name == "ccxt")
    if problem:
        raise Wrong(f"{name}, {workload}: {problem}")
    seconds = (result["ended_ns"] - sent["started_ns"]) / 1e9
    return Run(
        messages_per_s=len(recording.frames) / result["cpu_seconds"],
        client=min(1.0, result["cpu_seconds"] / seconds),
        server=sent["cpu_seconds"] / seconds,
    )


def compared(result: dict[str, Any], recording: Recording, *, as_floats: bool = False) -> str:
    """What a client came to that the server did not; "" for nothing.

    Args:
        result: what the client says: `messages`, where it can count them, `bids`, `asks`, `orders`.
        as_floats: the client has no other numbers.
    """
    number = float if as_floats else str
    if result["messages"] not in (None, len(recording.frames)):
        return f"it took in {result['messages']} messages of {len(recording.frames)}"
    for side, right in (("bids", recording.bids), ("asks", recording.asks)):
        if [[*map(number, level)] for level in result[side]] != [[*map(number, level)] for level in right]:
            return f"its {side} are not the server's"
    if sorted(map(tuple, result["orders"])) != sorted(map(tuple, recording.orders)):
        return "its orders are not the server's"
    return ""


def measured(medians: Medians, workloads: Sequence[Workload], settings: dict[str, Cell]) -> Measured:
    """What the runs come to."""
    tables = []
    for workload in workloads:
        rows: list[list[Cell]] = []
        least = medians[workload, "picows + msgspec"].messages_per_s
        for name in CONTESTANTS:
            one = medians.get((workload, name))
            if one is None:
                rows.append([name, *[None] * 5])
                continue
            shares = [f"{share:.0%}" for share in (one.client, one.server)]
            rate = one.messages_per_s
            rows.append([name, rate, 1e6 / rate, f"{rate / least:.0%}", *shares])
        title = f"{workload}: {', '.join(CHANNELS[workload])}"
        columns = ["client", "messages/s of a core", "µs a message", "of picows + msgspec"]
        tables.append(Table(title, [*columns, "client's core", "server's core"], rows))
    bars = Bars(
        "Messages that a client takes in",
        "messages a second of one core",
        {
            workload: {
                name: medians[workload, name].messages_per_s for name in CONTESTANTS if (workload, name) in medians
            }
            for workload in workloads
        },
    )
    best = max(
        (name for name in OURS if ("market", name) in medians), key=lambda name: medians["market", name].messages_per_s
    )
    return Measured(
        settings={
            **settings,
            **{name: version(name) for name in ("tickwire", "websockets", "picows", "msgspec", "uvloop")},
        },
        tables=tables,
        charts=[bars],
        aims=[
            Aim(
                "messages/s of a core that our Python client takes in, typed, its books kept and verified (market)",
                medians["market", best].messages_per_s,
                AIM,
                why=f"the best of ours is {best}. What is left is the interpreter's: the steps of a book's levels and "
                "of its checksum.",
            )
        ],
        findings=findings(medians, workloads),
    )


def findings(medians: Medians, workloads: Sequence[Workload]) -> list[str]:
    """What follows from the numbers, and what they leave out."""
    json = {workload: medians[workload, OURS[0]].messages_per_s for workload in workloads}
    peer = {workload: medians[workload, "websockets + json"].messages_per_s for workload in workloads}
    ratios = ", ".join(f"{json[workload] / peer[workload]:.1f}x ({workload})" for workload in workloads)
    server = max(one.server for one in medians.values())
    told = [
        f"Beside `websockets` with json, which keeps untyped dicts and verifies nothing, our client takes in {ratios}.",
        f"The server used at most {server:.0%} of its core: what was measured is the client.",
        "The stream is read at its fastest, many messages a read. At a low rate each message has a read and a turn of"
        " the event loop for itself, and then those are most of its cost for every client.",
    ]
    if ("book", "ccxt") in medians:
        ratio = json["book"] / medians["book", "ccxt"].messages_per_s
        told.append(
            "ccxt keeps its book from the same changes as Binance says them, in floats and without a checksum; ours"
            f" takes in {ratio:.1f} times as many. Its other channels are not compared."
        )
    else:
        told.append("ccxt is left out: `make clients` makes the environment that it needs.")
    compiled = {w: medians.get((w, f"{OURS[0]}, {COMPILED}")) for w in workloads}
    ratios = ", ".join(f"{one.messages_per_s / json[w]:.2f} ({w})" for w, one in compiled.items() if one)
    if ratios:
        told.append(f"Compiled, ours takes in {ratios} times as many: its books are, the rest of it is not.")
    else:
        told.append(LEFT_OUT)
    return told
