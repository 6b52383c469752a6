"""Exchange rates over HTTP: as they are now, and as they were.

What a pair was worth at some time is known of pairs with an instrument of their own: from its candles, the price of the
last trade before that time. Rates over several instruments are known as of now only.
"""

from __future__ import annotations

import msgspec

from tickwire.dialects.candles import SECOND_NS, candle_at, candle_range
from tickwire.dialects.coinapi.exrates import Exrate, Ratio, prices, significant
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.metadata import MINUTE_NS, catalog
from tickwire.dialects.coinapi.rest_call import Call, NoData
from tickwire.dialects.coinapi.times import iso_time
from tickwire.errors import InvalidInput
from tickwire.market.listing import Listing

PAST_RATES_MAX = 500
"""Instruments whose price at some time is looked up for one answer: some 20 ms of work."""


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
    base, invert = call.names["asset_id_base"].upper(), call.flag("invert")
    if base not in catalog(call.view).by_asset:
        raise NoData(f"there is no asset {base!r}")
    rates_of = _rates_at if call.query.get("time") else _rates_now
    found = rates_of(call, base, call.listed("filter_asset_id"))
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
    call.charge(limit)
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


def _rates_now(call: Call, base: str, wanted: list[str]) -> list[Exrate]:
    """What an asset is worth in every other that a price leads to."""
    found = prices(call.view).rates(base)
    found = [each for each in found if not wanted or each.asset_id_quote.upper() in wanted]
    call.charge(len(found), "filter_asset_id")
    return found


def _rates_at(call: Call, base: str, wanted: list[str]) -> list[Exrate]:
    """What an asset was worth in those that an instrument trades it against."""
    at, found = call.time("time", 0), {}
    pairs = [
        (listing, listing.instrument.quote if listing.instrument.base == base else listing.instrument.base)
        for listing in _priced(call, base)
    ]
    pairs = [(listing, quote) for listing, quote in pairs if not wanted or quote.upper() in wanted]
    if len(pairs) > PAST_RATES_MAX:
        text = f"there are {len(pairs)} prices of then; name the assets that you want, at most {PAST_RATES_MAX}"
        raise InvalidInput(text, field="filter_asset_id")
    call.charge(len(pairs), "filter_asset_id")
    for listing, quote in pairs:
        known = None if quote in found else _ratio_at(call, listing, at)
        if known is not None:
            closed, ratio = known
            shown = ratio if base == listing.instrument.base else Ratio(ratio.base, ratio.quote)
            found[quote] = Exrate(base, quote, closed, shown, "BASE_QUOTE_ISOLATED")
    return list(found.values())


def _direct(call: Call, base: str, quote: str) -> tuple[Listing, bool]:
    """The instrument of a pair, and whether it is the other way round.

    Raises:
        RestError: 550: there is none.
    """
    listings = _priced(call, base)
    for inverted, pair in ((False, (base, quote)), (True, (quote, base))):
        for listing in listings:
            if (listing.instrument.base, listing.instrument.quote) == pair:
                return listing, inverted
    raise NoData(f"no instrument trades {base} against {quote}, so that the past of their rate is not known")


def _priced(call: Call, asset: str) -> list[Listing]:
    """The instruments of an asset whose price is one of the pair, and may be seen."""
    return [
        listing
        for listing in catalog(call.view).by_asset.get(asset, [])
        if listing.instrument.asset_class != "future" and call.view.sees("candles", listing.symbol)
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
