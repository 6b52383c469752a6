"""What is said at an interval of the tape's clock: candles, exchange rates, metadata, and the legacy summaries.

The codecs look the market up when the clock ticks. Like all of them they keep nothing: what is new follows from the
time of the tick before. What a client may choose is a symbol and a period, or a pair of assets: so many streams as the
market has, which all clients share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tickwire.dialects.candles import SECOND_NS
from tickwire.dialects.coinapi.codecs import NamedCodec, encode, framed, quote_message, trade_message
from tickwire.dialects.coinapi.exrates import Exrate, prices
from tickwire.dialects.coinapi.ids import symbol_id
from tickwire.dialects.coinapi.messages import (
    ExrateMessage,
    Number,
    OhlcvMessage,
    SymbolVolume,
    TickerMessage,
    VolumeMessage,
)
from tickwire.dialects.coinapi.metadata import catalog
from tickwire.dialects.coinapi.ohlcv import Candles
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.times import iso_time
from tickwire.dialects.coinapi.view import View
from tickwire.model.channel import StreamKey
from tickwire.model.events import Event, Tick
from tickwire.protocol.codec import TEXT, frame

OPEN_EVERY_NS = 5 * SECOND_NS
"""Between two messages about a period that is still open."""


@dataclass(frozen=True)
class TimedCodec(NamedCodec):
    """What one subject's messages are at a moment.

    Args:
        subject: a symbol, an asset, a pair of assets or an exchange.
    """

    subject: str

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """See `tickwire.streams.log.Codec`."""
        return b"".join(self._news(tick) for tick in events[-1:] if isinstance(tick, Tick))

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """How things stand."""
        return b"".join(self._all(Tick("", seq, ts)))

    def _news(self, tick: Tick) -> bytes:
        return b"".join(self._all(tick))

    def _all(self, tick: Tick) -> Iterator[bytes]:
        raise NotImplementedError


@dataclass(frozen=True)
class OhlcvCodec(TimedCodec):
    """Candles of a period of a symbol: when they close, and every 5 s while they are open and had a trade meanwhile.

    Their `sequence` is the number of the tick, so that it never falls over all periods of a symbol.
    """

    candles: Candles
    period_id: str

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        """A client would wait for a candle's close for ever."""
        return None

    def _news(self, tick: Tick) -> bytes:
        period = PERIODS[self.period_id].period
        traded, start = self._traded, period.start_of(tick.before)
        if traded < start:
            return b""
        frames = []
        if period.after(start) <= tick.ts:
            frames += self._frame(start, tick)
        newest, said = period.start_of(tick.ts), tick.before - tick.before % OPEN_EVERY_NS
        if tick.ts - said >= OPEN_EVERY_NS and traded >= max(said, newest):
            frames += self._frame(newest, tick)
        return b"".join(frames)

    def _all(self, tick: Tick) -> Iterator[bytes]:
        yield from self._frame(PERIODS[self.period_id].period.start_of(tick.ts), tick)

    @property
    def _traded(self) -> int:
        recent = self.candles.market.listing(self.subject).recent
        return recent[-1].ts if recent else 0

    def _frame(self, start: int, tick: Tick) -> list[bytes]:
        message = self.candles.message(self.subject, self.period_id, start, tick.seq)
        return [] if message is None else [framed(message)]


@dataclass(frozen=True)
class ExrateCodec(TimedCodec):
    """The rate of a pair, `BTC/USD`, or of an asset in the currency that it has a price in, `BTC`."""

    view: View

    def _all(self, tick: Tick) -> Iterator[bytes]:
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

    view: View
    data_type: str

    def _all(self, tick: Tick) -> Iterator[bytes]:
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

    view: View

    def _all(self, tick: Tick) -> Iterator[bytes]:
        listing, of = self.view.market.listing(self.subject), catalog(self.view)
        instrument = listing.instrument
        for period_id, traded in zip(("1HRS", "1DAY", "1MTH"), of.traded(listing), strict=True):
            if traded is None:  # it is being looked up
                continue
            row = SymbolVolume(
                symbol_id(instrument),
                instrument.base,
                instrument.quote,
                Number(instrument.size.format(traded.volume)),
                Number(instrument.notional.format(traded.quote_volume)),
            )
            yield framed(VolumeMessage(period_id, iso_time(tick.ts), [row]))


@dataclass(frozen=True)
class TickerCodec(TimedCodec):
    """The last quote, trade and candles of a symbol, when any of them is new."""

    view: View
    candles: Candles

    def _news(self, tick: Tick) -> bytes:
        listing = self.view.market.listing(self.subject)
        traded = listing.recent[-1].ts if listing.recent else 0
        return super()._news(tick) if max(traded, listing.quote.ts) >= tick.before else b""

    def _all(self, tick: Tick) -> Iterator[bytes]:
        view, listing = self.view, self.view.market.listing(self.subject)
        quote, trade, instrument = listing.quote, listing.recent[-1] if listing.recent else None, listing.instrument
        quoted = view.sees("quotes", self.subject) and not quote.bid is quote.ask is None
        candles: list[OhlcvMessage | None] = [None] * len(_TICKER_PERIODS)
        if trade is not None and view.sees("candles", self.subject):
            candles = [
                self.candles.message(self.subject, period_id, PERIODS[period_id].period.start_of(trade.ts), tick.seq)
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
