"""Books as clients of the other protocols come by them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.request import urlopen

from websockets.asyncio.client import ClientConnection, connect

Levels = list[tuple[Decimal, Decimal]]
"""(price, size), best first"""
BYTES_MAX = 2**24
"""Of a message: a whole book of a thousand levels a side has 60 KB."""


class Book(NamedTuple):
    """A book after the change that has this number: sizes by price."""

    seq: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]

    def change(self, bids: Iterable[Iterable[Any]], asks: Iterable[Iterable[Any]]) -> None:
        """Set levels, in place; a size of 0 deletes one."""
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for price, size, *_ in rows:
                if Decimal(size):
                    side[Decimal(price)] = Decimal(size)
                else:
                    side.pop(Decimal(price), None)

    def ranked(self) -> tuple[Levels, Levels]:
        """Its bids and asks."""
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())


def book(seq: int, bids: Iterable[Iterable[Any]], asks: Iterable[Iterable[Any]]) -> Book:
    """A book of `[price, size]` rows."""
    new = Book(seq, {}, {})
    new.change(bids, asks)
    return new


def joined(snapshot: dict[str, Any], diffs: list[dict[str, Any]]) -> Iterator[Book]:
    """Binance's book from a snapshot and `depthUpdate` events that began before it, by the rule that Binance gives its
    clients: after the snapshot, and after every event that is not in it already. The same dicts each time."""
    now = book(snapshot["lastUpdateId"], snapshot["bids"], snapshot["asks"])
    assert not diffs or now.seq >= diffs[0]["U"] - 1, "the snapshot is older than the stream"
    yield now
    for diff in diffs:
        if diff["u"] <= snapshot["lastUpdateId"]:
            continue
        if now.seq == snapshot["lastUpdateId"]:
            assert diff["U"] <= now.seq + 1 <= diff["u"], diff
        else:
            assert diff["U"] == now.seq + 1, diff
        now.change(diff["b"], diff["a"])
        now = now._replace(seq=diff["u"])
        yield now


async def binance_depth(url: str, name: str) -> dict[str, Any]:
    """The snapshot over REST, as deep as there is one; `url` is http://HOST:PORT."""

    def get() -> Any:
        with urlopen(f"{url}/binance/api/v3/depth?symbol={name}&limit=5000") as answer:
            return json.loads(answer.read())

    depth: dict[str, Any] = await asyncio.to_thread(get)
    return depth


def side(levels: Iterable[dict[str, Any]]) -> Levels:
    """A side as CoinAPI tells it."""
    return [(Decimal(level["price"]), Decimal(level["size"])) for level in levels]


class CoinApiBook:
    """The book of one symbol over CoinAPI's WebSocket: a snapshot, then every change.

    Args:
        ws: a connection that the hello has not been sent on yet.
    """

    def __init__(self, ws: ClientConnection, symbol_id: str) -> None:
        self._ws = ws
        self._symbol_id = symbol_id
        self._now = Book(-1, {}, {})

    async def at(self, seq: int) -> Book:
        """The book after the change of this number."""
        if self._now.seq < 0:
            hello = {"subscribe_data_type": ["book"], "subscribe_filter_symbol_id": [f"{self._symbol_id}$"]}
            await self._ws.send(json.dumps({"type": "hello", "heartbeat": False, **hello}))
        while self._now.seq < seq:
            message = json.loads(await self._ws.recv(), parse_float=Decimal, parse_int=Decimal)
            assert message["type"] == "book", message
            assert message["is_snapshot"] == (self._now.seq < 0)
            assert message["is_snapshot"] or message["sequence"] == self._now.seq + 1
            self._now.change(side(message["bids"]), side(message["asks"]))
            self._now = self._now._replace(seq=int(message["sequence"]))
        return self._now


def open_socket(url: str) -> connect:
    """A connection that takes books of any size."""
    return connect(url, max_size=BYTES_MAX)
