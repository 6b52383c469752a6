"""What a message costs the hub, by number of clients and of streams. No sockets: the fan-out benchmark has those."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import msgspec

from benchmarks.frames import payloads
from benchmarks.growth.curve import Curve, Family, cpu_us
from benchmarks.growth.market import Publisher, opened, symbol, trade
from benchmarks.results import Wrong
from benchmarks.sink import Sink
from tickwire.model.channel import StreamKey
from tickwire.model.records import Record

TRADES_PER_TURN = 16
TURNS = 8


class _Message(msgspec.Struct):
    symbol: str
    seq: int
    data: dict[str, object]


def clients(counts: Iterable[int], lose: int = -1) -> Family:
    """One stream that everybody reads, 16 trades a transaction."""
    cpu, memory = [], []
    for count in counts:
        publisher = Publisher(opened(1), lose)
        tracemalloc.start()
        sinks = [Sink() for _ in range(count)]
        for sink in sinks:
            publisher.subscribe([StreamKey("trades", symbol(0))], sink)
        memory.append((count, tracemalloc.get_traced_memory()[0] / count))
        tracemalloc.stop()
        turns = TURNS * max(1, 200 // count)

        def work(publisher: Publisher = publisher, turns: int = turns) -> None:
            for turn in range(turns):
                publisher.transaction([trade(0, turn * TRADES_PER_TURN + n) for n in range(TRADES_PER_TURN)])

        cpu.append((count, 1_000 * cpu_us(work) / (turns * TRADES_PER_TURN * count)))
        check(sinks, {symbol(0): publisher.market.listing(symbol(0)).seq["trades"]})
    return Family(
        "clients",
        [
            Curve("hub, per delivered message", "ns of processor", "flat", cpu),
            Curve("hub, per subscription", "bytes of memory", "flat", memory),
        ],
    )


def streams(counts: Iterable[int], lose: int = -1) -> Family:
    """One client of many streams, of which one trades, or all do. It reads the quotes, too, of which the hub asks for
    news after each transaction."""
    one, every, memory = [], [], []
    for count in counts:
        publisher, sink = Publisher(opened(count), lose), Sink()
        tracemalloc.start()
        for index in range(count):
            publisher.subscribe([StreamKey("trades", symbol(index)), StreamKey("quotes", symbol(index))], sink)
        memory.append((count, tracemalloc.get_traced_memory()[0] / (2 * count)))
        tracemalloc.stop()
        busy: list[Record] = [trade(0, n) for n in range(TRADES_PER_TURN)]
        all_at_once: list[Record] = [trade(index, 1) for index in range(count)]
        one.append((count, _per_input(publisher, busy, 40)))
        every.append((count, _per_input(publisher, all_at_once, max(1, 1_000 // count))))
        check([sink], {name: publisher.market.listing(name).seq["trades"] for name in map(symbol, range(count))})
    return Family(
        "streams",
        [
            Curve("per input, one of the streams trades", "ns of processor", "flat", one),
            Curve("per input, every stream trades", "ns of processor", "flat", every),
            Curve("hub, per stream that is read", "bytes of memory", "flat", memory),
        ],
    )


def _per_input(publisher: Publisher, trades: list[Record], turns: int) -> float:
    def work() -> None:
        for _ in range(turns):
            publisher.transaction(trades)

    return 1_000 * cpu_us(work) / (turns * len(trades))


def check(sinks: list[Sink], last_seqs: dict[str, int]) -> None:
    """Every sink was given every trade after the first of each instrument, once and in order.

    Raises:
        Wrong: it was not.
    """
    first, *others = sinks
    if any(other.taken != first.taken for other in others):
        raise Wrong("two clients of one stream were given different messages")
    said = dict.fromkeys(last_seqs, 1)
    decode = msgspec.json.Decoder(_Message).decode
    for body in payloads(b"".join(first.taken)):
        message = decode(body)
        if message.seq != said[message.symbol] + 1:
            raise Wrong(f"{message.symbol}: trade {said[message.symbol] + 1} was to come, but {message.seq} came")
        said[message.symbol] = message.seq
    if said != last_seqs:
        missing = next(name for name, last in last_seqs.items() if said[name] != last)
        raise Wrong(f"{missing}: {last_seqs[missing]} trades were made, {said[missing]} came")
