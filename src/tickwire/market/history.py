"""What can be asked about the past: the closed candles that a server keeps."""

from __future__ import annotations

from typing import Protocol

from tickwire.model.events import Candle


class History(Protocol):
    """Closed candles, by symbol and interval. `tickwire.tape.candles` has the store."""

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        """Closed candles with `start` <= their start < `end`, oldest first.

        Args:
            interval: a name of `CANDLE_INTERVALS_NS`.
            start, end: ns since the epoch.
            limit: how many at most. newest: these are the newest ones of the range, else its oldest.
        """
        ...


class NoHistory:
    """A history of nothing."""

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        """None."""
        return []
