"""Time series over HTTP: periods of open, high, low, close and volume, from the candles that are kept."""

from __future__ import annotations

import msgspec

from tickwire.dialects.candles import DAY_NS, candle_range
from tickwire.dialects.coinapi.ids import native_id, symbol_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.periods import PERIODS, NamedPeriod
from tickwire.dialects.coinapi.rest_call import ITEMS_MAX, Call
from tickwire.dialects.coinapi.times import iso_time
from tickwire.errors import InvalidInput
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument


class PeriodRow(msgspec.Struct, frozen=True):
    """A period that time series can be had in."""

    period_id: str
    length_seconds: int
    length_months: int
    unit_count: int
    unit_name: str
    display_name: str


class OhlcvRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A period of a time series. One without a trade has no times and no prices."""

    symbol_id_exchange: str = ""
    symbol_id_coinapi: str = ""
    time_period_start: str
    time_period_end: str
    time_open: str | None
    time_close: str | None
    price_open: Number | None
    price_high: Number | None
    price_low: Number | None
    price_close: Number | None
    volume_traded: Number
    trades_count: int


def periods(_: Call) -> list[PeriodRow]:
    """`/ohlcv/periods`"""
    return [
        PeriodRow(each.period_id, each.seconds, each.period.months, each.unit_count, each.unit_name, each.display_name)
        for each in PERIODS.values()
    ]


def ohlcv_history(call: Call) -> list[OhlcvRow]:
    """`/ohlcv/{symbol_id}/history`, oldest first."""
    start, end = call.range()
    return _series(call, start, end, newest=False)


def ohlcv_latest(call: Call) -> list[OhlcvRow]:
    """`/ohlcv/{symbol_id}/latest`, newest first."""
    return _series(call, 0, call.view.market.now + 1, newest=True)[::-1]


def ohlcv_of_exchange(call: Call) -> list[OhlcvRow]:
    """`/ohlcv/exchanges/{exchange_id}/history`: every symbol's periods within a day."""
    exchange_id, named = call.exchange(), call.period()
    start, end = call.range(required=True)
    if "time_end" not in call.query and "date" not in call.query:
        raise InvalidInput("give time_end", field="time_end")
    if end - start > DAY_NS or named.period.months or named.period.length > DAY_NS:
        raise InvalidInput("ask for a day at most, in periods of a day at most", field="time_end")
    rows: list[OhlcvRow] = []
    for listing in call.listings("candles"):
        instrument = listing.instrument
        if instrument.venue.upper() == exchange_id:
            left = ITEMS_MAX + 1 - len(rows)
            candles = candle_range(
                call.view.market,
                call.view.history,
                listing.symbol,
                named.period,
                start=start,
                end=end,
                limit=left,
                newest=False,
            )
            call.bill(max(1, len(candles)))
            rows += [_ohlcv_row(instrument, named, candle, of_exchange=True) for candle in candles]
            if len(rows) > ITEMS_MAX:
                text = f"that is more than {ITEMS_MAX} items; ask for less time, longer periods or fewer symbols"
                raise InvalidInput(text, field="time_end")
    return rows


def _series(call: Call, start: int, end: int, *, newest: bool) -> list[OhlcvRow]:
    named, limit = call.period(), call.limit()
    listing = call.listing("candles")
    call.charge(limit)
    candles = candle_range(
        call.view.market,
        call.view.history,
        listing.symbol,
        named.period,
        start=start,
        end=end,
        limit=limit,
        newest=newest,
    )
    if not call.flag("include_empty_items"):
        return [_ohlcv_row(listing.instrument, named, candle) for candle in candles]
    return _with_empty(call, listing.instrument, named, candles, start, end, limit, newest)


def _with_empty(
    call: Call,
    instrument: Instrument,
    named: NamedPeriod,
    candles: list[Candle],
    start: int,
    end: int,
    limit: int,
    newest: bool,
) -> list[OhlcvRow]:
    """The same with the periods in which nothing was traded."""
    period, by_start = named.period, {candle.start: candle for candle in candles}
    now = period.start_of(min(end - 1, call.view.market.now))
    if not candles and not start:
        return []
    if newest:
        first = max(candles[0].start, period.after(now, 1 - limit))
    elif start:
        first = period.at_or_after(start)
    else:
        first = candles[0].start
    rows: list[OhlcvRow] = []
    while first <= now and len(rows) < limit:
        rows.append(_ohlcv_row(instrument, named, by_start.get(first), start=first))
        first = period.after(first)
    return rows


def _ohlcv_row(
    instrument: Instrument, named: NamedPeriod, candle: Candle | None, *, start: int = 0, of_exchange: bool = False
) -> OhlcvRow:
    start = start if candle is None else candle.start
    price, size = instrument.price.format, instrument.size.format
    open_, high, low, close = (
        (None,) * 4
        if candle is None
        else (Number(price(each)) for each in (candle.open, candle.high, candle.low, candle.close))
    )
    return OhlcvRow(
        symbol_id_exchange=native_id(instrument) if of_exchange else "",
        symbol_id_coinapi=symbol_id(instrument) if of_exchange else "",
        time_period_start=iso_time(start),
        time_period_end=iso_time(named.period.after(start)),
        time_open=None if candle is None else iso_time(candle.first_ts),
        time_close=None if candle is None else iso_time(candle.last_ts),
        price_open=open_,
        price_high=high,
        price_low=low,
        price_close=close,
        volume_traded=Number(size(candle.volume if candle is not None else 0)),
        trades_count=candle.trades if candle is not None else 0,
    )
