"""Tick files of QuantConnect's LEAN: FX quotes, US equity quotes and trades.

A file is named for its day and symbol, `20131008_ibm_Quote_Tick.csv`, and lies in a zip archive. Times are
milliseconds since midnight, UTC for FX and New York for equities.

    fx quote       ms, bid, ask                                                  prices as they are
    equity quote   ms, bid, bid size, ask, ask size, exchange, condition, suspicious     prices x 10,000
    equity trade   ms, price, size, exchange, condition, suspicious                      prices x 10,000

Source: QuantConnect, LEAN Engine, "Data Format".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tickwire.errors import ConfigError, FeedError
from tickwire.feeds.formats.base import Format, Line, Steps, mirrored
from tickwire.model.instrument import Instrument
from tickwire.model.records import Record, VenueQuote, VenueTrade

_NEW_YORK = "America/New_York"
_MS_MAX = 25 * 3_600_000
"""A day that ends summer time has 25 hours."""


class _File(NamedTuple):
    """What a file's name tells."""

    ticker: str
    kind: str
    midnight_ns: int


@lru_cache(maxsize=512)
def _file(source: str, zone_name: str) -> _File:
    name = source.rsplit("/", 1)[-1].rpartition(".")[0].lower()
    date, _, rest = name.partition("_")
    ticker, _, kind = rest.partition("_")
    try:
        midnight = datetime.strptime(date, "%Y%m%d").replace(tzinfo=_zone(zone_name))
    except ValueError:
        midnight = None
    kind = {"quote_tick": "quote", "tick_quote": "quote", "trade_tick": "trade", "tick_trade": "trade"}.get(kind, "")
    if midnight is None or not 1970 < midnight.year < 2262 or not ticker or not kind:
        raise FeedError(
            f"{source}: a LEAN tick file is named for its day, symbol and kind, e.g. 20131008_ibm_Quote_Tick.csv"
        )
    return _File(ticker, kind, int(midnight.timestamp()) * 1_000_000_000)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        raise ConfigError(f"this machine does not know the time zone {name}; install the package tzdata") from None


def _open_line(source: str, number: int, raw: bytes, zone_name: str) -> Line:
    ms, _, rest = raw.partition(b",")
    if not ms.isdigit() or len(ms) > 8 or int(ms) > _MS_MAX:
        raise FeedError("expected a line that begins with milliseconds since midnight")
    return Line(_file(source, zone_name).midnight_ns + int(ms) * 1_000_000, source, number, "", rest)


class Fx(Format):
    """`Format` of FXCM's quotes. How much can be had at a price is not told: sizes are 0."""

    holds = "FXCM quotes in LEAN's tick files (eurusd_fxcm_20140508_quote.zip)"
    files = ("*.zip", "*.csv")

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        steps: dict[str, Steps] = {}
        for source in sources:
            file = _file(source, "UTC")
            pair = file.ticker.upper()
            if len(pair) != 6 or file.kind != "quote":
                raise FeedError(f"{source}: expected quotes of a pair, e.g. 20140508_eurusd_tick_quote.csv")
            if pair not in steps:
                instrument = mirrored(
                    feed,
                    "FXCM",
                    pair[:3],
                    pair[3:],
                    tick_size="0.00001",
                    lot_size="1",
                    asset_class="fx",
                    book="none",
                )
                self.instruments.append(instrument)
                steps[pair] = Steps(instrument)
        self._steps = {source: steps[_file(source, "UTC").ticker.upper()] for source in sources}

    @staticmethod
    def open_line(source: str, number: int, raw: bytes) -> Line:
        return _open_line(source, number, raw, "UTC")

    def records(self, line: Line) -> list[Record]:
        steps = self._steps[line.source]
        fields = line.body.split(b",")
        if len(fields) != 2:
            raise FeedError("expected ms, bid, ask")
        bid, ask = fields
        return [
            VenueQuote(
                symbol=steps.symbol,
                bid=steps.ticks(bid.decode("latin-1")),
                bid_size=0,
                ask=steps.ticks(ask.decode("latin-1")),
                ask_size=0,
                ts_event=line.at_ns,
            )
        ]


class Equity(Format):
    """`Format` of US equities. A tick is 0.0001, a lot one share. Quotes come a side at a time, the other zero."""

    holds = "US equity quotes and trades in LEAN's tick files (ibm_20131008_quote.zip, ibm_20131008_trade.zip)"
    files = ("*.zip", "*.csv")

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        instruments: dict[str, Instrument] = {}
        for source in sources:
            ticker = _file(source, _NEW_YORK).ticker.upper()
            instruments[ticker] = mirrored(
                feed, "NYSE", ticker, "USD", tick_size="0.0001", lot_size="1", asset_class="equity", book="none"
            )
        self.instruments = list(instruments.values())
        self._symbols = {source: instruments[_file(source, _NEW_YORK).ticker.upper()].symbol for source in sources}

    @staticmethod
    def open_line(source: str, number: int, raw: bytes) -> Line:
        return _open_line(source, number, raw, _NEW_YORK)

    def records(self, line: Line) -> list[Record]:
        symbol = self._symbols[line.source]
        fields = line.body.split(b",")
        # suspicious ones (LEAN leaves them out of its bars) are part of the recording like any other
        if fields[-1] not in (b"0", b"1"):
            raise FeedError("expected 0 or 1 (suspicious) as the last field")
        if _file(line.source, _NEW_YORK).kind == "quote":
            if len(fields) != 7:
                raise FeedError("expected ms, bid, bid size, ask, ask size, exchange, condition, suspicious")
            bid, ask = _count(fields[0], "bid"), _count(fields[2], "ask")
            return [
                VenueQuote(
                    symbol=symbol,
                    bid=bid or None,
                    bid_size=_count(fields[1], "bid size"),
                    ask=ask or None,
                    ask_size=_count(fields[3], "ask size"),
                    ts_event=line.at_ns,
                )
            ]
        if len(fields) != 5:
            raise FeedError("expected ms, price, size, exchange, condition, suspicious")
        price, size = _count(fields[0], "price"), _count(fields[1], "size")
        if not price or not size:
            raise FeedError(f"expected a price and a size above zero, got {price} and {size}")
        return [VenueTrade(symbol=symbol, trade_id=str(line.number), price=price, size=size, ts_event=line.at_ns)]


def _count(text: bytes, field: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise FeedError(f"expected a whole number as {field}, got {text[:20].decode('latin-1')!r}")
    return int(text)
