"""Puts the inputs through, with the package that is found first, and says how long it took.

    python -m benchmarks.fold.run INPUTS

It checks, says what it came to, and measures a round for each line that it is told.
"""

from __future__ import annotations

import sys
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import msgspec

from benchmarks.fold.workloads import SIZES, WORKLOADS, transactions
from benchmarks.frames import payloads
from benchmarks.processes import SERVER_CORE, pin, say
from benchmarks.sink import Sink
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.records import Record
from tickwire.protocol.codec import JSON, NativeCodec
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub
from tickwire.tape.base import Tape
from tickwire.tape.memory import MemoryTape
from tickwire.tape.sqlite import SqliteTape


class Outcome(NamedTuple):
    """A run: seconds in tape, fold and streams; the state it ended in; each lossless stream's last number; what was
    sent."""

    seconds: list[float]
    digest: str
    last: dict[StreamKey, int]
    sent: list[bytes]


def run(tape: Tape, opening: list[Record], grouped: list[list[Record]]) -> Outcome:
    """Put everything through, with a sink that is subscribed to every stream."""
    market = Market()
    for record in opening:
        market.apply(record)
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    hub = Hub(market, {JSON.name: NativeCodec(JSON, renderer)})
    sink = Sink()
    lossless = []
    for instrument in market.instruments:
        symbol = instrument.symbol
        keys = [StreamKey(channel, symbol, interval="1m" * (channel == "candles")) for channel in instrument.channels]
        for key in [*keys, StreamKey("book", symbol, depth=10, interval_ms=100)]:
            _, snapshot = hub.subscribe(key, sink)
            sink.out.append(snapshot)
            lossless += [key] if key.lossless else []
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
    return Outcome([tape_s, fold_s, streams_s], market.digest(), {key: market.seq(key) for key in lossless}, sink.taken)


class _Header(msgspec.Struct):
    channel: str
    symbol: str
    type: str
    seq: int
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""


def check(sent: list[bytes], right: dict[StreamKey, int]) -> tuple[int, str]:
    """How many messages were sent, and what is wrong with them ("" if nothing).

    Args:
        right: the last number of each lossless stream.
    """
    decoder = msgspec.json.Decoder(_Header)
    last: dict[StreamKey, int] = {}
    count = 0
    for segment in sent:
        for body in payloads(segment):
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
    for key, seq in right.items():
        if last.get(key) != seq:
            return count, f"{key}: {seq} was to come last, but {last.get(key)} came"
    return count, ""


def main(count: int) -> int:
    """Check, then measure as often as told; 1 if an answer was wrong."""
    pin(SERVER_CORE)
    cases = []
    checked = {}
    for workload, made in WORKLOADS.items():
        opening, inputs = made(count)
        for size in SIZES:
            grouped = transactions(inputs, size)
            first = run(MemoryTape(), opening, grouped)
            messages, problem = check(first.sent, first.last)
            if problem:
                say(error=f"{workload}: {problem}")
                return 1
            sent = sum(map(len, first.sent))
            content = blake2b(b"".join(first.sent), digest_size=16).hexdigest()
            checked[f"{workload} {size}"] = {
                "state": first.digest, "content": content, "messages": messages, "bytes": sent,
            }  # fmt: skip
            cases.append((workload, size, opening, grouped, first.digest, sent))
    say(**checked)
    while sys.stdin.readline():
        rows = []
        for workload, size, opening, grouped, digest, sent in cases:
            with TemporaryDirectory() as folder, closing(SqliteTape(Path(folder), "process")) as tape:
                result = run(tape, opening, grouped)
            if (result.digest, sum(map(len, result.sent))) != (digest, sent):
                say(error=f"{workload}: over the same inputs a run ended in another state or sent other bytes")
                return 1
            rows.append({"workload": workload, "size": size, "seconds": result.seconds})
        say(rows=rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
