"""Binance spot: the combined stream's frames, with the REST depth snapshot among them.

A line is `<received, ns> <frame>`, a file holds one symbol and is named for it: `btcusdt_20240808.gz`. The
snapshot joins the diffs by the venue's rule: diffs with `u` up to its `lastUpdateId` are in it already, the
first one after has `U <= lastUpdateId + 1 <= u`, from there on each `U` is the `u` before it plus one.
Source: Binance Spot API documentation, "How to manage a local order book correctly".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tickwire.errors import FeedError
from tickwire.feeds.formats.base import (
    INT64_MAX,
    Count,
    Format,
    LevelText,
    Line,
    Milliseconds,
    Steps,
    decoded,
    mirrored,
)
from tickwire.model.instrument import Instrument
from tickwire.model.records import Record, VenueBookSnapshot, VenueBookUpdate, VenueQuote, VenueTrade

_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "JPY")
_TICK_SIZES = {"BTCUSDT": "0.01"}
"""The venue's published tick sizes. Of any other symbol, as of every size, all eight decimals of the wire are
kept: sizes are not always whole lots (BTCUSDT trades in 0.00001, and 25.42618900 rests on its book)."""
_ALL_DECIMALS = "0.00000001"

_PENDING_MAX = 10_000
"""Diffs kept until the snapshot, which takes a second; ten a second come."""


class _Frame(msgspec.Struct, frozen=True):
    """A stream's frame or, without `stream`, the REST snapshot."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    lastUpdateId: Count | None = None
    bids: list[LevelText] = []
    asks: list[LevelText] = []


class _Diff(msgspec.Struct, frozen=True, rename={"event_ms": "E", "first_id": "U", "last_id": "u"}):
    s: str
    event_ms: Milliseconds
    first_id: Count
    last_id: Count
    b: list[LevelText]
    a: list[LevelText]


class _Trade(msgspec.Struct, frozen=True):
    s: str
    t: Count
    p: str
    q: str
    T: Milliseconds
    m: bool


class _BookTicker(msgspec.Struct, frozen=True):
    s: str
    b: str
    B: str
    a: str
    A: str


_FRAME = msgspec.json.Decoder(_Frame)
_DIFF = msgspec.json.Decoder(_Diff)
_TRADE = msgspec.json.Decoder(_Trade)
_BOOK_TICKER = msgspec.json.Decoder(_BookTicker)


class _Market:
    """One symbol's book, as far as its joining needs."""

    __slots__ = ("joined", "last_id", "pending", "steps")

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.pending: list[_Diff] = []
        self.last_id: int | None = None
        """of the snapshot, then of the newest diff"""
        self.joined = False


class Binance(Format):
    """`Format` of Binance spot. Streams other than depth, trade and bookTicker are passed over."""

    holds = "Binance spot combined-stream frames, one symbol a file (btcusdt_20240808.gz)"
    files = ("*_[0-9]*",)

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        super().__init__(feed, sources)
        self._markets: dict[str, _Market] = {}
        for source in sources:
            symbol = _venue_symbol(source)
            if symbol not in self._markets:
                instrument = _instrument(symbol, feed)
                self.instruments.append(instrument)
                self._markets[symbol] = _Market(Steps(instrument))
        self._of_source = {source: _venue_symbol(source) for source in sources}

    @staticmethod
    def open_line(source: str, number: int, raw: bytes) -> Line:
        stamp, _, body = raw.partition(b" ")
        if not stamp.isdigit() or len(stamp) > 19 or (at_ns := int(stamp)) > INT64_MAX:
            raise FeedError("expected '<nanoseconds> <frame>'")
        return Line(at_ns, source, number, "", body)

    def records(self, line: Line) -> list[Record]:
        symbol = self._of_source[line.source]
        market = self._markets[symbol]
        frame = decoded(_FRAME, line.body, "a combined-stream frame or a depth snapshot")
        if not frame.stream:
            return _snapshot(market, frame)
        stream = frame.stream.split("@")[1:2]
        if stream == ["depth"]:
            diff = decoded(_DIFF, frame.data, "a depthUpdate")
            _check_symbol(diff.s, symbol)
            return _diff(market, diff)
        if stream == ["trade"]:
            trade = decoded(_TRADE, frame.data, "a trade")
            _check_symbol(trade.s, symbol)
            return [_trade(market.steps, trade)]
        if stream == ["bookTicker"]:
            ticker = decoded(_BOOK_TICKER, frame.data, "a bookTicker")
            _check_symbol(ticker.s, symbol)
            return [_quote(market.steps, ticker)]
        return []


def _venue_symbol(source: str) -> str:
    return source.rsplit("/", 1)[-1].partition("_")[0].upper()


def _instrument(symbol: str, feed: str) -> Instrument:
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return mirrored(
                feed,
                "BINANCE",
                symbol.removesuffix(quote),
                quote,
                tick_size=_TICK_SIZES.get(symbol, _ALL_DECIMALS),
                lot_size=_ALL_DECIMALS,
            )
    raise FeedError(
        f"a recording of Binance is named for its symbol, e.g. btcusdt_20240808.gz; {symbol!r} is none: "
        f"it must end in one of {', '.join(_QUOTES)}"
    )


def _check_symbol(got: str, expected: str) -> None:
    if got != expected:
        raise FeedError(f"expected only {expected}, as the file's name has it, got {got!r}")


def _snapshot(market: _Market, frame: _Frame) -> list[Record]:
    last_id = frame.lastUpdateId
    if last_id is None:
        raise FeedError("expected a frame with `stream` or a depth snapshot with `lastUpdateId`")
    if market.last_id is not None and last_id <= market.last_id:
        return []  # older than the book already is
    steps = market.steps
    records: list[Record] = [
        VenueBookSnapshot(symbol=steps.symbol, bids=steps.levels(frame.bids), asks=steps.levels(frame.asks))
    ]
    market.last_id, market.joined = last_id, False
    pending, market.pending = market.pending, []
    for diff in pending:
        records += _diff(market, diff)
    return records


def _diff(market: _Market, diff: _Diff) -> list[Record]:
    if market.last_id is None:
        if len(market.pending) == _PENDING_MAX:
            raise FeedError(f"expected a depth snapshot within {_PENDING_MAX} diffs")
        market.pending.append(diff)
        return []
    following = market.last_id + 1
    if diff.first_id > diff.last_id:
        raise FeedError(f"expected U up to u, got {diff.first_id} and {diff.last_id}")
    if not market.joined:
        if diff.last_id < following:
            return []  # in the snapshot already
        if diff.first_id > following:
            raise FeedError(
                f"gap: expected the diff that holds update {following}, got {diff.first_id} to {diff.last_id}"
            )
    elif diff.first_id != following:
        raise FeedError(f"gap: expected a diff from update {following} on, got {diff.first_id} to {diff.last_id}")
    market.last_id, market.joined = diff.last_id, True
    steps = market.steps
    return [
        VenueBookUpdate(
            symbol=steps.symbol,
            bids=steps.levels(diff.b),
            asks=steps.levels(diff.a),
            ts_event=diff.event_ms * 1_000_000,
        )
    ]


def _trade(steps: Steps, trade: _Trade) -> VenueTrade:
    return VenueTrade(
        symbol=steps.symbol,
        trade_id=str(trade.t),
        price=steps.ticks(trade.p),
        size=steps.lots(trade.q, least=1),
        side="sell" if trade.m else "buy",  # m: the buyer was the maker
        ts_event=trade.T * 1_000_000,
    )


def _quote(steps: Steps, ticker: _BookTicker) -> VenueQuote:
    bid_size, ask_size = steps.lots(ticker.B), steps.lots(ticker.A)
    return VenueQuote(  # an empty side comes as zeros
        symbol=steps.symbol,
        bid=steps.ticks(ticker.b) if bid_size else None,
        bid_size=bid_size,
        ask=steps.ticks(ticker.a) if ask_size else None,
        ask_size=ask_size,
    )
