"""What is streamed to the clients, made beforehand by the real market, hub and codecs, and how the books then stand."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks.frames import frames, payload
from benchmarks.sink import Sink
from tickwire.feeds.simulated import PROFILES, SimulatedFeed
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Trade
from tickwire.model.records import Clock, FeedStatus, ListInstrument
from tickwire.protocol.codec import ENCODINGS, JSON, TEXT, NativeCodec, frame
from tickwire.protocol.render import Renderer
from tickwire.streams.hub import Hub

Workload = Literal["trades", "book", "market"]
CHANNELS: dict[Workload, tuple[str, ...]] = {
    "trades": ("trades",),
    "book": ("book",),
    "market": ("book", "book_l3", "trades"),
}
"""What a client reads of the instrument."""

INSTRUMENT = PROFILES[0].instrument
SYMBOL = INSTRUMENT.symbol
BINANCE = "binance"
"""The third wire beside the two subprotocols: Binance's, for ccxt."""
SEED = 1
START_NS = 1_732_180_000_000_000_000


class Recording(msgspec.Struct, frozen=True):
    """One workload on one wire.

    Args:
        snapshots: the message that each stream begins with, by channel.
        frames: what follows, each a whole WebSocket frame.
        last: the last `seq` of each channel.
        bids, asks: the levels at the end, best first, as the server says them; empty for trades.
        orders: those of both sides at the end, as the server says them; empty without book_l3.
    """

    snapshots: dict[str, bytes]
    frames: list[bytes]
    last: dict[str, int]
    bids: list[list[str]] = []
    asks: list[list[str]] = []
    orders: list[list[str]] = []

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_bytes(msgspec.msgpack.encode(self))

    @classmethod
    def read(cls, path: Path | str) -> Recording:
        """What a file keeps."""
        return msgspec.msgpack.decode(Path(path).read_bytes(), type=cls)


def record(messages: int) -> dict[tuple[Workload, str], Recording]:
    """Every workload by the subprotocol that says it, and the book on Binance's wire, too.

    Args:
        messages: of `market` at least, and of `trades`; `book` has those of `market` that are of the book.
    """
    market = Market()
    feed = SimulatedFeed(market, seed=SEED, start_ns=START_NS, profiles=PROFILES[:1])
    renderer = Renderer(lambda symbol: market.listing(symbol).instrument)
    codecs = {name: NativeCodec(encoding, renderer) for name, encoding in ENCODINGS.items()}
    hub = Hub(market, codecs)
    for opening in (Clock(START_NS), ListInstrument(INSTRUMENT), FeedStatus(feed.name, "live")):
        market.apply(opening)

    sinks = {name: Sink(name) for name in codecs}
    before = {name: _states(hub, sink) for name, sink in sinks.items()}
    said: dict[str, list[bytes]] = {name: [] for name in codecs}
    trades: list[Trade] = []
    for at_ns, commands in feed.due():
        for command in (Clock(at_ns), *commands):
            events = market.apply(command)
            trades += [event for event in events if isinstance(event, Trade)]
            hub.publish(events)
            hub.flush()
        for name, sink in sinks.items():
            said[name] += [each for segment in sink.taken for each in frames(segment)]
            sink.taken.clear()
        if len(said[JSON.name]) >= messages and trades:
            break

    recordings: dict[tuple[Workload, str], Recording] = {}
    for name, encoding in ENCODINGS.items():
        after = {channel: encoding.decode(data, _Message) for channel, data in _states(hub, Sink(name)).items()}
        last = {channel: message.seq for channel, message in after.items()}
        book, orders = after["book"].data, after["book_l3"].data
        end = last, book["bids"], book["asks"]
        books = [each for each in said[name] if encoding.decode(payload(each), _Message).channel == "book"]
        recordings["market", name] = Recording(before[name], said[name], *end, orders["bids"] + orders["asks"])
        recordings["book", name] = Recording({"book": before[name]["book"]}, books, {"book": last["book"]}, *end[1:])
        first = encoding.decode(before[name]["trades"], _Message).seq + 1
        key = StreamKey("trades", SYMBOL)
        recordings["trades", name] = Recording(
            {"trades": before[name]["trades"]},
            [
                codecs[name].updates(key, [msgspec.structs.replace(trade, seq=seq)])
                for seq, trade in enumerate(islice(cycle(trades), messages), first)
            ],
            {"trades": first + messages - 1},
        )
    recordings["book", BINANCE] = as_binance(recordings["book", JSON.name])
    return recordings


class _Message(msgspec.Struct):
    channel: str
    seq: int
    data: Any


def _states(hub: Hub, sink: Sink) -> dict[str, bytes]:
    """The snapshots that a subscription to each channel begins with."""
    return {channel: payload(hub.subscribe(StreamKey(channel, SYMBOL), sink)[1]) for channel in CHANNELS["market"]}


def as_binance(native: Recording) -> Recording:
    """The changes of a book as Binance says them: `depthUpdate`, one for each of ours, its `u` our `seq`."""
    changes = []
    for each in native.frames:
        message = JSON.decode(payload(each), _Message)
        at, data = message.seq, message.data
        event = {"e": "depthUpdate", "E": START_NS // 10**6, "s": f"{INSTRUMENT.base}{INSTRUMENT.quote}"}
        changes.append(
            frame(TEXT, msgspec.json.encode(event | {"U": at, "u": at, "b": data["bids"], "a": data["asks"]}))
        )
    first = JSON.decode(native.snapshots["book"], _Message)
    snapshot = {"lastUpdateId": first.seq, "bids": first.data["bids"], "asks": first.data["asks"]}
    return msgspec.structs.replace(native, snapshots={"book": msgspec.json.encode(snapshot)}, frames=changes)
