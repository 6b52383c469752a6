"""The metadata objects: exchanges, assets and symbols, as the REST answers and the streams of that name show them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias, TypedDict

import msgspec

from tickwire.dialects.candles import candle_at
from tickwire.dialects.coinapi.exrates import REFERENCE, Prices, prices, significant
from tickwire.dialects.coinapi.ids import index_id, native_id, symbol_id
from tickwire.dialects.coinapi.times import DAY_NS, SECOND_NS, date_of
from tickwire.dialects.coinapi.view import View
from tickwire.market.listing import Listing
from tickwire.model.instrument import Instrument

Number: TypeAlias = msgspec.Raw
"""A decimal string as a JSON number."""

ZERO = Number("0")
FIAT = frozenset({
    "AUD", "BRL", "CAD", "CHF", "CNH", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR",
})  # fmt: skip
"""Assets that are currencies of states."""

_SYMBOL_TYPES = {"index": "INDEX", "future": "PERPETUAL"}
_VOLUME_DIGITS = 15


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    """What all three have: from when to when there is data (dates), and how much was traded.

    The server keeps trades as candles, and no past of quotes and books.
    """

    data_start: str | None
    data_end: str | None
    data_quote_start: str | None = None
    data_quote_end: str | None = None
    data_orderbook_start: str | None = None
    data_orderbook_end: str | None = None
    data_trade_start: str | None
    data_trade_end: str | None
    volume_1hrs_usd: Number
    volume_1day_usd: Number
    volume_1mth_usd: Number


class _Common(TypedDict):
    data_start: str | None
    data_end: str | None
    data_trade_start: str | None
    data_trade_end: str | None
    volume_1hrs_usd: Number
    volume_1day_usd: Number
    volume_1mth_usd: Number


class ExchangeObject(_Object, frozen=True, kw_only=True):
    """An exchange: a venue."""

    exchange_id: str
    website: str | None = None
    name: str
    data_symbols_count: int


class AssetObject(_Object, frozen=True, kw_only=True):
    """An asset. The price is absent where no price leads to US dollars."""

    asset_id: str
    name: str
    type_is_crypto: int
    data_symbols_count: int
    price_usd: Number | None
    id_icon: str | None = None


class SymbolObject(_Object, frozen=True, kw_only=True):
    """A symbol: an instrument. Volumes are in the base asset unless they say US dollars."""

    symbol_id: str
    exchange_id: str
    symbol_type: str
    asset_id_base: str
    asset_id_quote: str
    asset_id_unit: str
    volume_1hrs: Number
    volume_1day: Number
    volume_1mth: Number
    price: Number | None
    symbol_id_exchange: str
    asset_id_base_exchange: str
    asset_id_quote_exchange: str
    price_precision: Number
    size_precision: Number
    index_id: str | None = None


Object: TypeAlias = ExchangeObject | AssetObject | SymbolObject


class Traded(NamedTuple):
    """What was traded of an instrument within a time: lots, and ticks x lots."""

    volume: int
    quote_volume: int


class Catalog:
    """Every object that a view shows, at one moment."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._listings = list(view.listings())
        self._traded: dict[tuple[str, int], Traded] = {}
        self._dates: dict[str, tuple[str | None, str | None]] = {}

    @property
    def instruments(self) -> list[Instrument]:
        """In the order of listing."""
        return [listing.instrument for listing in self._listings]

    @property
    def exchange_ids(self) -> list[str]:
        """In the order of listing."""
        return list(dict.fromkeys(listing.instrument.venue for listing in self._listings))

    @property
    def asset_ids(self) -> list[str]:
        """In the order of listing."""
        return self.prices.assets

    @property
    def prices(self) -> Prices:
        """Of the same moment."""
        return prices(self._view)

    def exchange(self, exchange_id: str) -> ExchangeObject | None:
        """An exchange; None when there is none."""
        listings = [each for each in self._listings if each.instrument.venue == exchange_id]
        if not listings:
            return None
        return ExchangeObject(
            exchange_id=exchange_id, name=exchange_id, data_symbols_count=len(listings), **self._common(listings)
        )

    def asset(self, asset_id: str) -> AssetObject | None:
        """An asset; None when there is none."""
        if asset_id not in self.prices.assets:
            return None
        listings = [
            each
            for each in self._listings
            if asset_id in (each.instrument.base, each.instrument.quote) and each.instrument.asset_class != "index"
        ]
        price = self.prices.rate(asset_id, REFERENCE)
        crypto = asset_id not in FIAT and any(each.instrument.asset_class == "crypto" for each in listings)
        return AssetObject(
            asset_id=asset_id,
            name=asset_id,
            type_is_crypto=int(crypto),
            data_symbols_count=len(listings),
            price_usd=None if price is None else Number(price.rate),
            **self._common(listings),
        )

    def symbol(self, instrument: Instrument) -> SymbolObject:
        """A symbol that the view shows."""
        view, listing = self._view, self._view.market.listing(instrument.symbol)
        hour, day, month = (self._volume(listing, length) for length in _LENGTHS)
        sees_price = listing.last_price is not None and view.sees("trades", listing.symbol)
        return SymbolObject(
            symbol_id=symbol_id(instrument),
            exchange_id=instrument.venue,
            symbol_type=_SYMBOL_TYPES.get(instrument.asset_class, "SPOT"),
            asset_id_base=instrument.base,
            asset_id_quote=instrument.quote,
            asset_id_unit=instrument.quote,
            volume_1hrs=hour,
            volume_1day=day,
            volume_1mth=month,
            price=Number(instrument.price.format(listing.last_price or 0)) if sees_price else None,
            symbol_id_exchange=native_id(instrument),
            asset_id_base_exchange=instrument.base,
            asset_id_quote_exchange=instrument.quote,
            price_precision=Number(instrument.tick_size),
            size_precision=Number(instrument.lot_size),
            index_id=index_id(instrument) if instrument.asset_class == "index" else None,
            **self._common([listing]),
        )

    def traded(self, listing: Listing, length: int) -> Traded:
        """What was traded of an instrument in the last so many ns, in steps of a minute."""
        key = listing.symbol, length
        known = self._traded.get(key)
        if known is None:
            known = self._traded[key] = _traded(self._view, listing, length)
        return known

    def _volume(self, listing: Listing, length: int) -> Number:
        return Number(listing.instrument.size.format(self.traded(listing, length).volume))

    def _common(self, listings: list[Listing]) -> _Common:
        dates = [self._dates_of(listing) for listing in listings]
        first = min((start for start, _ in dates if start), default=None)
        last = max((end for _, end in dates if end), default=None)
        hour, day, month = (self._usd(listings, length) for length in _LENGTHS)
        return {
            "data_start": first,
            "data_end": last,
            "data_trade_start": first,
            "data_trade_end": last,
            "volume_1hrs_usd": hour,
            "volume_1day_usd": day,
            "volume_1mth_usd": month,
        }

    def _dates_of(self, listing: Listing) -> tuple[str | None, str | None]:
        """The days of the first and the last trade that are known."""
        symbol = listing.symbol
        if symbol not in self._dates:
            first = last = None
            if self._view.sees("candles", symbol):
                history = self._view.history
                oldest = history.candles(symbol, "1d", limit=1, newest=False)
                newest = history.candles(symbol, "1d", limit=1)
                times = [candle.start for candle in (*oldest, *newest)] + [trade.ts for trade in listing.recent]
                first, last = (_date(min(times)), _date(max(times))) if times else (None, None)
            self._dates[symbol] = first, last
        return self._dates[symbol]

    def _usd(self, listings: list[Listing], length: int) -> Number:
        """The value of what was traded, in US dollars; what no price leads to is left out."""
        numerator, denominator = 0, 10**36
        for listing in listings:
            instrument = listing.instrument
            rate = self.prices.rate(instrument.quote, REFERENCE)
            if rate is not None:
                worth = self.traded(listing, length).quote_volume * instrument.notional.units * rate.ratio.quote
                numerator += worth * denominator // (instrument.notional.divisor * rate.ratio.base)
        return Number(significant(numerator, denominator, _VOLUME_DIGITS)) if numerator > 0 else ZERO


HOUR_NS, MONTH_NS = 3_600 * SECOND_NS, 30 * DAY_NS
_LENGTHS = (HOUR_NS, DAY_NS, MONTH_NS)


def _traded(view: View, listing: Listing, length: int) -> Traded:
    if length == DAY_NS:
        if not view.sees("ticker", listing.symbol):
            return Traded(0, 0)
        return Traded(listing.window.volume, listing.window.quote_volume)
    if not view.sees("candles", listing.symbol):
        return Traded(0, 0)
    minute = 60 * SECOND_NS
    end = view.market.now - view.market.now % minute + minute
    candle = candle_at(view.market, view.history, listing.symbol, end - length, end)
    return Traded(candle.volume, candle.quote_volume) if candle is not None else Traded(0, 0)


def _date(ns: int) -> str:
    year, month, day = date_of(ns // DAY_NS)
    return f"{year:04d}-{month:02d}-{day:02d}"


@lru_cache(maxsize=8)
def _catalog_at(view: View, now: int) -> Catalog:
    return Catalog(view)


def catalog(view: View) -> Catalog:
    """The objects of this moment of the tape, shared by all who ask in it."""
    return _catalog_at(view, view.market.now)
