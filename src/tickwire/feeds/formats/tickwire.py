"""Recordings of tickwire's own streams, as `tickwire record` makes them: JSON, one object a line.

    {"tickwire":"recording","version":1,"url":…,"epoch":…,"instruments":[…]}     first; channels: those recorded
    {"at":1732180000000000000,"message":{"channel":"trades","symbol":…,…}}       a message and when it came
    {"at":…,"message":{"type":"gap",…}}                                          something is missing here

Books, trades, quotes and rates become what a venue's feed would have sent. Candles, tickers and statuses are not
replayed: a market makes its own. Nor is the snapshot of `trades`, which tells what was before. After a gap a book
begins anew with its snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, get_args

import msgspec

from tickwire.errors import FeedError, InvalidNumber
from tickwire.feeds.formats.base import INT64_MAX, Count, Format, Line, Steps, decoded, mirrored
from tickwire.model.instrument import AssetClass, BookDetail, Instrument
from tickwire.model.records import (
    BookOrder,
    Record,
    Side,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueRate,
    VenueTrade,
)
from tickwire.protocol.client_outcomes import Notice
from tickwire.protocol.messages import (
    DATA_TYPES,
    BookData,
    InstrumentInfo,
    OrderChangeData,
    OrderRow,
    OrdersData,
    QuoteData,
    RateData,
    StreamMessage,
    TradeData,
)

VERSION = 1
CRC_MAX = 2**32 - 1


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="tickwire", tag="recording"):
    """First line of a recording.

    Args:
        version: of this format.
        url, epoch: where it was recorded, and the name of the tape there.
        instruments: of what; their `channels` are those in the recording.
    """

    version: int = VERSION
    url: str
    epoch: str
    instruments: list[InstrumentInfo]


class RecordedLine(msgspec.Struct, frozen=True):
    """Every other line, to be written. `at` is when the message was received, ns since the Unix epoch."""

    at: int
    message: StreamMessage | Notice


class _Line(msgspec.Struct, frozen=True):
    at: Count
    message: msgspec.Raw


class _Message(msgspec.Struct, frozen=True):
    """A stream's message, or a notice: those have no data."""

    type: str
    channel: str
    symbol: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_HEADER = msgspec.json.Decoder(Header)
_LINE = msgspec.json.Decoder(_Line)
_MESSAGE = msgspec.json.Decoder(_Message)
_DATA: dict[tuple[str, str], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(data | None) for kind, data in DATA_TYPES.items()
}
_ABOUT_HEADER = "header"


class _Recorded(NamedTuple):
    """One instrument of a recording. `quoted`: its bid and ask are in the recording, as quotes or as a book."""

    instrument: Instrument
    steps: Steps
    quoted: bool


_Records: TypeAlias = list[Record]


class Tickwire(Format):
    """`Format` of tickwire's own recordings. An instrument is mirrored, whatever it was."""

    holds = "messages of a tickwire server (a file, made by `tickwire record`)"
    files = ("*.jsonl", "*.jsonl.gz")

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        self._headers_missing = len(sources)
        self._recorded: dict[str, _Recorded] = {}
        self._begun: set[str] = set()
        """symbols whose book has had its snapshot"""

    @staticmethod
    def open_line(source: str, number: int, raw: bytes) -> Line:
        if number == 1:
            return Line(0, source, number, _ABOUT_HEADER, raw)
        line = decoded(_LINE, raw, "a line with `at` and `message`")
        return Line(line.at, source, number, "", bytes(line.message))

    def learn(self, line: Line) -> bool:
        header = decoded(_HEADER, line.body, "the header of a tickwire recording")
        if header.version != VERSION:
            raise FeedError(f"expected version {VERSION} of the format, got {header.version}")
        for info in header.instruments:
            self._list(info)
        self._headers_missing -= 1
        return not self._headers_missing

    def records(self, line: Line) -> _Records:
        if line.about == _ABOUT_HEADER:
            return []
        message = decoded(_MESSAGE, line.body, "a message of a stream, or a notice")
        if message.type not in ("snapshot", "update"):
            return []
        recorded = self._recorded.get(message.symbol)
        if recorded is None:
            raise FeedError(f"expected an instrument of the header, got {message.symbol!r}")
        decoder = _DATA.get((message.channel, message.type))
        if decoder is None:
            raise FeedError(f"expected a channel of tickwire, got {message.channel!r}")
        data = decoded(decoder, message.data, f"data of {message.channel}")
        book = recorded.instrument.book
        match data:
            case TradeData():
                return [_trade(recorded.steps, data)]
            case BookData() if book == "levels":
                return [self._book(recorded.steps, data, message.type)]
            case OrdersData() if book == "orders":
                return [self._orders(recorded.steps, data)]
            case OrderChangeData() if book == "orders":
                return [self._order(recorded.steps, data)]
            case QuoteData():
                return [_quote(recorded.steps, data)]
            case RateData():
                return _rate(recorded, data)
        return []

    def _list(self, info: InstrumentInfo) -> None:
        classes = get_args(AssetClass)
        if info.asset_class not in classes:
            raise FeedError(f"expected asset_class to be one of {', '.join(classes)}, got {info.asset_class!r}")
        channels = info.channels
        book: BookDetail = "orders" if "book_l3" in channels else "levels" if "book" in channels else "none"
        instrument = mirrored(
            self.feed,
            info.venue,
            info.base,
            info.quote,
            tick_size=info.tick_size,
            lot_size=info.lot_size,
            asset_class=info.asset_class,  # type: ignore[arg-type]
            book=book,
        )
        if instrument.symbol in self._recorded:
            raise FeedError(f"expected each instrument once, got {instrument.symbol} twice; replay one file at a time")
        self.instruments.append(instrument)
        quoted = book != "none" or "quotes" in channels
        self._recorded[instrument.symbol] = _Recorded(instrument, Steps(instrument), quoted)

    def _book(self, steps: Steps, data: BookData, kind: str) -> Record:
        if not 0 <= data.checksum <= CRC_MAX:
            raise FeedError(f"expected checksum to be a CRC-32, got {data.checksum}")
        bids, asks = steps.levels(data.bids), steps.levels(data.asks)
        if kind == "snapshot":
            self._begun.add(steps.symbol)
            return VenueBookSnapshot(steps.symbol, bids, asks, checksum=data.checksum)
        self._must_have_begun(steps)
        return VenueBookUpdate(steps.symbol, bids, asks, checksum=data.checksum)

    def _orders(self, steps: Steps, data: OrdersData) -> Record:
        self._begun.add(steps.symbol)
        return VenueOrdersSnapshot(steps.symbol, _rows(steps, data.bids), _rows(steps, data.asks))

    def _order(self, steps: Steps, data: OrderChangeData) -> Record:
        self._must_have_begun(steps)
        size = steps.lots(data.size)
        if data.action == "add":
            return VenueOrderAdd(steps.symbol, data.order_id, _side(data.side), steps.ticks(data.price), size)
        if size:  # a fill leaves the rest of the order where it is, as `modify` does
            return VenueOrderChange(steps.symbol, data.order_id, size)
        return VenueOrderRemove(steps.symbol, data.order_id)

    def _must_have_begun(self, steps: Steps) -> None:
        if steps.symbol not in self._begun:
            raise FeedError(f"expected a snapshot of {steps.symbol} before its first update")


def _rows(steps: Steps, rows: list[OrderRow]) -> list[BookOrder]:
    return [(order_id, steps.ticks(price), steps.lots(size, least=1)) for order_id, price, size in rows]


def _side(text: str) -> Side:
    if text != "buy" and text != "sell":
        raise FeedError(f"expected side to be buy or sell, got {text!r}")
    return "buy" if text == "buy" else "sell"


def _stamp(ts_event: int) -> int:
    if not 0 <= ts_event <= INT64_MAX:
        raise FeedError(f"expected ts_event in nanoseconds since the Unix epoch, got {ts_event}")
    return ts_event


def _trade(steps: Steps, data: TradeData) -> Record:
    return VenueTrade(
        symbol=steps.symbol,
        trade_id=data.id,
        price=steps.ticks(data.price),
        size=steps.lots(data.size, least=1),
        side=None if data.side is None else _side(data.side),
        ts_event=_stamp(data.ts_event),
        buy_order_id=data.buy_order_id or "",
        sell_order_id=data.sell_order_id or "",
    )


def _quote(steps: Steps, data: QuoteData) -> Record:
    return VenueQuote(
        symbol=steps.symbol,
        bid=None if data.bid is None else steps.ticks(data.bid),
        bid_size=steps.lots(data.bid_size or "0"),
        ask=None if data.ask is None else steps.ticks(data.ask),
        ask_size=steps.lots(data.ask_size or "0"),
        ts_event=_stamp(data.ts_event),
    )


def _rate(recorded: _Recorded, data: RateData) -> _Records:
    """A rate, unless the market makes it again from bid and ask, or it lies between two ticks."""
    instrument = recorded.instrument
    try:
        tenths = instrument.rate.parse(data.rate, "rate")
    except InvalidNumber as error:
        raise FeedError(f"expected a rate in steps of {instrument.rate.step}: {error}") from None
    if tenths % 10 or (data.bid is not None and recorded.quoted):
        return []
    return [VenueRate(instrument.symbol, tenths // 10, _stamp(data.ts_event))]
