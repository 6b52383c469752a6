"""Kraken WebSocket v1: book with checksums, trade and ticker, as cryptofeed records them.

A book is kept `depth` levels deep on each side: what an update pushes beyond is dropped, and comes again
marked "r" when it is back within. The checksum is over the digits of the venue's strings, so prices and sizes
keep exactly the decimals that the frames have. Source: Kraken WebSockets API v1, "book".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from tickwire.errors import FeedError
from tickwire.feeds.formats import cryptofeed
from tickwire.feeds.formats.base import Format, Line, Steps, decoded, mirrored, seconds_ns, step_of
from tickwire.model.records import Record, VenueBookSnapshot, VenueBookUpdate, VenueTrade

_LOT_SIZE = "0.00000001"


class _Level(msgspec.Struct, frozen=True, array_like=True):
    """A fourth element, "r", marks a level that is published again; it is set like any other."""

    price: str
    size: str
    time: str


class _Book(msgspec.Struct, frozen=True, rename={"all_asks": "as", "all_bids": "bs", "asks": "a", "bids": "b"}):
    all_asks: list[_Level] | None = None
    all_bids: list[_Level] | None = None
    asks: list[_Level] = []
    bids: list[_Level] = []
    c: str = ""


class _Trade(msgspec.Struct, frozen=True, array_like=True):
    price: str
    size: str
    time: str
    side: Literal["b", "s"]


_FRAME = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_BOOK = msgspec.json.Decoder(_Book)
_TRADES = msgspec.json.Decoder(list[_Trade])


class Kraken(Format):
    """`Format` of Kraken v1. `ticker` is passed over: the book tells the quote sooner and better."""

    holds = "Kraken WebSocket v1 frames by cryptofeed (a folder with KRAKEN.0 and KRAKEN.ws.*)"
    files = ("KRAKEN.*",)
    open_line = staticmethod(cryptofeed.open_line)

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        self._steps: dict[str, Steps] = {}
        self._pairs_configured: int | None = None
        self._books: set[str] = set()
        """pairs whose snapshot has come"""
        self._trades: dict[str, int] = {}
        """trades so far, by pair; v1 has no trade ids"""

    def learn(self, line: Line) -> bool:
        if line.about == "configuration":
            # only how many: the recorder's names (BTC-USD) are not the venue's (XBT/USD)
            self._pairs_configured = len(cryptofeed.configured_pairs(line.body))
        elif not line.about and line.body.startswith(b"["):
            bodies, channel, pair = _frame(line.body)
            price = _first_price(bodies, channel)
            if price is not None and pair not in self._steps:
                self._list(pair, price)
        return len(self._steps) == self._pairs_configured

    def records(self, line: Line) -> list[Record]:
        if line.about:
            return []
        if not line.body.startswith(b"["):
            decoded(_EVENT, line.body, "an event or a [channel id, …, channel, pair] frame")
            return []
        bodies, channel, pair = _frame(line.body)
        if channel.startswith("book-"):
            return [self._book(bodies, channel, pair)]
        if channel == "trade":
            return self._trade(bodies, pair)
        return []

    def _list(self, pair: str, price: str) -> None:
        base, slash, quote = pair.partition("/")
        if not slash:
            raise FeedError(f"expected a pair such as XBT/USD, got {pair!r}")
        tick_size = step_of(len(price.partition(".")[2]))
        instrument = mirrored(self.feed, "KRAKEN", base, quote, tick_size=tick_size, lot_size=_LOT_SIZE)
        self.instruments.append(instrument)
        self._steps[pair] = Steps(instrument)

    def _steps_of(self, pair: str) -> Steps:
        steps = self._steps.get(pair)
        if steps is None:
            raise FeedError(f"expected a pair whose price decimals are known, got {pair!r}")
        return steps

    def _book(self, bodies: list[msgspec.Raw], channel: str, pair: str) -> Record:
        steps = self._steps_of(pair)
        books = [decoded(_BOOK, body, "the levels of a book") for body in bodies]
        first = books[0]
        if first.all_bids is not None and first.all_asks is not None:
            depth = channel.removeprefix("book-")
            if not depth.isdecimal() or not depth.isascii() or len(depth) > 5 or len(books) > 1:
                raise FeedError(
                    f"expected one snapshot of a channel such as book-1000, got {len(books)} of {channel!r}"
                )
            self._books.add(pair)
            return VenueBookSnapshot(
                symbol=steps.symbol,
                bids=_levels(steps, first.all_bids),
                asks=_levels(steps, first.all_asks),
                ts_event=_newest(first.all_bids, first.all_asks),
                depth=int(depth),
            )
        if pair not in self._books:
            raise FeedError(f"expected a snapshot of {pair} before its first update")
        bids = [level for book in books for level in book.bids]
        asks = [level for book in books for level in book.asks]
        checksum = books[-1].c
        if checksum and not (checksum.isdecimal() and checksum.isascii() and len(checksum) <= 10):
            raise FeedError(f"expected c to be a CRC-32, got {checksum[:20]!r}")
        return VenueBookUpdate(
            symbol=steps.symbol,
            bids=_levels(steps, bids),
            asks=_levels(steps, asks),
            ts_event=_newest(bids, asks),
            checksum=int(checksum) if checksum else None,
        )

    def _trade(self, bodies: list[msgspec.Raw], pair: str) -> list[Record]:
        steps = self._steps_of(pair)
        records: list[Record] = []
        for body in bodies:
            for trade in decoded(_TRADES, body, "a list of trades"):
                number = self._trades[pair] = self._trades.get(pair, 0) + 1
                records.append(
                    VenueTrade(
                        symbol=steps.symbol,
                        trade_id=str(number),
                        price=steps.ticks(trade.price),
                        size=steps.lots(trade.size, least=1),
                        side="buy" if trade.side == "b" else "sell",
                        ts_event=seconds_ns(trade.time),
                    )
                )
        return records


def _frame(body: bytes) -> tuple[list[msgspec.Raw], str, str]:
    """What lies between the channel's number and name, that name, and the pair."""
    parts = decoded(_FRAME, body, "a [channel id, …, channel, pair] frame")
    if len(parts) < 4:
        raise FeedError(f"expected [channel id, …, channel, pair], got {len(parts)} elements")
    return (
        parts[1:-2],
        decoded(_TEXT, parts[-2], "the channel's name"),
        decoded(_TEXT, parts[-1], "the pair"),
    )


def _first_price(bodies: list[msgspec.Raw], channel: str) -> str | None:
    if channel == "trade":
        trades = decoded(_TRADES, bodies[0], "a list of trades")
        return trades[0].price if trades else None
    if channel.startswith("book-"):
        book = decoded(_BOOK, bodies[0], "the levels of a book")
        levels = book.all_asks or book.all_bids or book.asks or book.bids
        return levels[0].price if levels else None
    return None


def _levels(steps: Steps, levels: list[_Level]) -> list[tuple[int, int]]:
    return steps.levels((level.price, level.size) for level in levels)


def _newest(bids: list[_Level], asks: list[_Level]) -> int:
    return max((seconds_ns(level.time) for level in (*bids, *asks)), default=0)
