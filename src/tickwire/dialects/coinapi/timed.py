"""What is said at an interval of the tape's clock: candles, exchange rates, metadata, and the legacy summaries.

The codecs look the market up when the clock ticks. Like all of them they keep nothing: what is new follows from the
time of the tick before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

from tickwire.dialects.candles import DAY_NS, SECOND_NS, candle_at
from tickwire.dialects.coinapi.codecs import QuietCodec, encode, framed, quote_message, trade_message
from tickwire.dialects.coinapi.exrates import Exrate, prices
from tickwire.dialects.coinapi.ids import SEQUENCES, symbol_id
from tickwire.dialects.coinapi.messages import (
    ExrateMessage,
    Number,
    OhlcvMessage,
    SymbolVolume,
    TickerMessage,
    VolumeMessage,
)
from tickwire.dialects.coinapi.metadata import HOUR_NS, MONTH_NS, catalog
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.times import iso_time
from tickwire.dialects.coinapi.view import View
from tickwire.market.listing import Listing
from tickwire.model.channel import StreamKey
from tickwire.model.events import Candle, Event, Tick
from tickwire.model.instrument import Instrument
from tickwire.protocol.codec import TEXT, frame

OPEN_EVERY_NS = 5 * SECOND_NS
"""Between two messages about a period that is still open."""
ALL_PERIODS = frozenset(PERIODS)
_PAST_KEPT = 4_096

T = TypeVar("T")


@dataclass(frozen=True)
class TimedCodec(QuietCodec):
    """What one subject's messages are at a moment.

    Args:
        subject: a symbol, an asset, a pair of assets or an exchange.
    """

    view: View
    subject: str

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        return b"".join(self._news(tick) for tick in events[-1:] if isinstance(tick, Tick))

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """How things stand."""
        return b"".join(self._all(ts))

    def _news(self, tick: Tick) -> bytes:
        return b"".join(self._all(tick.ts))

    def _all(self, ts: int) -> Iterator[bytes]:
        raise NotImplementedError


@dataclass(frozen=True)
class OhlcvCodec(TimedCodec):
    """Candles of a symbol: when they close, and every 5 s while they are open and had a trade meanwhile."""

    periods: frozenset[str] = ALL_PERIODS

    def _news(self, tick: Tick) -> bytes:
        listing, now = self.view.market.listing(self.subject), tick.ts
        mark = now - now % OPEN_EVERY_NS
        traded = listing.recent[-1].ts if listing.recent else 0
        frames = []
        for period_id, named in PERIODS.items():
            if period_id not in self.periods:
                continue
            start = named.period.start_of(tick.before)
            end = named.period.after(start)
            if end <= now:
                frames += self._frame(listing, period_id, start, traded)
            if mark > tick.before and traded >= mark - OPEN_EVERY_NS:
                frames += self._frame(listing, period_id, named.period.start_of(now), traded)
        return b"".join(frames)

    def _all(self, ts: int) -> Iterator[bytes]:
        listing = self.view.market.listing(self.subject)
        for period_id, named in PERIODS.items():
            if period_id in self.periods:
                yield from self._frame(listing, period_id, named.period.start_of(ts), ts)

    def _frame(self, listing: Listing, period_id: str, start: int, traded: int) -> list[bytes]:
        """The message about the period that begins then; none where there was no trade in it."""
        message = ohlcv_message(self.view, listing, period_id, start) if traded >= start else None
        return [] if message is None else [framed(message)]


def ohlcv_message(view: View, listing: Listing, period_id: str, start: int) -> OhlcvMessage | None:
    """A period of a symbol as it stands; None where there was no trade in it."""
    end = PERIODS[period_id].period.after(start)
    today = view.market.now - view.market.now % DAY_NS
    instrument, symbol = listing.instrument, listing.symbol
    if end - start > DAY_NS and start < today < end:
        past, present = _past(view, instrument, start, today), candle_at(view.market, view.history, symbol, today, end)
        candle = _joined(past, present) if past and present else past or present
    else:
        candle = candle_at(view.market, view.history, symbol, start, end)
    if candle is None:
        return None
    price = instrument.price.format
    return OhlcvMessage(
        symbol_id(instrument),
        candle.seq % SEQUENCES,
        period_id,
        iso_time(start),
        iso_time(end),
        iso_time(candle.first_ts),
        iso_time(candle.last_ts),
        Number(price(candle.open)),
        Number(price(candle.high)),
        Number(price(candle.low)),
        Number(price(candle.close)),
        Number(instrument.size.format(candle.volume)),
        candle.trades,
    )


@lru_cache(maxsize=_PAST_KEPT)
def _past(view: View, instrument: Instrument, start: int, end: int) -> Candle | None:
    """Whole days that are over: a year of them need not be read again every 5 s."""
    return candle_at(view.market, view.history, instrument.symbol, start, end)


def _joined(past: Candle, present: Candle) -> Candle:
    return msgspec.structs.replace(
        present,
        open=past.open,
        high=max(past.high, present.high),
        low=min(past.low, present.low),
        volume=past.volume + present.volume,
        trades=past.trades + present.trades,
        first_ts=past.first_ts,
    )


@dataclass(frozen=True)
class ExrateCodec(TimedCodec):
    """The rate of a pair, `BTC/USD`, or of an asset in the currency that it has a price in, `BTC`."""

    def _all(self, ts: int) -> Iterator[bytes]:
        base, is_pair, quote = self.subject.partition("/")
        market = prices(self.view)
        rate = market.rate(base, quote) if is_pair else market.reference(base)
        if rate is not None:
            yield framed(exrate_message(rate))


def exrate_message(rate: Exrate) -> ExrateMessage:
    """A rate."""
    return ExrateMessage(
        rate.asset_id_base, rate.asset_id_quote, rate.rate_type, iso_time(rate.time), Number(rate.rate)
    )


@dataclass(frozen=True)
class MetadataCodec(TimedCodec):
    """An exchange, an asset or a symbol.

    Args:
        data_type: which of them, as the messages say.
    """

    data_type: str

    def _all(self, ts: int) -> Iterator[bytes]:
        of = catalog(self.view)
        if self.data_type == "symbol":
            shown: msgspec.Struct | None = of.symbol(self.view.market.listing(self.subject).instrument)
        else:
            shown = of.exchange(self.subject) if self.data_type == "exchange" else of.asset(self.subject)
        if shown is not None:
            yield frame(TEXT, b'{"type":"%s",%s' % (self.data_type.encode(), encode(shown)[1:]))


@dataclass(frozen=True)
class VolumeCodec(TimedCodec):
    """What was traded of a symbol in the last hour, day and month."""

    def _all(self, ts: int) -> Iterator[bytes]:
        listing, of = self.view.market.listing(self.subject), catalog(self.view)
        instrument = listing.instrument
        for period_id, length in (("1HRS", HOUR_NS), ("1DAY", DAY_NS), ("1MTH", MONTH_NS)):
            traded = of.traded(listing, length)
            row = SymbolVolume(
                symbol_id(instrument),
                instrument.base,
                instrument.quote,
                Number(instrument.size.format(traded.volume)),
                Number(instrument.notional.format(traded.quote_volume)),
            )
            yield framed(VolumeMessage(period_id, iso_time(ts), [row]))


@dataclass(frozen=True)
class TickerCodec(TimedCodec):
    """The last quote, trade and candles of a symbol, when any of them is new."""

    def _news(self, tick: Tick) -> bytes:
        listing = self.view.market.listing(self.subject)
        traded = listing.recent[-1].ts if listing.recent else 0
        return super()._news(tick) if max(traded, listing.quote.ts) >= tick.before else b""

    def _all(self, ts: int) -> Iterator[bytes]:
        view, listing = self.view, self.view.market.listing(self.subject)
        quote, trade, instrument = listing.quote, listing.recent[-1] if listing.recent else None, listing.instrument
        quoted = view.sees("quotes", self.subject) and not quote.bid is quote.ask is None
        candles: list[OhlcvMessage | None] = [None] * len(_TICKER_PERIODS)
        if trade is not None and view.sees("candles", self.subject):
            candles = [
                ohlcv_message(view, listing, period_id, PERIODS[period_id].period.start_of(trade.ts))
                for period_id in _TICKER_PERIODS
            ]
        yield framed(
            TickerMessage(
                symbol_id(instrument),
                quote_message(instrument, quote) if quoted else None,
                trade_message(instrument, trade) if trade is not None and view.sees("trades", self.subject) else None,
                *candles,
            )
        )


_TICKER_PERIODS = ("5SEC", "15SEC", "1MIN", "5MIN", "15MIN")
