"""Operations that anybody may ask for: the time, the rules, and the market as it is and was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeAlias

import msgspec

from tickwire.dialects.base import Services
from tickwire.dialects.binance.call import Call
from tickwire.dialects.binance.decimals import formats
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.intervals import INTERVALS, close_before, period_of, without_holes
from tickwire.dialects.binance.names import name_of, symbol_info
from tickwire.dialects.binance.params import Params
from tickwire.dialects.binance.payloads import Payload, agg_trade, aggregates, book_ticker, kline, trade_time
from tickwire.dialects.binance.payloads import depth as depth_of
from tickwire.dialects.binance.stats import (
    AVERAGE_MINUTES,
    Stats,
    average_price,
    day_row,
    day_stats,
    full_row,
    mini_row,
    span_stats,
    window_stats,
)
from tickwire.dialects.binance.usage import LIMITS
from tickwire.dialects.candles import DAY_NS, candle_range
from tickwire.market.window import MINUTE_NS
from tickwire.model.channel import StreamKey
from tickwire.model.events import Book, Status, Trade
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument

DEPTH_MAX = 5_000
TRADES_MAX = 1_000
KLINES_MAX = 1_000
"""Klines of one answer."""
KLINE_ROWS_MAX = 6_000
"""Candles that the klines of one answer are made of: as many as a thousand klines of every interval on UTC's clock up
to three days need, 15 milliseconds of the server's time. Where more would be read there are fewer klines."""

_WINDOWS = {
    **{f"{n}m": n * MINUTE_NS for n in range(1, 60)},
    **{f"{n}h": n * 60 * MINUTE_NS for n in range(1, 24)},
    **{f"{n}d": n * DAY_NS for n in range(1, 8)},
}
_Form: TypeAlias = Callable[[Stats, Instrument, int], Payload]
_FORMS: dict[str, _Form] = {"FULL": full_row, "MINI": mini_row}
_KLINE_LETTERS = "tohlcvTqnVQB"


# ---- weights -------------------------------------------------------------------------------------


def depth_weight(params: Params) -> int:
    """Weight of `depth`, by how much is asked for."""
    limit = params.limit(100, DEPTH_MAX)
    return next(weight for most, weight in ((100, 5), (500, 25), (1_000, 50), (DEPTH_MAX, 250)) if limit <= most)


def by_symbols(one: int, every: int) -> Callable[[Params], int]:
    """Weight of what can be asked of one symbol, or of all."""
    return lambda params: one if "symbol" in params else every


def day_weight(params: Params) -> int:
    """Weight of `ticker.24hr`, by the number of symbols."""
    symbols = len(params.names("symbols"))
    if "symbol" in params or 1 <= symbols <= 20:
        return 2
    return 40 if 21 <= symbols <= 100 else 80


def window_weight(params: Params) -> int:
    """Weight of `ticker`: 4 a symbol, 200 at most."""
    return min(4 * max(1, len(params.names("symbols"))), 200)


def klines_weight(params: Params) -> int:
    """Weight of `klines`: 2 for each thousand candles that may have to be read."""
    interval = params.text("interval")
    if interval not in INTERVALS:
        return 2
    _, rows = _kline_rows(interval, params.zone(), params.limit(500, KLINES_MAX))
    return 2 * -(-rows // 1_000)


def _kline_rows(interval: str, offset: int, limit: int) -> tuple[int, int]:
    """How many klines one answer may have, and how many candles are read for them at most."""
    _, _, ratio = period_of(interval, offset).base
    limit = min(limit, max(1, KLINE_ROWS_MAX // ratio))
    return limit, limit * ratio


# ---- general -------------------------------------------------------------------------------------


def ping(_: Call) -> Any:
    """`ping`"""
    return {}


def time(call: Call) -> Any:
    """`time`"""
    return {"serverTime": call.time(call.now)}


def exchange_info(call: Call) -> Any:
    """`exchangeInfo`"""
    params = call.params
    params.not_with("symbol", "symbols", "permissions")
    params.not_with("symbols", "permissions")
    permissions = params.text("permissions")
    if permissions and not permissions.startswith("["):
        permissions = f'["{permissions}"]'
    spot = not permissions or "SPOT" in Params({"permissions": permissions}).names("permissions")
    named = [params.text("symbol")] if "symbol" in params else params.names("symbols")
    instruments = [call.instrument(name) for name in named] if named else list(call.instruments.values())
    rows = exchange_symbols(call.services, call.identity, instruments if spot else ())
    if not params.flag("showPermissionSets", True):
        rows = [row | {"permissionSets": []} for row in rows]
    status = params.text("symbolStatus")
    return {
        "timezone": "UTC",
        "serverTime": call.time(call.now),
        "rateLimits": [limit.shown() for limit in LIMITS],
        "exchangeFilters": [],
        "symbols": [row for row in rows if status in ("", row["status"])],
    }


def exchange_symbols(
    services: Services, identity: Identity | None, instruments: Iterable[Instrument]
) -> list[dict[str, Any]]:
    """The rows of `exchangeInfo`, of those instruments that whoever asks may see anything of."""
    rows = []
    for instrument in instruments:
        if any(services.may_see(identity, channel, instrument.symbol) for channel in instrument.channels):
            status = services.market.view(StreamKey("status", instrument.symbol))
            assert isinstance(status, Status)
            rows.append(symbol_info(instrument, status))
    return rows


# ---- market data ---------------------------------------------------------------------------------


def depth(call: Call) -> Any:
    """`depth`: the best levels of each side. `lastUpdateId` joins the stream `@depth`."""
    instrument, limit = call.instrument(channel="book"), call.params.limit(100, DEPTH_MAX)
    event = call.services.market.view(StreamKey("book", instrument.symbol, depth=limit))
    assert isinstance(event, Book)
    return depth_of(event, instrument)


def trades(call: Call) -> Any:
    """`trades.recent` and `trades.historical`: the newest trades, of those that are kept, oldest first; or those from
    an id on."""
    instrument, limit = call.instrument(channel="trades"), call.params.limit(500, TRADES_MAX)
    from_id = call.params.optional("fromId")
    kept = [event for event in _recent(call, instrument) if from_id is None or event.seq >= from_id]
    price, size, notional = formats(instrument)
    return [
        {
            "id": event.seq,
            "price": price(event.price),
            "qty": size(event.size),
            "quoteQty": notional(event.price * event.size),
            "time": call.time(trade_time(event)),
            "isBuyerMaker": event.side == "sell",
            "isBestMatch": True,
        }
        for event in (kept[-limit:] if from_id is None else kept[:limit])
    ]


def agg_trades(call: Call) -> Any:
    """`trades.aggregate`: the newest aggregates of the trades that are kept, oldest first; or the oldest from an id or
    time on."""
    params = call.params
    params.not_with("fromId", "startTime", "endTime")
    start, end = params.span()
    instrument, limit = call.instrument(channel="trades"), params.limit(500, TRADES_MAX)
    from_id = params.optional("fromId")
    kept = _recent(call, instrument)
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
    page = groups[-limit:] if from_id is None and start is None else groups[:limit]
    events = [msgspec.to_builtins(agg_trade(group, instrument, call.unit)) for group in page]
    return [{letter: event[letter] for letter in "apqflTmM"} for event in events]


def _recent(call: Call, instrument: Instrument) -> list[Trade]:
    return list(call.services.market.listing(instrument.symbol).recent)


def klines(call: Call) -> Any:
    """`klines` and `uiKlines`: candles, oldest first, the one in progress included: those from `startTime` on, else the
    newest up to `endTime`. One for each interval, from the first that had a trade."""
    params, instrument = call.params, call.instrument(channel="candles")
    interval = params.required("interval")
    if interval not in INTERVALS:
        raise BinanceError(-1120)
    start, end = params.span()
    limit, offset = params.limit(500, KLINES_MAX), params.zone()
    market, history, symbol = call.services.market, call.services.history, instrument.symbol
    period = period_of(interval, offset)
    limit, _ = _kline_rows(interval, offset, limit)
    newest = period.start_of(market.now if end is None else min(end, market.now))
    first = period.after(newest, 1 - limit) if start is None else period.at_or_after(start)
    if newest < first:
        return []
    found = candle_range(
        market, history, symbol, period, start=first, end=newest + 1, limit=limit, newest=start is None
    )
    before = close_before(market, history, symbol, period, first)
    candles = without_holes(found, symbol, period, first, newest, before, market.now)
    rows = [kline(candle, instrument, interval, call.unit) for candle in islice(candles, limit)]
    return [[row[letter] for letter in _KLINE_LETTERS] for row in rows]


def avg_price(call: Call) -> Any:
    """`avgPrice`: of the last five minutes."""
    price, time = average_price(call.services.market, call.instrument(channel="candles"), call.unit)
    return {"mins": AVERAGE_MINUTES, "price": price, "closeTime": time}


# ---- tickers -------------------------------------------------------------------------------------


def ticker_24hr(call: Call) -> Any:
    """`ticker.24hr`: the rolling 24 hours, in steps of a minute."""
    market, history, form = call.services.market, call.services.history, _form(call)

    def row(instrument: Instrument) -> Payload:
        if form is full_row:
            return day_row(market, history, instrument, call.unit)
        return form(day_stats(market, instrument.symbol), instrument, call.unit)

    return _each(call, "ticker", row)


def ticker_trading_day(call: Call) -> Any:
    """`ticker.tradingDay`: the day so far."""
    market, history, form = call.services.market, call.services.history, _form(call)
    start = period_of("1d", call.params.zone()).start_of(market.now)

    def row(instrument: Instrument) -> Payload:
        stats = span_stats(market, history, instrument.symbol, start, start + DAY_NS)
        return form(stats._replace(end=stats.end - 1), instrument, call.unit)

    return _each(call, "ticker", row, every=False)


def ticker(call: Call) -> Any:
    """`ticker`: another rolling window."""
    market, history, form = call.services.market, call.services.history, _form(call)
    length = call.params.choice("windowSize", _WINDOWS) if "windowSize" in call.params else DAY_NS
    return _each(
        call, "ticker", lambda i: form(window_stats(market, history, i.symbol, length), i, call.unit), every=False
    )


def ticker_price(call: Call) -> Any:
    """`ticker.price`: the last price, zero before the first."""
    price_of = call.services.market.last_price
    return _each(call, "trades", lambda i: {"symbol": name_of(i), "price": formats(i).price(price_of(i.symbol) or 0)})


def ticker_book(call: Call) -> Any:
    """`ticker.book`: the best bid and ask, zeros where a side is empty."""

    def row(i: Instrument) -> Payload:
        top = book_ticker(call.services.market.listing(i.symbol).quote, i, 0)
        return {
            "symbol": top.symbol,
            "bidPrice": top.bid,
            "bidQty": top.bid_size,
            "askPrice": top.ask,
            "askQty": top.ask_size,
        }

    return _each(call, "quotes", row)


def _form(call: Call) -> _Form:
    return call.params.choice("type", _FORMS) if "type" in call.params else full_row


def _each(call: Call, channel: str, row: Callable[[Instrument], Any], *, every: bool = True) -> Any:
    """One symbol's row, or the rows of several.

    Args:
        channel: that a key must be entitled to, and that the instrument must have.
        every: all are meant where none is named.
    """
    params = call.params
    params.not_with("symbol", "symbols")
    if "symbol" in params:
        return row(call.instrument(channel=channel))
    if "symbols" in params:
        return [row(call.instrument(name, channel)) for name in params.names("symbols")]
    if not every:
        text = "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"
        raise BinanceError(-1102, text=text)
    return [row(instrument) for instrument in call.visible(channel)]
