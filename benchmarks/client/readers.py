"""The clients of the benchmark: `python -m benchmarks.client.readers NAME PORT WORKLOAD FILE`.

Each says that it is ready when it is subscribed, reads until it has seen the last message of every channel, and then
says what processor time that took, how many messages it was, and how the books stand.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import uvloop
from msgspec.json import Decoder
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from websockets.asyncio.client import connect as websockets_connect

from benchmarks.client.recorded import CHANNELS, SYMBOL, Recording, Workload
from benchmarks.processes import LOAD_CORE, pin, say
from tickwire.client import LiveBook, LiveOrders, StreamMessage, Subscription, connect
from tickwire.errors import ClientError
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.messages import DATA_TYPES

TIMEOUT_SECONDS = 20
"""Longer than any run takes; after it, a message was lost."""

Last = dict[str, int]
"""The last `seq` of each channel."""


class State(NamedTuple):
    """What was read: messages of streams, levels best first as (price, size), orders as (id, price, size)."""

    messages: int
    bids: list[Sequence[str]]
    asks: list[Sequence[str]]
    orders: list[Sequence[str]]


class Books:
    """What a user writes who wants no more than the levels and the orders: dicts of strings, nothing verified.

    Attributes:
        ended: done when the last message of every channel was worked in.
    """

    def __init__(self, last: Last) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._messages = 0
        self._sides: tuple[dict[str, str], dict[str, str]] = {}, {}
        self._orders: dict[str, Sequence[str]] = {}
        self._left = dict(last)

    def set_levels(self, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> None:
        """What changed in the book."""
        for side, levels in zip(self._sides, (bids, asks), strict=True):
            for price, size in levels:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)

    def set_order(self, action: str, order_id: str, price: str, size: str) -> None:
        """What became of an order."""
        if action == "cancel" or not float(size):
            self._orders.pop(order_id, None)
        else:
            self._orders[order_id] = (order_id, price, size)

    def seen(self, channel: str, seq: int) -> None:
        """A message has been worked in."""
        self._messages += 1
        if seq >= self._left[channel]:
            del self._left[channel]
            if not self._left:
                self.ended.set_result(None)

    def state(self) -> State:
        """Where it has come to."""
        bids, asks = (sorted(side.items(), key=lambda level: float(level[0])) for side in self._sides)
        return State(self._messages, [*reversed(bids)], [*asks], list(self._orders.values()))


Ready = Callable[[], None]
"""To be called when everything is subscribed to."""


async def tickwire(encoding: Encoding, port: int, workload: Workload, last: Last, ready: Ready) -> State:
    """Our client: every message typed, every `seq` and every checksum verified."""
    async with connect(f"ws://127.0.0.1:{port}/ws", encoding=encoding, reconnect=False) as client:
        levels = orders = trades = None
        if "book" in CHANNELS[workload]:
            levels = await client.book(SYMBOL)
        if "book_l3" in CHANNELS[workload]:
            orders = await client.book_l3(SYMBOL)
        if "trades" in CHANNELS[workload]:
            trades = await client.subscribe("trades", SYMBOL)
            await anext(aiter(trades))  # its snapshot
        before = client.stats.messages
        ready()
        if trades is not None:
            await read_trades(trades, last["trades"])
        for channel, live in (("book", levels), ("book_l3", orders)):
            if live is not None:
                await live.until(partial(reached, last[channel]))
        return State(
            client.stats.messages - before,
            [] if levels is None else texts(levels.bids()),
            [] if levels is None else texts(levels.asks()),
            [] if orders is None else texts([*orders.orders("buy"), *orders.orders("sell")]),
        )


async def read_trades(trades: Subscription, last: int) -> None:
    """Iterate to the last one."""
    async for message in trades:
        if not isinstance(message, StreamMessage):
            raise ValueError(f"of the trades, something is missing: {message}")
        if message.seq >= last:
            return


def reached(last: int, live: LiveBook | LiveOrders) -> bool:
    """Whether a book has its last message."""
    return live.seq >= last


def texts(rows: Iterable[Iterable[object]]) -> list[Sequence[str]]:
    """Numbers as the server writes them."""
    return [[str(cell) for cell in row] for row in rows]


async def websockets(port: int, workload: Workload, last: Last, ready: Ready) -> State:
    """`websockets` and the standard library's json, as the tutorials of both have it."""
    books = Books(last)
    async with websockets_connect(f"ws://127.0.0.1:{port}/ws", compression=None) as ws:
        json.loads(await ws.recv())
        for request in requests(workload):
            await ws.send(request)
            json.loads(await ws.recv())
            json.loads(await ws.recv())
        ready()
        async for text in ws:
            message = json.loads(text)
            channel, data = message["channel"], message["data"]
            if channel == "book":
                books.set_levels(data["bids"], data["asks"])
            elif channel == "book_l3":
                books.set_order(data["action"], data["order_id"], data["price"], data["size"])
            books.seen(channel, message["seq"])
            if books.ended.done():
                break
    return books.state()


class _Bare(WSListener):
    def __init__(self, books: Books) -> None:
        self.greetings: asyncio.Queue[bytes] = asyncio.Queue()
        self.streaming = False
        self._books = books
        # by what follows the name of the first field, which tells the type of the rest
        self._decoders: dict[bytes, Callable[[bytes], StreamMessage]] = {
            f'":"{channel}",'.encode()[:8]: Decoder(StreamMessage[data]).decode  # type: ignore[valid-type]
            for (channel, kind), data in DATA_TYPES.items()
            if kind == "update"
        }

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if not self.streaming:
            self.greetings.put_nowait(data)
            return
        message = self._decoders[data[9:17]](data)
        channel, change, books = message.channel, message.data, self._books
        if channel == "book":
            books.set_levels(change.bids, change.asks)
        elif channel == "book_l3":
            books.set_order(change.action, change.order_id, change.price, change.size)
        books.seen(channel, message.seq)


async def picows(port: int, workload: Workload, last: Last, ready: Ready) -> State:
    """picows and msgspec with nothing between them: typed messages, and the same books as `websockets` keeps."""
    books = Books(last)
    listener = _Bare(books)
    transport, _ = await ws_connect(lambda: listener, f"ws://127.0.0.1:{port}/ws")
    await listener.greetings.get()
    for request in requests(workload):
        transport.send(WSMsgType.TEXT, request.encode())
        await listener.greetings.get()
        await listener.greetings.get()
    listener.streaming = True
    ready()
    await books.ended
    transport.disconnect()
    return books.state()


def requests(workload: Workload) -> list[str]:
    """What subscribes to the channels of a workload. The reply and a snapshot, of an empty book, answer each."""
    return [
        json.dumps({"id": n, "method": "subscribe", "params": {"channel": channel, "symbols": [SYMBOL]}})
        for n, channel in enumerate(CHANNELS[workload])
    ]


READERS: dict[str, Callable[[int, Workload, Last, Ready], Coroutine[Any, Any, State]]] = {
    "tickwire, JSON": partial(tickwire, "json"),
    "tickwire, MessagePack": partial(tickwire, "msgpack"),
    "websockets + json": websockets,
    "picows + msgspec": picows,
}


async def read(name: str, port: int, workload: Workload, last: Last) -> None:
    """Read everything and say what it came to."""
    began_ns = 0

    def ready() -> None:
        nonlocal began_ns
        say(ready=True)
        began_ns = time.process_time_ns()

    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            state = await READERS[name](port, workload, last, ready)
    except (ClientError, ValueError, TimeoutError) as error:
        say(error=f"{error!r}")
        return
    cpu_seconds = (time.process_time_ns() - began_ns) / 1e9
    say(ended_ns=time.monotonic_ns(), cpu_seconds=cpu_seconds, **state._asdict())


if __name__ == "__main__":
    pin(LOAD_CORE)
    _, reader, its_port, its_workload, file = sys.argv
    uvloop.run(read(reader, int(its_port), its_workload, Recording.read(file).last))  # type: ignore[arg-type]
