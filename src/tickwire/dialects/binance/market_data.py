"""What REST and the WebSocket API answer about the market. Whoever calls has checked who asks, and the limits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Literal, TypeAlias

import msgspec

from tickwire.dialects.base import Services
from tickwire.dialects.binance.decimals import formats
from tickwire.dialects.binance.intervals import close_before, period_of, steady
from tickwire.dialects.binance.names import SymbolInfo, name_of, symbol_info
from tickwire.dialects.binance.payloads import Depth, Kline, agg_trade, aggregates, book_ticker, kline, trade_time
from tickwire.dialects.binance.payloads import depth as depth_of
from tickwire.dialects.binance.stats import (
    AVERAGE_MINUTES,
    DayStats,
    FullStats,
    MiniStats,
    average_price,
    day_row,
    day_stats,
    full_stats,
    mini_stats,
    span_stats,
    window_stats,
)
from tickwire.dialects.candles import DAY_NS, candle_range
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Status, Trade
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument

StatsType: TypeAlias = Literal["FULL", "MINI"]
KLINES_MAX = 1_000
"""Klines of one answer."""
KLINE_ROWS_MAX = 6_000
"""Candles that the klines of one answer are made of: as many as a thousand klines of every interval on UTC's clock up
to three days need, 15 milliseconds of the server's time. Where more would be read there are fewer klines."""
CHANNELS = {
    "depth": "book",
    "trades": "trades",
    "aggTrades": "trades",
    "klines": "candles",
    "avgPrice": "candles",
    "ticker/24hr": "ticker",
    "ticker/tradingDay": "ticker",
    "ticker": "ticker",
    "ticker/price": "trades",
    "ticker/bookTicker": "quotes",
}
"""The channel that a key must be entitled to, and that the instrument must have, for each kind of answer."""


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """A trade."""

    id: int
    price: str
    qty: str
    quote_qty: str
    time: int
    is_buyer_maker: bool
    is_best_match: bool = True


class AggTradeRow(
    msgspec.Struct,
    frozen=True,
    rename={
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
    """What one order took at one price."""

    agg_trade_id: int
    price: str
    quantity: str
    first_trade: int
    last_trade: int
    trade_time: int
    buyer_is_maker: bool
    ignored: bool = True


class KlineRow(msgspec.Struct, frozen=True, array_like=True):
    """A candle."""

    start: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    end: int
    quote_volume: str
    trades: int
    buy_volume: str
    buy_quote_volume: str
    ignored: str = "0"


class AvgPrice(msgspec.Struct, frozen=True, rename="camel"):
    """The average price of the last minutes."""

    mins: int
    price: str
    close_time: int


class PriceTicker(msgspec.Struct, frozen=True):
    """The last price."""

    symbol: str
    price: str


class BookTickerRow(msgspec.Struct, frozen=True, rename="camel"):
    """The best bid and ask."""

    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


def depth(services: Services, instrument: Instrument, limit: int) -> Depth:
    """The best `limit` levels of each side. `lastUpdateId` joins the stream `@depth`."""
    event = services.market.view(StreamKey("book", instrument.symbol, depth=limit))
    assert isinstance(event, Book)
    return depth_of(event, instrument)


def trades(
    services: Services, instrument: Instrument, limit: int, unit: int, from_id: int | None = None
) -> list[TradeRow]:
    """The newest trades, of those that are kept, oldest first; or those from an id on."""
    kept = [event for event in _recent(services, instrument) if from_id is None or event.seq >= from_id]
    price, size, notional = formats(instrument)
    return [
        TradeRow(
            event.seq,
            price(event.price),
            size(event.size),
            notional(event.price * event.size),
            trade_time(event) // unit,
            event.side == "sell",
        )
        for event in (kept[-limit:] if from_id is None else kept[:limit])
    ]


def agg_trades(
    services: Services,
    instrument: Instrument,
    limit: int,
    unit: int,
    *,
    from_id: int | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[AggTradeRow]:
    """The newest aggregates of the trades that are kept, oldest first; or the oldest from an id or time on.

    Args:
        start, end: ns since the epoch, both included.
    """
    kept = _recent(services, instrument)
    groups = aggregates(kept)
    if len(groups) > 1 and kept[0].seq > 1:
        del groups[0]  # the part of it that is no longer kept would be missing
    groups = [
        group
        for group in groups
        if (from_id is None or group[0].seq >= from_id)
        and (start is None or trade_time(group[0]) >= start)
        and (end is None or trade_time(group[-1]) <= end)
    ]
    rows = [
        agg_trade(group, instrument, unit)
        for group in (groups[-limit:] if from_id is None and start is None else groups[:limit])
    ]
    return [
        AggTradeRow(
            row.agg_trade_id,
            row.price,
            row.quantity,
            row.first_trade,
            row.last_trade,
            row.trade_time,
            row.buyer_is_maker,
        )
        for row in rows
    ]


def _recent(services: Services, instrument: Instrument) -> list[Trade]:
    return list(services.market.listing(instrument.symbol).recent)


def kline_rows(interval: str, offset: int, limit: int) -> tuple[int, int]:
    """How many klines one answer may have, and how many candles are read for them at most.

    Args:
        interval, offset, limit: see `klines`.
    """
    _, _, ratio = period_of(interval, offset).base
    limit = min(limit, max(1, KLINE_ROWS_MAX // ratio))
    return limit, limit * ratio


def klines(
    services: Services,
    instrument: Instrument,
    interval: str,
    limit: int,
    unit: int,
    *,
    start: int | None = None,
    end: int | None = None,
    offset: int = 0,
) -> list[KlineRow]:
    """Candles, oldest first, the one in progress included: those from `start` on, else the newest up to `end`. One for
    each interval, from the first that had a trade.

    Args:
        interval: one of `INTERVALS`; see `period_of` for what it raises.
        limit: at most `KLINES_MAX`; see `kline_rows`, too.
        start, end: ns since the epoch, both included, of the candles' beginnings.
        offset: ns that the clock which days, weeks and months go by is ahead of UTC.
    """
    market, symbol = services.market, instrument.symbol
    period = period_of(interval, offset)
    limit, _ = kline_rows(interval, offset, limit)
    newest = period.start_of(market.now if end is None else min(end, market.now))
    if start is None:
        first = period.after(newest, 1 - limit)
    else:
        first = period.start_of(start)
        first = first if first >= start else period.after(first)
    if newest < first:
        return []
    found = candle_range(
        market, services.history, symbol, period, start=first, end=newest + 1, limit=limit, newest=start is None
    )
    before = close_before(market, services.history, symbol, period, first)
    rows = steady(found, symbol, period, first, newest, before, market.now)
    return [_kline_row(kline(candle, instrument, interval, unit)) for candle in islice(rows, limit)]


def _kline_row(k: Kline) -> KlineRow:
    return KlineRow(
        k.start,
        k.open,
        k.high,
        k.low,
        k.close,
        k.volume,
        k.end,
        k.quote_volume,
        k.trades,
        k.buy_volume,
        k.buy_quote_volume,
    )


def avg_price(services: Services, instrument: Instrument, unit: int) -> AvgPrice:
    """The average price of the last five minutes."""
    return AvgPrice(AVERAGE_MINUTES, *average_price(services.market, instrument, unit))


def ticker_24hr(
    services: Services, instrument: Instrument, unit: int, kind: StatsType = "FULL"
) -> DayStats | MiniStats:
    """The rolling 24 hours, in steps of a minute."""
    if kind == "MINI":
        return mini_stats(day_stats(services.market, instrument.symbol), instrument, unit)
    return day_row(services.market, services.history, instrument, unit)


def ticker_window(
    services: Services, instrument: Instrument, length: int, unit: int, kind: StatsType = "FULL"
) -> FullStats | MiniStats:
    """Another rolling window, `length` ns long: "1m" to "59m", "1h" to "23h", "1d" to "7d" at the venue."""
    stats = window_stats(services.market, services.history, instrument.symbol, length)
    return (mini_stats if kind == "MINI" else full_stats)(stats, instrument, unit)


def ticker_trading_day(
    services: Services, instrument: Instrument, unit: int, kind: StatsType = "FULL", *, offset: int = 0
) -> FullStats | MiniStats:
    """The day so far, on a clock that is `offset` ns ahead of UTC."""
    market = services.market
    start = period_of("1d", offset).start_of(market.now)
    stats = span_stats(market, services.history, instrument.symbol, start, start + DAY_NS)
    stats = stats._replace(end=stats.end - 1)
    return (mini_stats if kind == "MINI" else full_stats)(stats, instrument, unit)


def ticker_price(services: Services, instrument: Instrument) -> PriceTicker:
    """The last price, zero before the first."""
    price = services.market.last_price(instrument.symbol)
    return PriceTicker(name_of(instrument), formats(instrument).price(price or 0))


def ticker_book(services: Services, instrument: Instrument) -> BookTickerRow:
    """The best bid and ask, zeros where a side is empty."""
    row = book_ticker(services.market.listing(instrument.symbol).quote, instrument, 0)
    return BookTickerRow(row.symbol, row.bid, row.bid_size, row.ask, row.ask_size)


def exchange_symbols(
    services: Services, identity: Identity | None, instruments: Iterable[Instrument]
) -> list[SymbolInfo]:
    """The rows of `exchangeInfo`, of those instruments that whoever asks may see anything of."""
    rows = []
    for instrument in instruments:
        if any(services.may_see(identity, channel, instrument.symbol) for channel in instrument.channels):
            status = services.market.view(StreamKey("status", instrument.symbol))
            assert isinstance(status, Status)
            rows.append(symbol_info(instrument, status))
    return rows
