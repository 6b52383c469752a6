"""How many inputs a second go through tape, fold and streams with every stream on, and where does the time go?

    commands ──► tape.append ──► market.apply ──► hub.publish, flush ──► JSON frames ──► discarded
    of the simulated feed, in transactions of 1, 10 and 100

One process, one core, no socket. Every channel of every instrument is subscribed to, `book` also by depth and
interval. Before the measurement another run keeps the frames and checks them: lossless streams rise by exactly 1,
the others rise. Every measured run must end with the same digest and as many bytes as that one.

    python benchmarks/bench_fold.py [--inputs N] [--repeats N] [--profile] [--smoke]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import msgspec

from tickwire.feeds.simulated import SimulatedFeed
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.records import Clock, FeedStatus, ListInstrument, Record
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub
from tickwire.streams.log import Cursor
from tickwire.tape.base import Tape
from tickwire.tape.memory import MemoryTape
from tickwire.tape.sqlite import SqliteTape

SEED = 1
START_NS = 1_732_180_000_000_000_000
SIZES = (1, 10, 100)


class Sink:
    """A subscriber that reads everything at once."""

    def __init__(self, *, keep: bool) -> None:
        self.encoding = JSON.name
        self.ready = True
        self.out: list[bytes] = []
        self.lagging: dict[Cursor, None] = {}
        self.lag_told = False
        self.kept: list[bytes] | None = [] if keep else None
        self.bytes = 0

    def fail(self) -> None:
        """Nothing fails here."""

    def too_slow(self) -> None:
        """Never: it is always ready."""

    def flush(self) -> None:
        """Take what there is."""
        self.bytes += sum(map(len, self.out))
        if self.kept is not None:
            self.kept += self.out
        self.out.clear()


class Result(NamedTuple):
    """One run: seconds by stage, and what must be the same in each run."""

    tape: float
    fold: float
    streams: float
    digest: str
    bytes: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.tape + self.fold + self.streams


def inputs(count: int) -> tuple[list[Record], list[tuple[int, Record]]]:
    """What lists the instruments, then `count` commands of the simulated feed with the times they are due."""
    market = Market()
    feed = SimulatedFeed(market, seed=SEED, start_ns=START_NS)
    opening: list[Record] = [Clock(START_NS), *map(ListInstrument, feed.instruments()), FeedStatus(feed.name, "live")]
    for record in opening:
        market.apply(record)
    commands: list[tuple[int, Record]] = []
    for at_ns, records in feed.due():
        for record in (Clock(at_ns), *records):
            market.apply(record)
        commands += [(at_ns, record) for record in records]
        if len(commands) >= count:
            break
    return opening, commands[:count]


def transactions(commands: list[tuple[int, Record]], size: int) -> list[list[Record]]:
    """The commands in transactions of `size`, each under the clock of its last one."""
    rows = iter(commands)
    grouped: list[list[Record]] = []
    while group := list(islice(rows, size)):
        grouped.append([Clock(group[-1][0]), *(record for _, record in group)])
    return grouped


def run(tape: Tape, opening: list[Record], grouped: list[list[Record]], sink: Sink) -> Result:
    """Put everything through, with a sink that is subscribed to every stream."""
    market = Market()
    for record in opening:
        market.apply(record)
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    for instrument in market.instruments:
        symbol = instrument.symbol
        keys = [StreamKey(channel, symbol, interval="1m" * (channel == "candles")) for channel in instrument.channels]
        for key in [*keys, StreamKey("book", symbol, depth=10, interval_ms=100)]:
            _, snapshot = hub.subscribe(key, sink)
            sink.out.append(snapshot)
    sink.flush()

    tape_s = fold_s = streams_s = 0.0
    for records in grouped:
        began = perf_counter()
        tape.append(records)
        appended = perf_counter()
        events = [market.apply(record) for record in records]
        folded = perf_counter()
        for group in events:
            if group:
                hub.publish(group)
        hub.flush()
        streams_s += perf_counter() - folded
        fold_s += folded - appended
        tape_s += appended - began
    return Result(tape_s, fold_s, streams_s, market.digest(), sink.bytes)


class _Header(msgspec.Struct):
    channel: str
    symbol: str
    type: str
    seq: int
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


def check(kept: list[bytes]) -> tuple[int, str]:
    """How many messages were sent, and what is wrong with their order ("" if nothing)."""
    decoder = msgspec.json.Decoder(_Header)
    last: dict[StreamKey, int] = {}
    count = 0
    for segment in kept:
        for body in _bodies(segment):
            header = decoder.decode(body)
            key = StreamKey(header.channel, header.symbol, header.depth, header.interval_ms, header.interval)
            count += 1
            if key in last:
                rise = header.seq - last[key]
                if header.type == "update" and (rise != 1 if key.lossless else rise < 1):
                    return count, f"{key}: after {last[key]} came {header.seq}"
            elif header.type != "snapshot":
                return count, f"{key} begins with {header.type}"
            last[key] = header.seq
    return count, ""


def _bodies(segment: bytes) -> list[bytes]:
    """The payloads of joined unmasked frames."""
    bodies = []
    at = 0
    while at < len(segment):
        size = segment[at + 1]
        header = {126: 4, 127: 10}.get(size, 2)
        if header > 2:
            size = int.from_bytes(segment[at + 2 : at + header], "big")
        bodies.append(segment[at + header : at + header + size])
        at += header + size
    return bodies


def best(kind: str, opening: list[Record], grouped: list[list[Record]], repeats: int, expected: Result) -> Result:
    """The fastest of some runs on a new tape each.

    Raises:
        SystemExit: a run came to another state or sent other bytes than expected.
    """
    results = []
    for _ in range(repeats):
        with TemporaryDirectory() as folder, closing(new_tape(kind, Path(folder))) as tape:
            result = run(tape, opening, grouped, Sink(keep=False))
        if (result.digest, result.bytes) != (expected.digest, expected.bytes):
            raise SystemExit(f"WRONG: {kind}: a run over the same tape ended in another state or sent other bytes")
        results.append(result)
    return min(results, key=lambda result: result.seconds)


def new_tape(kind: str, folder: Path) -> Tape:
    """A tape in memory, or on disk for the durability "process"."""
    return MemoryTape() if kind == "memory" else SqliteTape(folder, "process")


def main(argv: list[str]) -> int:
    """Check, measure and print; return 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description="inputs per second with every stream on")
    parser.add_argument("--inputs", type=int, default=30_000, metavar="N", help="commands per run (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs, of which the best counts")
    parser.add_argument(
        "--profile", action="store_true", help="print where a run of transactions of 10 spends its time"
    )
    parser.add_argument("--smoke", action="store_true", help="few commands: only the checks count")
    given = parser.parse_args(argv)
    if given.smoke:
        given.inputs, given.repeats = 2_000, 1

    opening, commands = inputs(given.inputs)
    if given.profile:
        with cProfile.Profile() as profile:
            run(MemoryTape(), opening, transactions(commands, 10), Sink(keep=False))
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return 0
    print(f"{len(commands):,} commands on {len(opening) - 2} instruments, every channel subscribed to in JSON")
    print("tape      transaction    inputs/s    tape    fold  streams   messages/input   bytes/input")
    for size in SIZES:
        grouped = transactions(commands, size)
        sink = Sink(keep=True)
        expected = run(MemoryTape(), opening, grouped, sink)
        messages, problem = check(sink.kept or [])
        if problem:
            print(f"WRONG: {problem}", file=sys.stderr)
            return 1
        for kind in ("memory", "sqlite"):
            result = best(kind, opening, grouped, given.repeats, expected)
            shares = [stage / result.seconds for stage in result[:3]]
            print(
                f"{kind:<10}{size:>11,}{len(commands) / result.seconds:>12,.0f}"
                f"{shares[0]:>8.0%}{shares[1]:>8.0%}{shares[2]:>9.0%}"
                f"{messages / len(commands):>17.2f}{result.bytes / len(commands):>14,.0f}"
            )
    print("same state and same bytes in every run; every stream in order")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
