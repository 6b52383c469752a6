"""Exchange rates over HTTP: as they are now, and as they were.

What a pair was worth at some time is known of pairs with an instrument of their own: from its candles, the price of the
last trade before that time. Rates over several instruments are known as of now only.
"""

from __future__ import annotations

import msgspec

from tickwire.dialects.candles import candle_at, candle_range
from tickwire.dialects.coinapi.exrates import Exrate, Ratio, prices, significant
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.rest_call import Call, NoData
from tickwire.dialects.coinapi.times import SECOND_NS, iso_time
from tickwire.market.listing import Listing
from tickwire.model.channel import CANDLE_INTERVALS_NS

MINUTE_NS = CANDLE_INTERVALS_NS["1m"]


class RateRow(msgspec.Struct, frozen=True):
    """What one asset is worth in another."""

    time: str
    asset_id_base: str
    asset_id_quote: str
    rate: Number


class QuoteRate(msgspec.Struct, frozen=True):
    """The same, within something that names the base."""

    time: str
    asset_id_quote: str
    rate: Number


class RatesOf(msgspec.Struct, frozen=True):
    """What an asset is worth in others."""

    asset_id_base: str
    rates: list[QuoteRate]


class RatePeriod(msgspec.Struct, frozen=True):
    """A period of a rate's time series."""

    time_period_start: str
    time_period_end: str
    time_open: str
    time_close: str
    rate_open: Number
    rate_high: Number
    rate_low: Number
    rate_close: Number


def rate(call: Call) -> RateRow:
    """`/exchangerate/{base}/{quote}`"""
    base, quote = _pair(call)
    if call.query.get("time"):
        at = call.time("time", 0)
        listing, inverted = _direct(call, base, quote)
        known = _ratio_at(call, listing, at)
        if known is None:
            raise NoData(f"nothing is known of {base}/{quote} before {iso_time(at)}")
        closed, ratio = known
        return RateRow(iso_time(closed), base, quote, _number(ratio, inverted=inverted))
    found = prices(call.view).rate(base, quote)
    if found is None:
        raise NoData(f"no price leads from {base} to {quote}")
    return RateRow(iso_time(found.time), base, quote, Number(found.rate))


def rates(call: Call) -> RatesOf:
    """`/exchangerate/{base}`"""
    base = call.names["asset_id_base"].upper()
    wanted, invert = call.listed("filter_asset_id"), call.flag("invert")
    if base not in prices(call.view).assets:
        raise NoData(f"there is no asset {base!r}")
    found = [each for each in _rates_of(call, base) if not wanted or each.asset_id_quote.upper() in wanted]
    return RatesOf(
        base,
        [QuoteRate(iso_time(each.time), each.asset_id_quote, _number(each.ratio, inverted=invert)) for each in found],
    )


def history(call: Call) -> list[RatePeriod]:
    """`/exchangerate/{base}/{quote}/history`, oldest first."""
    base, quote = _pair(call)
    named, (first, last), limit = call.period(), call.range(), call.limit()
    listing, inverted = _direct(call, base, quote)
    market, past = call.view.market, call.view.history
    rows = []
    for candle in candle_range(
        market, past, listing.symbol, named.period, start=first, end=last, limit=limit, newest=False
    ):
        high, low = (candle.low, candle.high) if inverted else (candle.high, candle.low)
        values = (
            _number(_ratio(listing, price), inverted=inverted) for price in (candle.open, high, low, candle.close)
        )
        start, end = iso_time(candle.start), iso_time(named.period.after(candle.start))
        rows.append(RatePeriod(start, end, iso_time(candle.first_ts), iso_time(candle.last_ts), *values))
    return rows


def _pair(call: Call) -> tuple[str, str]:
    return call.names["asset_id_base"].upper(), call.names["asset_id_quote"].upper()


def _rates_of(call: Call, base: str) -> list[Exrate]:
    """What an asset is or was worth in every other that is known."""
    if not call.query.get("time"):
        return prices(call.view).rates(base)
    at, found = call.time("time", 0), {}
    for listing in _priced(call):
        instrument = listing.instrument
        if base not in (instrument.base, instrument.quote):
            continue
        quote = instrument.quote if base == instrument.base else instrument.base
        known = None if quote in found else _ratio_at(call, listing, at)
        if known is not None:
            closed, ratio = known
            shown = ratio if base == instrument.base else Ratio(ratio.base, ratio.quote)
            found[quote] = Exrate(base, quote, closed, shown, "BASE_QUOTE_ISOLATED")
    return list(found.values())


def _direct(call: Call, base: str, quote: str) -> tuple[Listing, bool]:
    """The instrument of a pair, and whether it is the other way round.

    Raises:
        RestError: 550: there is none.
    """
    for inverted, pair in ((False, (base, quote)), (True, (quote, base))):
        for listing in _priced(call):
            if (listing.instrument.base.upper(), listing.instrument.quote.upper()) == pair:
                return listing, inverted
    raise NoData(f"no instrument trades {base} against {quote}, so that the past of their rate is not known")


def _priced(call: Call) -> list[Listing]:
    return [
        listing
        for listing in call.view.listings()
        if listing.instrument.asset_class not in ("index", "future") and call.view.sees("candles", listing.symbol)
    ]


def _ratio_at(call: Call, listing: Listing, at: int) -> tuple[int, Ratio] | None:
    """The last price before a time, and when that was; None when none is kept."""
    market, past, symbol = call.view.market, call.view.history, listing.symbol
    at = min(at, market.now + SECOND_NS)
    minute = at - at % MINUTE_NS
    candle = candle_at(market, past, symbol, minute, at - at % SECOND_NS)
    if candle is None:
        candle = next(iter(past.candles(symbol, "1m", end=minute, limit=1)), None)
    return None if candle is None else (candle.last_ts or candle.start, _ratio(listing, candle.close))


def _ratio(listing: Listing, price: int) -> Ratio:
    unit = listing.instrument.price
    return Ratio(price * unit.units, unit.divisor)


def _number(ratio: Ratio, *, inverted: bool = False) -> Number:
    if ratio.quote <= 0:
        return Number("0")
    return Number(significant(*(reversed(ratio) if inverted else ratio)))
