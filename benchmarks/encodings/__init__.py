"""What does an encoding cost: JSON, MessagePack, and each of them under permessage-deflate?

                       core 0                                     core 1
    built-in   ┌──────────────────────┐                    ┌───────────────────┐
    market ───►│ fold ► hub ► encoded │  TCP, 127.0.0.1    │ 200 clients, each ├──► memcmp with what the
    from a     │ once ► all clients   ├───────────────────►│ reads 5 channels  │    encoding has to say
    seed       └──────────────────────┘                    └───────────────────┘

The messages are real ones: trades, book deltas, book_l3, quotes and candles of all instruments. They are recorded once;
the bytes of a message, and the processor time to encode and to decode it, are measured in one process, the encodings in
turns, the least of some rounds. A client decodes as the Python client does, into typed messages; before that it
decompresses, with a new decompressor for each message, as no context takeover asks for.

Then the server plays the same commands as fast as its clients read, 100 commands a transaction, in each encoding in
turn; medians of rounds. A client must get the very bytes that its encoding has for the recorded messages, so the run
fails for a message that is lost, repeated, reordered or changed. That all encodings decode to the same messages is
checked before.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from benchmarks.encodings.played import (
    CHANNELS,
    Message,
    decoded,
    frames,
    is_compressed,
    opened,
    recorded,
    save,
    transactions,
)
from benchmarks.peers import PEERS, Server
from benchmarks.processes import said, started, tell
from benchmarks.results import Bars, Cell, Measured, Table, Wrong
from tickwire.model.records import Record
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.protocol.deflate import deflated

ENCODINGS = {
    "JSON": JSON.name,
    "MessagePack": MSGPACK.name,
    "JSON, deflate": deflated(JSON.name),
    "MessagePack, deflate": deflated(MSGPACK.name),
}


class Cost(NamedTuple):
    """What a message costs in one encoding, on average.

    Args:
        size: bytes on the wire. encode, decode: microseconds of processor, of the server and of a client.
    """

    size: float
    encode: float
    decode: float


class Run(NamedTuple):
    """One run of the server.

    Args:
        per_s: messages delivered a second, over all clients.
        ns: of the server's processor for each of them.
        server, generator: shares of their cores that they used. waited: of the time, for clients.
    """

    per_s: float
    ns: float
    server: float
    generator: float
    waited: float


def options(parser: ArgumentParser) -> None:
    """How much is played, to how many."""
    parser.add_argument("--inputs", type=int, default=20_000, metavar="N", help="commands (%(default)s)")
    parser.add_argument("--clients", type=int, default=200, metavar="N", help="(%(default)s)")
    parser.add_argument("--transaction", type=int, default=100, metavar="N", help="commands in one (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--lose", type=int, default=-1, metavar="N", help="leave message N out, to see the check fail")


def measure(given: Namespace) -> Measured:
    """Record, encode and decode, then deliver.

    Raises:
        Wrong: encodings differ in what they say, or a client did not get exactly that.
    """
    if given.smoke:
        given.inputs, given.clients, given.transaction, given.rounds = 300, 5, 20, 1
    played = transactions(given.inputs, given.transaction)
    messages, renderer = recorded(played)
    encoded = {title: frames(name, messages, renderer) for title, name in ENCODINGS.items()}
    check(encoded)
    costs = _costs(messages, encoded, lambda name: frames(name, messages, renderer), given.rounds)
    fold_ns = _fold_seconds(played) * 1e9 / len(messages) / given.clients

    titles = ["JSON", "MessagePack, deflate"] if given.smoke else [*ENCODINGS]  # every format and every extension
    runs: dict[str, list[Run]] = {title: [] for title in titles}
    with TemporaryDirectory() as name:
        folder = Path(name)
        save(played, folder / "transactions")
        for title, data in encoded.items():
            (folder / title).write_bytes(msgspec.msgpack.encode(data))
        for _ in range(given.rounds):
            for title, each in runs.items():
                each.append(_run(title, folder, given.clients, len(messages), given.lose))
    medians = {title: Run(*map(median, zip(*each, strict=True))) for title, each in runs.items()}
    sizes = {channel: _sizes(channel, messages, encoded) for channel in CHANNELS}
    return Measured(
        settings={
            "commands": given.inputs,
            "messages": len(messages),
            "clients": given.clients,
            "commands in a transaction": given.transaction,
            "rounds": given.rounds,
            **{name: version(name) for name in ("tickwire", "msgspec", "uvloop", "websockets")},
        },
        tables=[
            _sizes_table(sizes, messages, costs),
            _costs_table(costs),
            _runs_table(medians, costs, given.clients),
        ],
        charts=[
            Bars("Bytes of a message", "bytes", sizes),
            Bars("Delivered", "messages/s", {"": {title: run.per_s for title, run in medians.items()}}),
        ],
        findings=_findings(costs, medians, fold_ns, given.clients),
    )


def check(encoded: dict[str, list[bytes]]) -> None:
    """All encodings say the same, and those under deflate make use of it.

    Raises:
        Wrong: they do not.
    """
    right = decoded(JSON.name, encoded["JSON"])
    for title, data in encoded.items():
        if title.endswith("deflate") and not any(map(is_compressed, data)):
            raise Wrong(f"{title}: not a message is compressed")
        for number, (message, other) in enumerate(zip(right, decoded(ENCODINGS[title], data), strict=True)):
            if message != other:
                raise Wrong(f"message {number} is {message} in JSON and {other} in {title}")


def _costs(
    messages: Sequence[Message],
    encoded: dict[str, list[bytes]],
    encode: Callable[[str], list[bytes]],
    rounds: int,
) -> dict[str, Cost]:
    found = {title: [float("inf"), float("inf")] for title in ENCODINGS}
    for _ in range(rounds):
        for title, name in ENCODINGS.items():
            began = time.process_time()
            encode(name)
            between = time.process_time()
            decoded(name, encoded[title])
            took = between - began, time.process_time() - between
            found[title] = [min(best, each) for best, each in zip(found[title], took, strict=True)]
    count = len(messages)
    return {
        title: Cost(sum(map(len, encoded[title])) / count, *(each * 1e6 / count for each in best))
        for title, best in found.items()
    }


def _fold_seconds(played: Sequence[Sequence[Record]]) -> float:
    """Of the processor, to fold all transactions but the first while nobody reads."""
    server = opened(played[0])
    began = time.process_time()
    for records in played[1:]:
        server.transaction(records)
    return time.process_time() - began


def _sizes(channel: str, messages: Sequence[Message], encoded: dict[str, list[bytes]]) -> dict[str, float]:
    """Mean length of a channel's frames in each encoding."""
    numbers = [n for n, message in enumerate(messages) if message.key.channel == channel]
    return {title: sum(len(data[n]) for n in numbers) / max(1, len(numbers)) for title, data in encoded.items()}


def _run(title: str, folder: Path, clients: int, messages: int, lose: int) -> Run:
    with started("benchmarks.encodings.server", folder / "transactions", "--lose", lose) as process:
        try:
            server = Server(PEERS["tickwire"], process)
            load = ("--encoding", ENCODINGS[title], "--port", server.port, "--clients", clients)
            with started("benchmarks.encodings.load", folder / "transactions", folder / title, *load) as generator:
                said(generator)
                server.start()
                received = said(generator)
            report = server.report()
        except Wrong as wrong:
            process.kill()
            raise Wrong(f"{title}: {wrong}") from None
        tell(process, "stop")
    seconds, delivered = received["seconds"], clients * messages
    return Run(
        delivered / seconds,
        report.cpu_seconds * 1e9 / delivered,
        report.cpu_seconds / seconds,
        received["cpu_seconds"] / seconds,
        report.waited_seconds / seconds,
    )


def _sizes_table(sizes: dict[str, dict[str, float]], messages: Sequence[Message], costs: dict[str, Cost]) -> Table:
    counts = Counter(message.key.channel for message in messages)
    rows: list[list[Cell]] = [[channel, counts[channel], *sizes[channel].values()] for channel in sizes]
    rows.append(["all", len(messages), *(cost.size for cost in costs.values())])
    return Table("Bytes of a message on the wire", ["channel", "messages", *ENCODINGS], rows)


def _costs_table(costs: dict[str, Cost]) -> Table:
    json = costs["JSON"]
    rows: list[list[Cell]] = [
        [title, cost.encode, cost.encode / json.encode, cost.decode, cost.decode / json.decode]
        for title, cost in costs.items()
    ]
    columns = ["encoding", "encoded once, µs", "of JSON", "decoded by a client, µs", "of JSON"]
    return Table("Processor time of a message", columns, rows)


def _runs_table(runs: dict[str, Run], costs: dict[str, Cost], clients: int) -> Table:
    per_s = runs["JSON"].per_s
    rows: list[list[Cell]] = [
        [title, run.per_s, run.per_s / per_s, run.per_s * costs[title].size / 1e6, *run[1:]]
        for title, run in runs.items()
    ]
    columns = [
        "encoding",
        "messages/s",
        "of JSON",
        "MB/s",
        "server, ns a message",
        "server core",
        "generator",
        "waited",
    ]
    return Table(f"Delivered to {clients} clients", columns, rows)


def _findings(costs: dict[str, Cost], runs: dict[str, Run], fold_ns: float, clients: int) -> list[str]:
    plain, small = costs["JSON"], costs["JSON, deflate"]
    compress = small.encode - plain.encode
    return [
        f"Deflate: {compress:.1f} µs of the server for a message, once for all who read it, which is "
        f"{compress * 1000 / clients:.0f} ns for each of {clients} clients; a compressor for each client, as with "
        f"context takeover, would take the {compress:.1f} µs for every one of them. It saves "
        f"{1 - small.size / plain.size:.0%} of the bytes of JSON and costs a client "
        f"{small.decode - plain.decode:.1f} µs a message.",
        "Over real sockets a message costs the server for each client "
        f"{', '.join(f'{run.ns:.0f} ns ({title})' for title, run in runs.items())}; {fold_ns:.0f} ns of each are the "
        "market's fold.",
        f"MessagePack is {costs['MessagePack'].size / plain.size:.0%} of JSON's bytes, "
        f"{costs['MessagePack'].encode / plain.encode:.0%} of its time to encode and "
        f"{costs['MessagePack'].decode / plain.decode:.0%} of its time to decode: most of a message is names and "
        "decimal strings, which are the same in both.",
        "With fewer clients the encoding weighs more, with more it is the system calls and the bytes. The generator "
        "compares bytes and decodes nothing, so that it does not hold the server up.",
    ]
