"""What a client has asked for, and which streams of the hub that is.

A message becomes a *rule*: data types and filters. A rule picks *topics*: a data type of one symbol, asset, pair or
exchange; of candles, one period. A topic is one stream, read by one codec. When instruments are listed later, the rules
say what of them the client wants: the last one that lets a topic through decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tickwire.dialects.coinapi.codecs import EventCodec
from tickwire.dialects.coinapi.exrates import prices
from tickwire.dialects.coinapi.filters import Filter, asset_names, filter_of
from tickwire.dialects.coinapi.messages import ClientMessage
from tickwire.dialects.coinapi.ohlcv import Candles
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.timed import ExrateCodec, MetadataCodec, OhlcvCodec, TickerCodec, VolumeCodec
from tickwire.dialects.coinapi.view import View
from tickwire.errors import InvalidInput
from tickwire.model.channel import CLOCK, StreamKey
from tickwire.model.instrument import Instrument
from tickwire.streams.log import Codec

CHANNELS = {
    "trade": "trades",
    "quote": "quotes",
    "book": "book",
    "book5": "book",
    "book20": "book",
    "book50": "book",
    "book_l3": "book_l3",
    "ohlcv": "candles",
    "volume": "ticker",
    "ticker": "ticker",
    "index": "rates",
}
"""The data types that belong to a symbol, and the channel that it must have and the client may see."""
METADATA = ("symbol", "asset", "exchange")
DATA_TYPES = (*CHANNELS, "exrate", *METADATA)

INTERVALS_MS = (100, 250, 500, 1_000, 5_000, 10_000, 30_000, 60_000)
"""What an update limit is rounded up to: a short list, so that clients share streams."""
METADATA_MS = 60_000
"""Between two times that metadata and volumes are sent."""
RULES_MAX = 100
"""Rules of a session: a hello begins anew with one. Each is looked at for every instrument that is listed later."""
NAMED_MAX = 4_096
"""Symbols, assets and exchanges that the filters of a session's rules may name together."""


EXRATES_MAX = 256
"""Rates that a session's rules may name together: of all data types this alone has more streams than a multiple of the
market's instruments, one for any two assets."""


class Flavour(NamedTuple):
    """One of the vendor's market-data services.

    Attributes:
        data_types: those that a message means which names none; none where it must.
        exact: the symbol filter has whole ids, no prefixes.
    """

    data_types: tuple[str, ...] = ()
    exact: bool = False


class Topic(NamedTuple):
    """A data type of one subject; of `ohlcv`, one period."""

    data_type: str
    subject: str
    period_id: str = ""


class Rule(NamedTuple):
    """What one message is about.

    Attributes:
        exrates: assets and pairs whose rates it means.
        periods: of `ohlcv`.
    """

    data_types: tuple[str, ...]
    filter: Filter
    exrates: tuple[str, ...]
    periods: tuple[str, ...]


class Limits(NamedTuple):
    """Least time between two messages of a topic, ms; 0 for none."""

    quote_ms: int = 0
    book_ms: int = 0
    exrate_ms: int = 0

    def changed_by(self, message: ClientMessage) -> Limits:
        """These, but for those that a message gives.

        Raises:
            InvalidInput: one is negative or longer than a minute.
        """
        return Limits(
            _interval(message.subscribe_update_limit_ms_quote, "subscribe_update_limit_ms_quote") or self.quote_ms,
            _interval(message.subscribe_update_limit_ms_book_snapshot, "subscribe_update_limit_ms_book_snapshot")
            or self.book_ms,
            _interval(message.subscribe_update_limit_ms_exrate, "subscribe_update_limit_ms_exrate") or self.exrate_ms,
        )


def _interval(ms: int | None, field: str) -> int:
    if not ms:
        return 0
    if not 0 < ms <= INTERVALS_MS[-1]:
        raise InvalidInput(f"it must be from 0 to {INTERVALS_MS[-1]} ms", field=field)
    return next(interval for interval in INTERVALS_MS if interval >= ms)


def rule_of(message: ClientMessage, flavour: Flavour) -> Rule:
    """What a message asks for, checked.

    Raises:
        InvalidInput: `field` names what is missing or wrong.
    """
    data_types = frozenset(message.subscribe_data_type or flavour.data_types)
    field = "subscribe_data_type"
    if not data_types:
        raise InvalidInput("is required", field=field)
    if "fillings" in data_types:
        raise InvalidInput("this server has no source of SEC filings, so there are no fillings", field=field)
    for each in data_types.difference(DATA_TYPES):
        raise InvalidInput(f"there is no data type {each[:50]!r}; there are {', '.join(DATA_TYPES)}", field=field)
    periods = frozenset(each.upper() for each in message.subscribe_filter_period_id or ()) or frozenset(PERIODS)
    for each in periods.difference(PERIODS):
        text = f"there is no period {each[:50]!r}; there are {', '.join(PERIODS)}"
        raise InvalidInput(text, field="subscribe_filter_period_id")
    exrates = tuple(asset_names(message) if "exrate" in data_types else ())
    if "exrate" in data_types and not exrates:
        raise InvalidInput("is required for exrate", field="subscribe_filter_asset_id")
    in_order = tuple(each for each in DATA_TYPES if each in data_types)
    in_length = tuple(each for each in PERIODS if each in periods)
    return Rule(in_order, filter_of(message, exact=flavour.exact), exrates, in_length)


def topics(rule: Rule, view: View, instruments: Iterable[Instrument]) -> Iterator[Topic]:
    """What a rule picks; some of it more than once."""
    if rule.exrates:
        listed = frozenset(prices(view).assets)
        for name in rule.exrates:
            if listed.issuperset(name.split("/")):
                yield Topic("exrate", name)
    for instrument in instruments:
        if rule.filter.matches(instrument):
            yield from _topics(rule, view, instrument)


def picked_of(wanted: Iterable[Topic], rule: Rule, view: View) -> Iterator[Topic]:
    """What a rule picks of some topics; it may pick more, but looks at no symbol that is not among them."""
    shared = tuple(each for each in ("asset", "exchange") if each in rule.data_types)
    subjects = {topic.subject: None for topic in wanted if topic.data_type not in ("exrate", "asset", "exchange")}
    yield from topics(rule, view, [view.market.listing(symbol).instrument for symbol in subjects])
    if shared and any(topic.data_type in shared for topic in wanted):
        yield from topics(rule._replace(data_types=shared, exrates=()), view, view.market.instruments)


def _topics(rule: Rule, view: View, instrument: Instrument) -> Iterator[Topic]:
    symbol = instrument.symbol
    for data_type in rule.data_types:
        if data_type == "index" and instrument.asset_class != "index":
            continue
        channel = _channel(data_type, instrument)
        if channel not in instrument.channels or not view.sees(channel, symbol):
            continue
        if data_type == "ohlcv":
            for period_id in rule.periods:
                yield Topic(data_type, symbol, period_id)
        else:
            yield Topic(data_type, symbol)
    if any(view.sees(channel, symbol) for channel in instrument.channels):
        if "symbol" in rule.data_types:
            yield Topic("symbol", symbol)
        if "exchange" in rule.data_types:
            yield Topic("exchange", instrument.venue)
        if "asset" in rule.data_types and instrument.asset_class != "index":
            for asset in (instrument.base, instrument.quote):
                if rule.filter.matches_asset(asset):
                    yield Topic("asset", asset)


def _channel(data_type: str, instrument: Instrument) -> str:
    if data_type == "book_l3" and instrument.book == "levels":
        return "book"
    return CHANNELS.get(data_type, "")


def stream(topic: Topic, view: View, candles: Candles, limits: Limits) -> tuple[StreamKey, Codec]:
    """The stream of a topic, and what it is read by."""
    data_type, subject, period_id = topic
    market = view.market
    if data_type == "ohlcv":
        return _clock(1_000), OhlcvCodec(subject, candles, period_id)
    if data_type == "exrate":
        return _clock(max(1_000, limits.exrate_ms)), ExrateCodec(subject, view)
    if data_type in METADATA:
        return _clock(METADATA_MS), MetadataCodec(subject, view, data_type)
    if data_type == "volume":
        return _clock(METADATA_MS), VolumeCodec(subject, view)
    if data_type == "ticker":
        return _clock(1_000), TickerCodec(subject, view, candles)
    codec = EventCodec(market, data_type)
    if data_type == "quote":
        return StreamKey("quotes", subject, interval_ms=limits.quote_ms), codec
    if data_type in _DEPTHS:
        depth, least_ms = _DEPTHS[data_type]
        return StreamKey("book", subject, depth=depth, interval_ms=max(least_ms, limits.book_ms)), codec
    return StreamKey(_channel(data_type, market.listing(subject).instrument), subject), codec


_DEPTHS = {"book5": (5, 0), "book20": (20, 1_000), "book50": (50, 1_000)}
"""Levels of a side, and the least time between two messages in ms."""


def _clock(interval_ms: int) -> StreamKey:
    return StreamKey(CLOCK, "", interval_ms=interval_ms)
