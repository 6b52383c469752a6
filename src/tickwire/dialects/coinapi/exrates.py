"""Exchange rates between any two assets, from the prices of the instruments.

A pair's own rate is, in this order: the FX rate of an instrument of the pair; the volume-weighted average price of the
last 24 hours over all instruments of the pair, in either direction; the middle of a best bid and ask; a last trade. A
pair without an instrument goes the shortest way over other assets. Indexes and futures are prices of something else and
do not count.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import Literal, NamedTuple

from tickwire.dialects.coinapi.view import View
from tickwire.market.listing import Listing

RateType = Literal["BASE_QUOTE_ISOLATED", "BASE_ALL_CROSSES_TO_REF", "BASE_AND_QUOTE_TO_REF"]

REFERENCE = "USD"
REFERENCES = (REFERENCE, "USDT", "USDC", "EUR")
"""What an asset that is named alone is priced in: the first of these that a price leads to."""

SIGNIFICANT_DIGITS = 15
"""Of a rate: what clients that read numbers as doubles can hold."""
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
                pair, ratio = pair[::-1], Ratio(ratio.base, ratio.quote)
            known = best.get(pair)
            if known is not None and known[0] == rank == _VWAP:
                ratio = Ratio(known[1].quote + ratio.quote, known[1].base + ratio.base)
            if known is None or known[0] > rank or known[0] == rank == _VWAP:
                best[pair] = rank, ratio
        for (base, quote), (_, ratio) in best.items():
            self._rates[base][quote] = ratio
            self._rates[quote][base] = Ratio(ratio.base, ratio.quote)

    @property
    def assets(self) -> list[str]:
        """Every asset of an instrument, in the order of listing."""
        return list(self._rates)

    def rate(self, base: str, quote: str) -> Exrate | None:
        """What one `base` is worth in `quote`; None when no price leads there."""
        parents = self._ways(base, quote)
        return self._along(parents, quote) if quote in parents else None

    def rates(self, base: str) -> list[Exrate]:
        """What one `base` is worth in every other asset that a price leads to, nearest first."""
        parents = self._ways(base)
        return [self._along(parents, quote) for quote in parents if quote != base]

    def reference(self, asset: str) -> Exrate | None:
        """What one `asset` is worth in the first of the `REFERENCES` that a price leads to."""
        parents = self._ways(asset)
        quote = next((quote for quote in REFERENCES if quote in parents and quote != asset), None)
        return None if quote is None else self._along(parents, quote)

    def _ways(self, base: str, goal: str | None = None) -> dict[str, str]:
        """How every asset is reached from one by the shortest way: from which other. It ends when the goal is found."""
        if base not in self._rates:
            return {}
        parents = {base: ""}
        queue = deque([base])
        while queue and goal not in parents:
            asset = queue.popleft()
            onward = self._rates[asset]
            for quote in (goal,) if goal is not None and goal in onward else onward:
                if quote not in parents:
                    parents[quote] = asset
                    queue.append(quote)
        return parents

    def _along(self, parents: dict[str, str], quote: str) -> Exrate:
        ratio, asset, steps = Ratio(1, 1), quote, 0
        while parent := parents[asset]:
            onward = self._rates[parent][asset]
            ratio = Ratio(ratio.quote * onward.quote, ratio.base * onward.base)
            asset, steps = parent, steps + 1
        crossed: RateType = "BASE_ALL_CROSSES_TO_REF" if quote == REFERENCE else "BASE_AND_QUOTE_TO_REF"
        return Exrate(asset, quote, self.time, ratio, crossed if steps > 1 else "BASE_QUOTE_ISOLATED")


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
def _prices_at(view: View, now: int) -> Prices:
    return Prices(view)


def prices(view: View) -> Prices:
    """The prices of this moment of the tape, shared by all who ask in it."""
    return _prices_at(view, view.market.now)


def significant(numerator: int, denominator: int, digits: int = SIGNIFICANT_DIGITS) -> str:
    """A positive fraction as a decimal, to so many significant digits, half rounded up, without trailing zeros."""
    whole = len(str(numerator // denominator)) if numerator >= denominator else -len(str(denominator // numerator)) + 1
    decimals = max(0, digits - whole)
    scaled = (2 * numerator * 10**decimals + denominator) // (2 * denominator)
    before, after = divmod(scaled, 10**decimals)
    fraction = f"{after:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{before}.{fraction}" if fraction else str(before)
