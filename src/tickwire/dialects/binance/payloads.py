"""Events as the venue's streams say them. Prices and sizes are decimal strings, times are in the unit that the client
asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from tickwire.dialects.binance.decimals import DECIMALS, formats
from tickwire.dialects.binance.names import name_of
from tickwire.model.events import Book, Candle, Quote, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.records import Level
from tickwire.model.units import Scale

TextLevel: TypeAlias = tuple[str, str]
Payload: TypeAlias = dict[str, Any]
"""By the names of the wire. What is said of every trade and change of the book is a struct, which is written faster."""


class TradeEvent(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="trade",
    rename={
        "event_time": "E",
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "quantity": "q",
        "trade_time": "T",
        "buyer_is_maker": "m",
        "ignored": "M",
    },
):
    """`<symbol>@trade`."""

    event_time: int
    symbol: str
    trade_id: int
    price: str
    quantity: str
    trade_time: int
    buyer_is_maker: bool
    ignored: bool = True


class AggTradeEvent(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="aggTrade",
    rename={
        "event_time": "E",
        "symbol": "s",
        "agg_trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade": "f",
        "last_trade": "l",
        "trade_time": "T",
        "buyer_is_maker": "m",
        "ignored": "M",
    },
):
    """`<symbol>@aggTrade`: what one order took at one price."""

    event_time: int
    symbol: str
    agg_trade_id: int
    price: str
    quantity: str
    first_trade: int
    last_trade: int
    trade_time: int
    buyer_is_maker: bool
    ignored: bool = True


class DepthEvent(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="depthUpdate",
    rename={
        "event_time": "E",
        "symbol": "s",
        "first_update": "U",
        "last_update": "u",
        "bids": "b",
        "asks": "a",
    },
):
    """`<symbol>@depth`: the levels that have changed, a quantity of zero deletes."""

    event_time: int
    symbol: str
    first_update: int
    last_update: int
    bids: list[TextLevel]
    asks: list[TextLevel]


class Depth(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`<symbol>@depth5` and its like, and the book over REST."""

    last_update_id: int
    bids: list[TextLevel]
    asks: list[TextLevel]


class BookTicker(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"update": "u", "symbol": "s", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """`<symbol>@bookTicker`."""

    update: int
    symbol: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str


# ---- from events ---------------------------------------------------------------------------------------


def trade(event: Trade, instrument: Instrument, unit: int) -> TradeEvent:
    """One trade. Its id is its number among the symbol's."""
    price, size, _ = formats(instrument)
    return TradeEvent(
        event.ts // unit,
        name_of(instrument),
        event.seq,
        price(event.price),
        size(event.size),
        trade_time(event) // unit,
        event.side == "sell",
    )


def trade_time(event: Trade) -> int:
    """When it was made, ns: by the venue's clock where that is known."""
    return event.ts_event or event.ts


def aggregates(trades: Iterable[Trade]) -> list[list[Trade]]:
    """Neighbouring trades that one order made at one price together; each alone where no orders are known."""
    rows = list(trades)
    groups = [rows[:1]] if rows else []
    for before, event in pairwise(rows):
        if _taker(event) and _taking(event) == _taking(before):
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


def _taker(event: Trade) -> str:
    return event.buy_order_id if event.side == "buy" else event.sell_order_id if event.side == "sell" else ""


def _taking(event: Trade) -> tuple[str, int, int]:
    return _taker(event), event.price, event.ts


def agg_trade(group: Sequence[Trade], instrument: Instrument, unit: int) -> AggTradeEvent:
    """The trades of one of the `aggregates` as one."""
    first, last = group[0], group[-1]
    price, size, _ = formats(instrument)
    return AggTradeEvent(
        last.ts // unit,
        name_of(instrument),
        first.seq,
        price(first.price),
        size(sum(event.size for event in group)),
        first.seq,
        last.seq,
        trade_time(last) // unit,
        first.side == "sell",
    )


def depth_update(events: Sequence[Book], instrument: Instrument, unit: int) -> DepthEvent | None:
    """The changes of a window as one: each level as it is at its end.

    None where nothing can be said: the book was replaced whole, so clients are to see that numbers are missing and
    fetch it anew. What came after that in the window is said.
    """
    replaced = max((index for index, event in enumerate(events) if event.snapshot), default=-1)
    changes = events[replaced + 1 :]
    if not changes:
        return None
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for event in changes:
        bids.update(event.bids)
        asks.update(event.asks)
    return DepthEvent(
        changes[-1].ts // unit,
        name_of(instrument),
        changes[0].seq,
        changes[-1].seq,
        text_levels(sorted(bids.items(), reverse=True), instrument),
        text_levels(sorted(asks.items()), instrument),
    )


def depth(event: Book, instrument: Instrument) -> Depth:
    """The book, or the top of it."""
    return Depth(event.seq, text_levels(event.bids, instrument), text_levels(event.asks, instrument))


def text_levels(levels: Iterable[Level], instrument: Instrument) -> list[TextLevel]:
    """Levels as decimal strings."""
    price, size, _ = formats(instrument)
    return [(price(p), size(s)) for p, s in levels]


def book_ticker(event: Quote, instrument: Instrument, update: int) -> BookTicker:
    """The best bid and ask; zeros where a side is empty."""
    price, size, _ = formats(instrument)
    return BookTicker(
        update,
        name_of(instrument),
        price(event.bid or 0),
        size(event.bid_size),
        price(event.ask or 0),
        size(event.ask_size),
    )


def kline(candle: Candle, instrument: Instrument, interval: str, unit: int) -> Payload:
    """The `k` of `<symbol>@kline_<interval>`: a candle; one without trades has -1 for their numbers."""
    price, size, notional = formats(instrument)
    return {
        "t": candle.start // unit,
        "T": (candle.start + candle.interval - 1) // unit,
        "s": name_of(instrument),
        "i": interval,
        "f": candle.first_trade if candle.trades else -1,
        "L": candle.last_trade if candle.trades else -1,
        "o": price(candle.open),
        "c": price(candle.close),
        "h": price(candle.high),
        "l": price(candle.low),
        "v": size(candle.volume),
        "n": candle.trades,
        "x": candle.closed,
        "q": notional(candle.quote_volume),
        "V": size(candle.buy_volume),
        "Q": notional(candle.buy_quote_volume),
        "B": "0",
    }


def average(quote_volume: int, volume: int, price: Scale) -> str:
    """What was paid (ticks x lots) for a size (lots), a lot: a decimal string, rounded half away from zero; zero where
    nothing was traded."""
    decimals = max(DECIMALS, price.decimals)
    divisor = volume * price.divisor or 1
    value = (2 * abs(quote_volume) * price.units * 10**decimals + divisor) // (2 * divisor) if volume else 0
    whole, fraction = divmod(value, 10**decimals)
    return f"{'-' if quote_volume < 0 and value else ''}{whole}.{fraction:0{decimals}d}"
