"""Market data over HTTP: trades, quotes and books.

Of the past, the server keeps the newest trades, and of quotes and books only what is now: where a history of them is
asked for, that is its newest item.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from tickwire.dialects.coinapi.codecs import TAKER_SIDES, quote_message, trade_message
from tickwire.dialects.coinapi.ids import SEQUENCES, order_guid, symbol_id
from tickwire.dialects.coinapi.messages import Number, OrderLevel, PriceLevel
from tickwire.dialects.coinapi.rest_call import ITEMS_MAX, Call, NoData
from tickwire.dialects.coinapi.times import iso_time
from tickwire.errors import InvalidInput
from tickwire.limits import TRADES_KEPT_MAX
from tickwire.market.listing import Listing
from tickwire.model.events import Trade
from tickwire.model.instrument import Instrument


class TradeRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A trade; the ids where they are asked for and known."""

    symbol_id: str = ""
    time_exchange: str
    time_coinapi: str
    uuid: str
    price: Number
    size: Number
    taker_side: str
    id_trade: str = ""
    id_order_maker: str = ""
    id_order_taker: str = ""


class QuoteRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A quote; price and size of an empty side are 0."""

    symbol_id: str
    time_exchange: str
    time_coinapi: str
    ask_price: Number
    ask_size: Number
    bid_price: Number
    bid_size: Number
    last_trade: TradeRow | None = None


class BookRow(msgspec.Struct, frozen=True):
    """A book, best levels first. `sequence` is that of the stream `book` (by order: `book_l3`), which goes on from
    here."""

    symbol_id: str
    sequence: int
    time_exchange: str
    time_coinapi: str
    asks: list[PriceLevel] | list[OrderLevel]
    bids: list[PriceLevel] | list[OrderLevel]


class DepthRow(msgspec.Struct, frozen=True):
    """How deep a book is: its levels, and the sum of their sizes."""

    symbol_id: str
    time_exchange: str
    time_coinapi: str
    ask_levels: int
    bid_levels: int
    ask_depth: Number
    bid_depth: Number


# ---- trades --------------------------------------------------------------------------------------


def trades_history(call: Call) -> list[TradeRow]:
    """`/trades/{symbol_id}/history`: those of the newest trades that are in the range, oldest first."""
    start, end = call.range(required=True)
    listing, ids = call.listing("trades"), call.flag("include_id")
    newest = listing.newest_trades(TRADES_KEPT_MAX)
    kept = [trade for trade in newest if start <= (trade.ts_event or trade.ts) < end][: call.limit()]
    call.charge(len(kept))
    return [trade_row(listing.instrument, trade, ids=ids) for trade in kept]


def trades_latest(call: Call) -> list[TradeRow]:
    """`/trades/{symbol_id}/latest`, newest first."""
    listing, ids = call.listing("trades"), call.flag("include_id")
    newest = listing.newest_trades(call.limit())
    call.charge(len(newest))
    return [trade_row(listing.instrument, each, ids=ids) for each in reversed(newest)]


def trades_of_all(call: Call) -> list[TradeRow]:
    """`/trades/latest`: of all symbols, newest first."""
    ids = call.flag("include_id")
    merged = heapq.merge(*map(_newest, call.listings("trades")), key=lambda row: -row[1].ts)
    newest = list(islice(merged, call.limit()))
    call.charge(len(newest))
    return [trade_row(listing.instrument, trade, ids=ids) for listing, trade in newest]


def _newest(listing: Listing) -> Iterator[tuple[Listing, Trade]]:
    return ((listing, trade) for trade in reversed(listing.recent))


def trade_row(instrument: Instrument, trade: Trade, *, ids: bool = False, nested: bool = False) -> TradeRow:
    """A trade.

    Args:
        ids: show those of the trade and of its orders. nested: within something that names the symbol.
    """
    shown = trade_message(instrument, trade)
    orders = (trade.sell_order_id, trade.buy_order_id)
    maker, taker = ("", "") if not trade.side else orders if trade.side == "buy" else orders[::-1]
    return TradeRow(
        symbol_id="" if nested else shown.symbol_id,
        time_exchange=shown.time_exchange,
        time_coinapi=shown.time_coinapi,
        uuid=shown.uuid,
        price=shown.price,
        size=shown.size,
        taker_side=TAKER_SIDES[trade.side],
        id_trade=trade.trade_id if ids else "",
        id_order_maker=maker if ids else "",
        id_order_taker=taker if ids else "",
    )


# ---- quotes --------------------------------------------------------------------------------------


def quotes_current(call: Call) -> list[QuoteRow]:
    """`/quotes/current`: of all symbols, with their last trades."""
    quoted = _quoted(call)
    call.charge(len(quoted))
    return [_quote_row(call, listing, last_trade=True) for listing in quoted]


def quote_current(call: Call) -> QuoteRow:
    """`/quotes/{symbol_id}/current`"""
    listing = call.listing("quotes")
    if not listing.quote.seq:
        raise NoData(f"{symbol_id(listing.instrument)} has no quote yet")
    return _quote_row(call, listing, last_trade=True)


def quotes_of_all(call: Call) -> list[QuoteRow]:
    """`/quotes/latest`: of all symbols, newest first."""
    newest = heapq.nlargest(call.limit(), _quoted(call), key=lambda listing: listing.quote.ts)
    call.charge(len(newest))
    return [_quote_row(call, listing) for listing in newest]


def quotes_latest(call: Call) -> list[QuoteRow]:
    """`/quotes/{symbol_id}/latest`"""
    call.limit()
    listing = call.listing("quotes")
    return [_quote_row(call, listing)] if listing.quote.seq else []


def quotes_history(call: Call) -> list[QuoteRow]:
    """`/quotes/{symbol_id}/history`: the present one, if it is of that time."""
    start, end = call.range(required=True)
    call.limit()
    listing = call.listing("quotes")
    return [_quote_row(call, listing)] if listing.quote.seq and start <= listing.quote.ts < end else []


def _quoted(call: Call) -> list[Listing]:
    return [listing for listing in call.listings("quotes") if listing.quote.seq]


def _quote_row(call: Call, listing: Listing, *, last_trade: bool = False) -> QuoteRow:
    instrument, shown = listing.instrument, quote_message(listing.instrument, listing.quote)
    trade = listing.recent[-1] if last_trade and listing.recent and call.view.sees("trades", listing.symbol) else None
    return QuoteRow(
        symbol_id=shown.symbol_id,
        time_exchange=shown.time_exchange,
        time_coinapi=shown.time_coinapi,
        ask_price=shown.ask_price,
        ask_size=shown.ask_size,
        bid_price=shown.bid_price,
        bid_size=shown.bid_size,
        last_trade=None if trade is None else trade_row(instrument, trade, nested=True),
    )


# ---- books ---------------------------------------------------------------------------------------


def book_current(call: Call) -> BookRow:
    """`/orderbooks/{symbol_id}/current`"""
    return _book_row(call, call.listing("book"), call.levels())


def book_latest(call: Call) -> list[BookRow]:
    """`/orderbooks/{symbol_id}/latest`"""
    call.limit()
    return [_book_row(call, call.listing("book"), call.levels())]


def book_history(call: Call) -> list[BookRow]:
    """`/orderbooks/{symbol_id}/history`: the present one, if it is of that time."""
    start, end = call.range(required=True)
    call.limit()
    listing = call.listing("book")
    return [_book_row(call, listing, call.levels())] if start <= call.view.market.now < end else []


def depth_current(call: Call) -> DepthRow:
    """`/orderbooks/{symbol_id}/depth/current`"""
    listing, levels = call.listing("book"), call.levels()
    asks, bids = listing.ladder.asks.top(levels), listing.ladder.bids.top(levels)
    time, size = iso_time(call.view.market.now), listing.instrument.size.format
    depths = (Number(size(sum(lots for _, lots in side))) for side in (asks, bids))
    return DepthRow(symbol_id(listing.instrument), time, time, len(asks), len(bids), *depths)


def orders_current(call: Call) -> BookRow:
    """`/orderbooks3/{symbol_id}/current`: by order; by level where the venue shows no orders."""
    return _orders_row(call, call.listing("book"), call.levels())


def orders_of_all(call: Call) -> list[BookRow]:
    """`/orderbooks3/current`"""
    levels, listings = call.levels(), call.listings("book")
    rows: list[BookRow] = []
    left = ITEMS_MAX
    for listing in listings:
        rows.append(_orders_row(call, listing, levels))
        count = len(rows[-1].asks) + len(rows[-1].bids)
        call.bill(max(1, count))
        left -= count
        if left < 0:
            text = f"that is more than {ITEMS_MAX} orders; name fewer symbols, or a lower limit_levels"
            raise InvalidInput(text, field="limit_levels")
    return rows


def _book_row(call: Call, listing: Listing, levels: int) -> BookRow:
    price, size = listing.instrument.price.format, listing.instrument.size.format
    asks, bids = (
        [PriceLevel(Number(price(p)), Number(size(s))) for p, s in side.top(levels)]
        for side in (listing.ladder.asks, listing.ladder.bids)
    )
    time = iso_time(call.view.market.now)
    return BookRow(symbol_id(listing.instrument), listing.seq["book"] % SEQUENCES, time, time, asks, bids)


def _orders_row(call: Call, listing: Listing, levels: int) -> BookRow:
    instrument = listing.instrument
    if "book_l3" not in instrument.channels:
        return _book_row(call, listing, levels)
    if not call.view.sees("book_l3", listing.symbol):
        raise NoData(f"the key may not see the orders of {symbol_id(instrument)}")
    price, size = instrument.price.format, instrument.size.format
    sides: list[list[Any]] = []
    for side, ladder in (("sell", listing.ladder.asks), ("buy", listing.ladder.bids)):
        shown = {p for p, _ in ladder.top(levels)}
        rows = [row for row in listing.book_orders(side) if row[1] in shown]
        sides.append(
            [
                OrderLevel(Number(price(p)), Number(size(s)), order_guid(instrument.symbol, order_id))
                for order_id, p, s in rows
            ]
        )
    time = iso_time(call.view.market.now)
    return BookRow(symbol_id(instrument), listing.seq["book_l3"] % SEQUENCES, time, time, *sides)
