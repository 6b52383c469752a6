"""What each data type says of a stream, as frames. A codec keeps nothing, so equal ones are one to the hub.

A `sequence` is the number of the state that a message shows, in the stream that it is made of. Of trades and books
every change is a message, and the numbers have no hole; of the rest a message shows how things stand after one change
or more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET

from tickwire.dialects.base import QuietCodec
from tickwire.dialects.coinapi.ids import SEQUENCES, index_id, order_guid, symbol_id, trade_uuid
from tickwire.dialects.coinapi.messages import (
    BookMessage,
    IndexMessage,
    Number,
    OrderLevel,
    PriceLevel,
    QuoteMessage,
    TradeMessage,
)
from tickwire.dialects.coinapi.times import iso_time
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Event, OrderChange, Orders, Quote, Rate, Trade
from tickwire.model.instrument import Instrument
from tickwire.protocol.codec import TEXT, frame

NAME = "coinapi"

TAKER_SIDES = {"buy": "BUY", "sell": "SELL", "": "UNKNOWN"}
UPDATE_TYPES = {"add": "ADD", "modify": "UPDATE", "cancel": "DELETE", "fill": "MATCH"}

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


def framed(message: msgspec.Struct) -> bytes:
    """A message as a frame."""
    return frame(TEXT, encode(message))


class NamedCodec(QuietCodec):
    """What all codecs have in common. Where messages are missing, the next one's `sequence` shows it."""

    __slots__ = ()
    name: ClassVar[str] = NAME


@dataclass(frozen=True, slots=True)
class EventCodec(NamedCodec):
    """Messages that are made of one event each.

    Args:
        data_type: a key of `_MAKERS`.
    """

    market: Market
    data_type: str

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        instrument, make = self.market.listing(key.symbol).instrument, _MAKERS[self.data_type]
        return b"".join(framed(make(instrument, event, self.data_type)) for event in events)

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """A trade is no state; of the rest, how it stands, if there is anything yet."""
        if event is None or self.data_type == "trade" or (isinstance(event, Quote) and event.bid is event.ask is None):
            return b""
        return self.updates(key, [event])


def trade_message(instrument: Instrument, trade: Trade, _: str = "") -> TradeMessage:
    """A trade."""
    return TradeMessage(
        symbol_id(instrument),
        trade.seq % SEQUENCES,
        iso_time(trade.ts_event or trade.ts),
        iso_time(trade.ts),
        trade_uuid(trade),
        Number(instrument.price.format(trade.price)),
        Number(instrument.size.format(trade.size)),
        TAKER_SIDES[trade.side],
    )


def quote_message(instrument: Instrument, quote: Quote, _: str = "") -> QuoteMessage:
    """A quote."""
    price, size = instrument.price.format, instrument.size.format
    return QuoteMessage(
        symbol_id(instrument),
        quote.seq % SEQUENCES,
        iso_time(quote.ts_event or quote.ts),
        iso_time(quote.ts),
        Number(price(quote.ask or 0)),
        Number(size(quote.ask_size)),
        Number(price(quote.bid or 0)),
        Number(size(quote.bid_size)),
    )


def book_message(instrument: Instrument, book: Book, data_type: str) -> BookMessage:
    """A book or a change of it, by level."""
    price, size = instrument.price.format, instrument.size.format
    asks, bids = ([PriceLevel(Number(price(p)), _size(size, s)) for p, s in side] for side in (book.asks, book.bids))
    snapshot = book.snapshot if data_type == "book" else UNSET
    return _book(instrument, book, data_type, snapshot, asks, bids)


def _l3_message(instrument: Instrument, event: Orders | OrderChange | Book, data_type: str) -> BookMessage:
    """A book or a change of it, by order; by level where the venue shows no orders."""
    price, size, symbol = instrument.price.format, instrument.size.format, instrument.symbol
    if isinstance(event, Orders):
        asks, bids = (
            [OrderLevel(Number(price(p)), Number(size(s)), order_guid(symbol, order_id)) for order_id, p, s in side]
            for side in (event.asks, event.bids)
        )
        return _book(instrument, event, data_type, True, asks, bids)
    if isinstance(event, Book):
        asks, bids = (
            [
                OrderLevel(
                    Number(price(p)), _size(size, s), None, None if event.snapshot else "UPDATE" if s else "DELETE"
                )
                for p, s in side
            ]
            for side in (event.asks, event.bids)
        )
        return _book(instrument, event, data_type, event.snapshot, asks, bids)
    shown = event.filled if event.action == "fill" else event.size
    level = OrderLevel(
        Number(price(event.price)),
        _size(size, shown),
        order_guid(symbol, event.order_id),
        UPDATE_TYPES[event.action],
    )
    bought = event.side == "buy"
    return _book(instrument, event, data_type, False, [] if bought else [level], [level] if bought else [])


def _size(size: Callable[[int], str], lots: int) -> Number:
    return Number(size(lots) if lots else "0")


def _book(
    instrument: Instrument,
    event: Event,
    data_type: str,
    is_snapshot: bool | msgspec.UnsetType,
    asks: list[PriceLevel] | list[OrderLevel],
    bids: list[PriceLevel] | list[OrderLevel],
) -> BookMessage:
    time = iso_time(event.ts)
    return BookMessage(data_type, symbol_id(instrument), event.seq % SEQUENCES, time, time, is_snapshot, asks, bids)


def _index_message(instrument: Instrument, rate: Rate, _: str = "") -> IndexMessage:
    return IndexMessage(
        index_id(instrument), rate.seq % SEQUENCES, iso_time(rate.ts), Number(instrument.rate.format(rate.rate))
    )


_MAKERS: dict[str, Callable[[Instrument, Any, str], msgspec.Struct]] = {
    "trade": trade_message,
    "quote": quote_message,
    "book": book_message,
    "book5": book_message,
    "book20": book_message,
    "book50": book_message,
    "book_l3": _l3_message,
    "index": _index_message,
}
