"""Exchange rates between any two assets, from the prices of the instruments.

A pair's own rate is, in this order: the FX rate of an instrument of the pair; the volume-weighted average price of the
last 24 hours over all instruments of the pair, in either direction; the middle of a best bid and ask; a last trade. A
pair without an instrument goes the shortest way over other assets. Indexes and futures are prices of something else and
do not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from tickwire.dialects.candles import SECOND_NS
from tickwire.dialects.coinapi.view import View
from tickwire.market.listing import Listing

RateType = Literal["BASE_QUOTE_ISOLATED", "BASE_ALL_CROSSES_TO_REF", "BASE_AND_QUOTE_TO_REF"]

REFERENCE = "USD"
REFERENCES = (REFERENCE, "USDT", "USDC", "EUR")
"""What an asset that is named alone is priced in: the first of these that a price leads to."""

SIGNIFICANT_DIGITS = 15
"""Of a rate: what clients that read numbers as doubles can hold."""
_WAYS_KEPT = 1_024
_UNITS = 10**36
"""Amounts are summed over instruments in these parts of an asset: finer than any tick times any lot."""


class Ratio(NamedTuple):
    """An exact price: `quote` of the one asset are worth `base` of the other. Nothing is 0."""

    quote: int
    base: int


class Exrate(NamedTuple):
    """A rate as it stands.

    Attributes:
        time: the tape's, ns.
        rate_type: the pair's own (BASE_QUOTE_ISOLATED), or over other assets: to US dollars
            (BASE_ALL_CROSSES_TO_REF) or to anything else (BASE_AND_QUOTE_TO_REF).
    """

    asset_id_base: str
    asset_id_quote: str
    time: int
    ratio: Ratio
    rate_type: RateType

    @property
    def rate(self) -> str:
        """The rate as a decimal, to 15 significant digits."""
        return significant(*self.ratio)


class Prices:
    """What every asset is worth in every other, at one moment."""

    def __init__(self, view: View) -> None:
        self.time = view.market.now
        self._rates: dict[str, dict[str, Ratio]] = {}  # asset -> another that it has a pair with -> rate
        self._joined: dict[str, int] = {}
        self._ways: dict[tuple[str, str], list[str]] = {}
        self._in_usd: dict[str, Ratio] | None = None
        best: dict[tuple[str, str], tuple[int, Ratio]] = {}
        for listing in view.listings():
            instrument = listing.instrument
            if instrument.asset_class == "index":
                continue
            ranked = _price(view, listing)
            self._rates.setdefault(instrument.base, {})
            self._rates.setdefault(instrument.quote, {})
            if ranked is None:
                continue
            rank, ratio = ranked
            pair = instrument.base, instrument.quote
            if pair[::-1] in best:
                pair, ratio = pair[::-1], _inverted(ratio)
            known = best.get(pair)
            if known is not None and known[0] == rank == _VWAP:
                ratio = Ratio(known[1].quote + ratio.quote, known[1].base + ratio.base)
            if known is None or known[0] > rank or known[0] == rank == _VWAP:
                best[pair] = rank, ratio
        for (base, quote), (_, ratio) in best.items():
            self._rates[base][quote] = ratio
            self._rates[quote][base] = _inverted(ratio)
        self._join()

    @property
    def assets(self) -> list[str]:
        """Every asset of an instrument, in the order of listing."""
        return list(self._rates)

    def rate(self, base: str, quote: str) -> Exrate | None:
        """What one `base` is worth in `quote`; None when no price leads there."""
        if base not in self._rates or self._joined.get(base) != self._joined.get(quote):
            return None
        way = [base]
        if base != quote:
            first, last = self._next(base, quote), self._next(quote, base)
            way += [each for each in self._between(first, last) if each != base]
            way += [quote] if way[-1] != quote else []
        ratio = Ratio(1, 1)
        for asset, onward in pairwise(way):
            ratio = _times(ratio, self._rates[asset][onward])
        return self._exrate(base, quote, ratio, len(way) - 1)

    def rates(self, base: str) -> list[Exrate]:
        """What one `base` is worth in every other asset that a price leads to, nearest first."""
        if base not in self._rates:
            return []
        found = {base: (Ratio(1, 1), 0)}
        queue = deque([base])
        while queue:
            asset = queue.popleft()
            ratio, steps = found[asset]
            for quote, onward in self._rates[asset].items():
                if quote not in found:
                    found[quote] = _times(ratio, onward), steps + 1
                    queue.append(quote)
        return [self._exrate(base, quote, *way) for quote, way in found.items() if quote != base]

    def reference(self, asset: str) -> Exrate | None:
        """What one `asset` is worth in the first of the `REFERENCES` that a price leads to."""
        found = (self.rate(asset, quote) for quote in REFERENCES if quote != asset)
        return next((rate for rate in found if rate is not None), None)

    def in_usd(self) -> Mapping[str, Ratio]:
        """What every asset from which a price leads to US dollars is worth in them, worked out when it is asked for."""
        if self._in_usd is None:
            self._in_usd = {each.asset_id_quote: _inverted(each.ratio) for each in self.rates(REFERENCE)}
            if REFERENCE in self._rates:
                self._in_usd[REFERENCE] = Ratio(1, 1)
        return self._in_usd

    def _join(self) -> None:
        """Number what hangs together, so that nobody looks for a way where there is none."""
        for start in self._rates:
            if start in self._joined:
                continue
            self._joined[start] = number = len(self._joined)
            queue = [start]
            while queue:
                for asset in self._rates[queue.pop()]:
                    if asset not in self._joined:
                        self._joined[asset] = number
                        queue.append(asset)

    def _next(self, asset: str, goal: str) -> str:
        """Where every way to somewhere leads first, if there is only one; so the hubs of a market are asked for again
        and again, and what leads from one to the other is known."""
        onward = self._rates[asset]
        return next(iter(onward)) if len(onward) == 1 and goal not in onward else asset

    def _between(self, base: str, quote: str) -> list[str]:
        """The shortest way between two assets that hang together, with both."""
        known = self._ways.get((base, quote))
        if known is not None:
            return known
        parents = {base: ""}
        queue = deque([base])
        while quote not in parents:
            asset = queue.popleft()
            onward = self._rates[asset]
            for each in (quote,) if quote in onward else onward:
                if each not in parents:
                    parents[each] = asset
                    queue.append(each)
        way = [quote]
        while parent := parents[way[-1]]:
            way.append(parent)
        way.reverse()
        if len(self._ways) < _WAYS_KEPT:
            self._ways[base, quote] = way
        return way

    def _exrate(self, base: str, quote: str, ratio: Ratio, steps: int) -> Exrate:
        crossed: RateType = "BASE_ALL_CROSSES_TO_REF" if quote == REFERENCE else "BASE_AND_QUOTE_TO_REF"
        return Exrate(base, quote, self.time, ratio, crossed if steps > 1 else "BASE_QUOTE_ISOLATED")


def _times(one: Ratio, other: Ratio) -> Ratio:
    return Ratio(one.quote * other.quote, one.base * other.base)


def _inverted(ratio: Ratio) -> Ratio:
    return Ratio(ratio.base, ratio.quote)


_FX, _VWAP, _MIDDLE, _LAST = range(4)
"""Kinds of prices, best first."""


def _price(view: View, listing: Listing) -> tuple[int, Ratio] | None:
    """The best price that an instrument has to offer, with its kind."""
    instrument, symbol, window, quote = listing.instrument, listing.symbol, listing.window, listing.quote
    if instrument.asset_class == "future":
        return None
    price, size = instrument.price, instrument.size
    if listing.rate is not None and listing.rate.rate > 0 and view.sees("rates", symbol):
        return _FX, Ratio(listing.rate.rate * price.units, 10 * price.divisor)
    if window.volume and window.quote_volume > 0 and view.sees("ticker", symbol):
        base = window.volume * size.units * _UNITS // size.divisor
        worth = window.quote_volume * price.units * size.units * _UNITS // (price.divisor * size.divisor)
        if worth and base:  # not of a dust that even these parts don't show
            return _VWAP, Ratio(worth, base)
    if quote.bid is not None and quote.ask is not None and quote.bid > 0 and view.sees("quotes", symbol):
        return _MIDDLE, Ratio((quote.bid + quote.ask) * price.units, 2 * price.divisor)
    if listing.last_price and listing.last_price > 0 and view.sees("trades", symbol):
        return _LAST, Ratio(listing.last_price * price.units, price.divisor)
    return None


@lru_cache(maxsize=8)
def _prices_at(view: View, second: int, listed: int) -> Prices:
    return Prices(view)


def prices(view: View) -> Prices:
    """The prices of this second of the tape, shared by all who ask in it: they take a look at every instrument."""
    market = view.market
    return _prices_at(view, market.now // SECOND_NS, market.listed)


def significant(numerator: int, denominator: int, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A positive fraction as a decimal, to so many significant digits, half rounded up, without trailing zeros."""
    whole = len(str(numerator // denominator)) if numerator >= denominator else -len(str(denominator // numerator)) + 1
    decimals = max(0, digits - whole)
    scaled = (2 * numerator * 10**decimals + denominator) // (2 * denominator)
    before, after = divmod(scaled, 10**decimals)
    fraction = f"{after:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{before}.{fraction}" if fraction else str(before)
