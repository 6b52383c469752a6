"""What was looked up and made not long ago, so that codecs which differ only in form share the work."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.market.window import MINUTE_NS
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle, Tick
from tickwire.model.instrument import Instrument

ANSWERS_MAX = 8_192
"""Answers of the history that are remembered: the klines and windows of a thousand streams, 20 MB. At the bound all are
forgotten."""

T = TypeVar("T")


class Memory:
    """A `History` that asks another one only once a minute: no candle of a minute or longer closes within one.

    Args:
        market: whose history it is.
    """

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history
        self._minute = -1
        self._answers: dict[Hashable, tuple[Instrument, tuple[Candle, ...]]] = {}
        self._tick: Tick | None = None
        self._made: dict[Hashable, object] = {}

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        """See `History.candles`."""
        if CANDLE_INTERVALS_NS[interval] < MINUTE_NS:
            return self._history.candles(symbol, interval, start=start, end=end, limit=limit, newest=newest)
        minute = self._market.now // MINUTE_NS
        if minute != self._minute or len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
            self._minute = minute
        question = symbol, interval, start, end, limit, newest
        instrument = self._market.listing(symbol).instrument
        known = self._answers.get(question)
        if known is None or known[0] is not instrument:  # one that is listed anew may count in other steps
            found = self._history.candles(symbol, interval, start=start, end=end, limit=limit, newest=newest)
            known = self._answers[question] = instrument, tuple(found)
        return list(known[1])

    def once(self, tick: Tick, what: Hashable, make: Callable[[], T]) -> T:
        """What is made at a tick, made for the first who asks for it.

        Args:
            tick: the very event that a clock stream says; nothing happens while its codecs are asked.
            what: is made. It must tell apart all that `make` depends on.
        """
        if tick is not self._tick:
            self._tick, self._made = tick, {}
        if what not in self._made:
            self._made[what] = make()
        return cast(T, self._made[what])
