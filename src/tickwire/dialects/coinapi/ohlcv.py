"""The candles of the vendor's periods, as they stand while the periods go on."""

from __future__ import annotations

from typing import NamedTuple

from tickwire.dialects.candles import merged
from tickwire.dialects.coinapi.ids import SEQUENCES, symbol_id
from tickwire.dialects.coinapi.messages import Number, OhlcvMessage
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.dialects.coinapi.times import iso_time
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument

CLOSED_MAX = 44_032
"""Periods of symbols of which the closed part is remembered: all those of a thousand symbols, 30 MB. Beyond it the one
that has not changed for longest is forgotten, and read anew."""

_BASES = {period_id: named.period.base[:2] for period_id, named in PERIODS.items()}


class _Closed(NamedTuple):
    """What a period of an instrument came to from `start` to `end`: None where there was no trade."""

    instrument: Instrument
    start: int
    end: int
    candle: Candle | None


class Candles:
    """The newest candle of each period of each symbol.

    What of it is closed is read from the history once; after that only what closes is.
    """

    def __init__(self, market: Market, history: History) -> None:
        self.market = market
        self._history = history
        self._closed: dict[tuple[str, str], _Closed] = {}  # the one that changed last is the last

    def message(self, symbol: str, period_id: str, start: int, sequence: int) -> OhlcvMessage | None:
        """The period that begins at `start`, not later than now, as it stands; None where there was no trade in it."""
        instrument, end = self.market.listing(symbol).instrument, PERIODS[period_id].period.after(start)
        candle = self._candle(instrument, period_id, start, end)
        if candle is None:
            return None
        price = instrument.price.format
        return OhlcvMessage(
            symbol_id(instrument),
            sequence % SEQUENCES,
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

    def _candle(self, instrument: Instrument, period_id: str, start: int, end: int) -> Candle | None:
        length, interval = _BASES[period_id]
        now = self.market.now
        opened_at = now - now % length
        closed = self._until(instrument, period_id, start, min(opened_at, end))
        if opened_at >= end:
            return closed
        opened = self.market.view(StreamKey("candles", instrument.symbol, interval=interval))
        assert opened is None or isinstance(opened, Candle)
        return merged([closed, opened], start, end, now) if closed and opened else closed or opened

    def _until(self, instrument: Instrument, period_id: str, start: int, end: int) -> Candle | None:
        """What the base candles of [start, end), all of them closed, come to."""
        key = instrument.symbol, period_id
        known = self._closed.get(key)
        if known is None or known.start != start or known.end > end or known.instrument is not instrument:
            known = _Closed(instrument, start, start, None)
        if known.end < end:
            length, interval = _BASES[period_id]
            limit = (end - known.end) // length
            parts = self._history.candles(instrument.symbol, interval, start=known.end, end=end, limit=limit)
            if known.candle is not None:
                parts.insert(0, known.candle)
            known = _Closed(instrument, start, end, merged(parts, start, end, self.market.now) if parts else None)
            self._closed.pop(key, None)
            self._closed[key] = known
            if len(self._closed) > CLOSED_MAX:
                del self._closed[next(iter(self._closed))]
        return known.candle
