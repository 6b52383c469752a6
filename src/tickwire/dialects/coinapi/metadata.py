"""The metadata objects: exchanges, assets and symbols, as the REST answers and the streams of that name show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec

from tickwire.dialects.candles import DAY_NS, SECOND_NS
from tickwire.dialects.coinapi.exrates import Ratio, prices, significant
from tickwire.dialects.coinapi.ids import index_id, native_id, symbol_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.times import date_of
from tickwire.dialects.coinapi.view import View
from tickwire.market.history import History
from tickwire.market.listing import Listing
from tickwire.market.market import Market
from tickwire.model.instrument import Instrument

MINUTE_NS, HOUR_NS = 60 * SECOND_NS, 3_600 * SECOND_NS
MONTH_DAYS = 30
READS_MAX = 250
"""Instruments that are looked at, or whose past is read, in one moment of the tape: some 40 ms of work."""

ZERO = Number("0")
FIAT = frozenset({
    "AUD", "BRL", "CAD", "CHF", "CNH", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR",
})  # fmt: skip
"""Assets that are currencies of states."""

_SYMBOL_TYPES = {"index": "INDEX", "future": "PERPETUAL"}
_VOLUME_DIGITS = 15
_USD = 10**36
"""Volumes are summed in these parts of a US dollar."""


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    """What all three have: from when to when there is data (dates), and how much was traded; of the month null while
    that is being looked up, and so are the dates.

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
    volume_1mth_usd: Number | None


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
    volume_1mth: Number | None
    price: Number | None
    symbol_id_exchange: str
    asset_id_base_exchange: str
    asset_id_quote_exchange: str
    price_precision: Number
    size_precision: Number
    index_id: str | None = None


class Traded(NamedTuple):
    """What was traded of an instrument within a time: lots, and ticks x lots."""

    volume: int
    quote_volume: int


_NOTHING = Traded(0, 0)


class Past(NamedTuple):
    """The days before today of which an instrument has candles.

    Attributes:
        first, last: when the first and the last of them began, ns; None without any.
        month: what was traded in the newest 29 days before today.
    """

    first: int | None
    last: int | None
    month: Traded


class Pasts:
    """The days that are over, of every instrument: each is read once a day, and only so many at once."""

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history
        self._known: dict[str, tuple[Instrument, int, Past]] = {}
        self._at = -1
        self._reads = 0

    def of(self, listing: Listing) -> Past | None:
        """An instrument's; None while it has not been read, when enough were in this moment of the tape."""
        now, today = self._market.now, _today(self._market)
        known = self._known.get(listing.symbol)
        if known is not None and known[0] is listing.instrument and known[1] == today:
            return known[2]
        if self._at != now:
            self._at, self._reads = now, 0
        if self._reads >= READS_MAX:
            return None
        self._reads += 1
        days = self._history.candles(listing.symbol, "1d", end=today, limit=MONTH_DAYS - 1)
        oldest = self._history.candles(listing.symbol, "1d", end=today, limit=1, newest=False) if days else []
        month = [day for day in days if day.start > today - MONTH_DAYS * DAY_NS]
        traded = Traded(sum(day.volume for day in month), sum(day.quote_volume for day in month))
        past = Past(oldest[0].start, days[-1].start, traded) if days and oldest else Past(None, None, traded)
        self._known[listing.symbol] = listing.instrument, today, past
        return past


@lru_cache(maxsize=8)
def _pasts_of(everything: View) -> Pasts:
    return Pasts(everything.market, everything.history)


def pasts(view: View) -> Pasts:
    """Those of a market, shared by all who look at it."""
    return _pasts_of(View(view.market, view.history))


class _Facts(NamedTuple):
    """What is known of an instrument, as far as the view shows it.

    Attributes:
        first, last: times of its first and its last trade, ns.
        traded: in the last hour, day and month; of the month None while its days have not been read.
        usd: what that was worth in US dollars, in parts of `_USD`; 0 where no price leads to them.
    """

    first: int | None
    last: int | None
    traded: tuple[Traded, Traded, Traded | None]
    usd: tuple[int, int, int | None]


class Catalog:
    """Every object that a view shows. What was traded is what it was when the object was first asked for."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._pasts = pasts(view)
        now = view.market.now
        self._hour = now - now % MINUTE_NS + MINUTE_NS - HOUR_NS
        self._facts: dict[str, _Facts] = {}
        self._exchanges: dict[str, ExchangeObject] = {}
        self._assets: dict[str, AssetObject] = {}
        self.listings: list[tuple[str, Listing]] = []
        """Each with its symbol id, in the order of listing."""
        self.by_exchange: dict[str, list[Listing]] = {}
        self.by_asset: dict[str, list[Listing]] = {}
        for listing in view.listings():
            instrument = listing.instrument
            self.listings.append((symbol_id(instrument), listing))
            self.by_exchange.setdefault(instrument.venue, []).append(listing)
            if instrument.asset_class != "index":
                self.by_asset.setdefault(instrument.base, []).append(listing)
                if instrument.quote != instrument.base:
                    self.by_asset.setdefault(instrument.quote, []).append(listing)

    def know(self, listings: Collection[Listing]) -> bool:
        """Look at what of these was not looked at yet, at only so many at once; whether all are known then."""
        unknown = [each for each in listings if each.symbol not in self._facts]
        for each in unknown[:READS_MAX]:
            self._facts_of(each)
        return all(each.symbol in self._facts for each in unknown)

    def assets_named(self, names: Collection[str]) -> dict[str, list[Listing]]:
        """The assets of these names in upper case, each with its instruments, in the order of listing."""
        found = [asset for name in dict.fromkeys(names) for asset in self._spelled.get(name, ())]
        return {asset: self.by_asset[asset] for asset in sorted(found, key=self._ranks.__getitem__)}

    @cached_property
    def _spelled(self) -> Mapping[str, list[str]]:
        """The assets by name in upper case."""
        spelled: dict[str, list[str]] = {}
        for asset in self.by_asset:
            spelled.setdefault(asset.upper(), []).append(asset)
        return spelled

    @cached_property
    def _ranks(self) -> Mapping[str, int]:
        return {asset: rank for rank, asset in enumerate(self.by_asset)}

    def exchange(self, exchange_id: str) -> ExchangeObject | None:
        """An exchange; None when there is none."""
        listings = self.by_exchange.get(exchange_id)
        if listings is None or exchange_id in self._exchanges:
            return self._exchanges.get(exchange_id)
        found = ExchangeObject(
            exchange_id=exchange_id, name=exchange_id, data_symbols_count=len(listings), **self._common(listings)
        )
        if found.volume_1mth_usd is not None:
            self._exchanges[exchange_id] = found
        return found

    def asset(self, asset_id: str) -> AssetObject | None:
        """An asset; None when there is none."""
        listings = self.by_asset.get(asset_id)
        if listings is None or asset_id in self._assets:
            return self._assets.get(asset_id)
        price = self._rates.get(asset_id)
        crypto = asset_id not in FIAT and any(each.instrument.asset_class == "crypto" for each in listings)
        found = AssetObject(
            asset_id=asset_id,
            name=asset_id,
            type_is_crypto=int(crypto),
            data_symbols_count=len(listings),
            price_usd=None if price is None else Number(significant(*price)),
            **self._common(listings),
        )
        if found.volume_1mth_usd is not None:
            self._assets[asset_id] = found
        return found

    def symbol(self, instrument: Instrument) -> SymbolObject:
        """A symbol that the view shows."""
        view, listing = self._view, self._view.market.listing(instrument.symbol)
        size = instrument.size.format
        hour, day, month = self._facts_of(listing).traded
        sees_price = listing.last_price is not None and view.sees("trades", listing.symbol)
        return SymbolObject(
            symbol_id=symbol_id(instrument),
            exchange_id=instrument.venue,
            symbol_type=_SYMBOL_TYPES.get(instrument.asset_class, "SPOT"),
            asset_id_base=instrument.base,
            asset_id_quote=instrument.quote,
            asset_id_unit=instrument.quote,
            volume_1hrs=Number(size(hour.volume)),
            volume_1day=Number(size(day.volume)),
            volume_1mth=None if month is None else Number(size(month.volume)),
            price=Number(instrument.price.format(listing.last_price or 0)) if sees_price else None,
            symbol_id_exchange=native_id(instrument),
            asset_id_base_exchange=instrument.base,
            asset_id_quote_exchange=instrument.quote,
            price_precision=Number(instrument.tick_size),
            size_precision=Number(instrument.lot_size),
            index_id=index_id(instrument) if instrument.asset_class == "index" else None,
            **self._common([listing]),
        )

    def traded(self, listing: Listing) -> tuple[Traded, Traded, Traded | None]:
        """What was traded of an instrument in the last hour (in steps of a minute), in the last day (of a minute) and
        on the last 30 days, today among them; None while those have not been read."""
        return self._facts_of(listing).traded

    def _facts_of(self, listing: Listing) -> _Facts:
        known = self._facts.get(listing.symbol)
        if known is None:
            known = self._look(listing)
            if known.traded[2] is not None:
                self._facts[listing.symbol] = known
        return known

    def _look(self, listing: Listing) -> _Facts:
        view, symbol, window, recent = self._view, listing.symbol, listing.window, listing.recent
        day, hour = _NOTHING, _NOTHING
        month: Traded | None = _NOTHING
        first = last = None
        if view.sees("ticker", symbol):
            day = Traded(window.volume, window.quote_volume)
        if view.sees("candles", symbol):
            past = self._pasts.of(listing)
            if past is None:
                month = None
            elif recent or past.first is not None:
                first, last, (volume, quote_volume) = past
                today = listing.candles.traded(DAY_NS)
                month = Traded(volume + today[0], quote_volume + today[1])
                if recent:
                    first, last = min(first or recent[0].ts, recent[0].ts), max(last or 0, recent[-1].ts)
            if recent and recent[-1].ts >= self._hour:
                hour = Traded(*window.since(self._hour)[3:5])
        return _Facts(first, last, (hour, day, month), self._in_usd(listing.instrument, (hour, day, month)))

    @cached_property
    def _rates(self) -> Mapping[str, Ratio]:
        return prices(self._view).in_usd()

    def _in_usd(
        self, instrument: Instrument, traded: tuple[Traded, Traded, Traded | None]
    ) -> tuple[int, int, int | None]:
        rate, scale = self._rates.get(instrument.quote), instrument.notional
        worth, of = (0, 1) if rate is None else (scale.units * rate.quote * _USD, scale.divisor * rate.base)
        hour, day, month = traded
        in_month = None if month is None else month.quote_volume * worth // of
        return hour.quote_volume * worth // of, day.quote_volume * worth // of, in_month

    def _common(self, listings: list[Listing]) -> dict[str, Any]:
        known = [self._facts_of(listing) for listing in listings]
        first = min((each.first for each in known if each.first is not None), default=None)
        last = max((each.last for each in known if each.last is not None), default=None)
        dates = None if first is None else _date(first), None if last is None else _date(last)
        volumes = [_sum(usd) for usd in zip(*(each.usd for each in known), strict=True)]
        return {
            "data_start": dates[0],
            "data_end": dates[1],
            "data_trade_start": dates[0],
            "data_trade_end": dates[1],
            "volume_1hrs_usd": volumes[0],
            "volume_1day_usd": volumes[1],
            "volume_1mth_usd": volumes[2],
        }


def _sum(parts: Sequence[int | None]) -> Number | None:
    """Parts of US dollars as an amount; None where one is not known."""
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return Number(significant(total, _USD, _VOLUME_DIGITS)) if total > 0 else ZERO


def _today(market: Market) -> int:
    return market.now - market.now % DAY_NS


def _date(ns: int) -> str:
    year, month, day = date_of(ns // DAY_NS)
    return f"{year:04d}-{month:02d}-{day:02d}"


@lru_cache(maxsize=8)
def _catalog_at(view: View, minute: int, listed: int) -> Catalog:
    return Catalog(view)


def catalog(view: View) -> Catalog:
    """The objects of this minute of the tape, shared by all who ask in it."""
    market = view.market
    return _catalog_at(view, market.now // MINUTE_NS, market.listed)
