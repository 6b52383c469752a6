"""What may be read of a market and by whom: instruments, snapshots and history, for sessions and for HTTP alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tickwire.errors import InvalidInput, UnknownSymbol
from tickwire.limits import SUBSCRIPTIONS_MAX, TRADES_KEPT_MAX
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey, stream_key
from tickwire.model.events import Candle, Status, Trade
from tickwire.model.identity import Identity, Scope
from tickwire.protocol.messages import (
    HistoryParams,
    HistoryResult,
    InstrumentInfo,
    InstrumentsParams,
    InstrumentsResult,
    SnapshotParams,
    StreamMessage,
    StreamParams,
)
from tickwire.protocol.params import TIME_MAX
from tickwire.protocol.render import Renderer, instrument_info
from tickwire.streams.hub import Hub


def permitted(identity: Identity | None, scope: Scope | None, field: str | None) -> Identity:
    """Who is logged in, if that has the scope.

    Args:
        field: of the request, to name in the error.

    Raises:
        InvalidInput: `not_logged_in` or `not_permitted`.
    """
    if identity is None:
        raise InvalidInput("this needs a login: call auth.login first", field=field, code="not_logged_in")
    if scope is not None:
        identity.check(scope, field)
    return identity


class Reader:
    """Answers whoever wants to read. `identity` is who is logged in, None for nobody.

    Args:
        market, hub, renderer, history: what there is to read.
        epoch: the tape's.
        require_key: without a login nothing may be seen.
    """

    def __init__(
        self, *, market: Market, hub: Hub, renderer: Renderer, history: History, epoch: str, require_key: bool
    ) -> None:
        self._market = market
        self._hub = hub
        self._renderer = renderer
        self._history = history
        self._epoch = epoch
        self._require_key = require_key

    def may_see(self, identity: Identity | None, channel: str, symbol: str) -> bool:
        """Whether a public channel of a symbol may be seen."""
        return not self._require_key if identity is None else identity.may_see(channel, symbol)

    # ---- methods ---------------------------------------------------------------------------------

    def instruments(self, params: InstrumentsParams, identity: Identity | None) -> InstrumentsResult:
        """`instruments`"""
        rows = []
        for instrument in self._market.instruments:
            if params.venue not in (None, instrument.venue) or params.asset_class not in (
                None,
                instrument.asset_class,
            ):
                continue
            row = self._instrument(instrument.symbol, identity)
            if row is not None:
                rows.append(row)
        return InstrumentsResult(rows)

    def instrument(self, symbol: str, identity: Identity | None) -> InstrumentInfo:
        """One row of `instruments`.

        Raises:
            UnknownSymbol: there is none, or none that may be seen.
        """
        self._market.listing(symbol)
        row = self._instrument(symbol, identity)
        if row is None:
            raise UnknownSymbol(symbol)
        return row

    def snapshot(self, params: SnapshotParams, identity: Identity | None) -> StreamMessage:
        """`snapshot`"""
        key = (
            self._private_key(params, identity, bool(params.symbol), "symbol")
            if params.channel in PRIVATE_CHANNELS
            else self._key(params, params.symbol, identity, "symbol")
        )
        event = self._hub.snapshot(key)
        seq = event.seq if event is not None else self._market.seq(key)
        ts = event.ts if event is not None else self._market.now
        message = self._renderer.message(key, event, kind="snapshot", seq=seq, ts=ts)
        return replace(message, epoch=self._epoch)

    def history(self, params: HistoryParams, identity: Identity | None) -> HistoryResult:
        """`history`"""
        start, end = params.start or 0, params.end or TIME_MAX
        asked = SnapshotParams(params.channel, params.symbol, interval=params.interval)
        key = self._key(asked, params.symbol, identity, "symbol")
        found: list[Candle] | list[Trade]
        if params.channel == "candles":
            found = self._history.candles(key.symbol, key.interval, start=start, end=end, limit=params.limit)
        else:
            newest = self._market.listing(key.symbol).newest_trades(TRADES_KEPT_MAX)
            found = [trade for trade in newest if start <= trade.ts < end][-params.limit :]
        message = self._renderer.message
        messages = [message(key, event, kind="update", seq=event.seq, ts=event.ts) for event in found]
        return HistoryResult(self._epoch, key.channel, key.symbol, self._market.seq(key), messages)

    # ---- streams ---------------------------------------------------------------------------------

    def keys(self, params: StreamParams, identity: Identity | None) -> list[StreamKey]:
        """The streams that a request names, each checked.

        Raises:
            InvalidInput: one is wrong, or may not be seen.
        """
        if params.channel in PRIVATE_CHANNELS:
            return [self._private_key(params, identity, bool(params.symbols), "symbols")]
        if not params.symbols:
            raise InvalidInput("symbols must name at least one instrument", field="symbols")
        if len(params.symbols) > SUBSCRIPTIONS_MAX:
            text = f"at most {SUBSCRIPTIONS_MAX} symbols in one request"
            raise InvalidInput(text, field="symbols", code="too_many_subscriptions")
        return [
            self._key(params, symbol, identity, f"symbols[{index}]")
            for index, symbol in enumerate(dict.fromkeys(params.symbols))
        ]

    def _private_key(
        self, params: StreamParams | SnapshotParams, identity: Identity | None, named: bool, field: str
    ) -> StreamKey:
        account = permitted(identity, "read", "channel").account
        if named:
            raise InvalidInput(f"{params.channel} takes no symbol: it is the account's", field=field)
        return stream_key(
            params.channel, account, depth=params.depth, interval_ms=params.interval_ms, interval=params.interval
        )

    def _key(
        self, params: StreamParams | SnapshotParams, symbol: str, identity: Identity | None, field: str
    ) -> StreamKey:
        key = stream_key(
            params.channel, symbol, depth=params.depth, interval_ms=params.interval_ms, interval=params.interval
        )
        if identity is not None:
            identity.check_entitled(channel=key.channel, symbol=symbol, field=field)
        try:
            instrument = self._market.listing(symbol).instrument
        except UnknownSymbol:
            raise UnknownSymbol(symbol, field=field) from None
        if key.channel not in instrument.channels:
            has = ", ".join(instrument.channels)
            raise InvalidInput(f"{symbol} has no {key.channel}; it has {has}", field="channel", code="not_available")
        return key

    def _instrument(self, symbol: str, identity: Identity | None) -> InstrumentInfo | None:
        """An instrument with the channels that may be seen, None where there are none."""
        instrument = self._market.listing(symbol).instrument
        channels = [channel for channel in instrument.channels if self.may_see(identity, channel, symbol)]
        if not channels:
            return None
        status = self._market.view(StreamKey("status", symbol))
        assert isinstance(status, Status)
        return replace(instrument_info(instrument, status), channels=channels)


READS: dict[str, tuple[type, Callable[[Reader, Any, Identity | None], Any]]] = {
    "instruments": (InstrumentsParams, Reader.instruments),
    "snapshot": (SnapshotParams, Reader.snapshot),
    "history": (HistoryParams, Reader.history),
}
"""The type of each method's parameters, and the method. None needs a login where no key is required."""
