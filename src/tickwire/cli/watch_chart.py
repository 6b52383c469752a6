"""Candles drawn with characters: each row of text is two rows of the chart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

from tickwire.cli.watch_lines import DOWN, UP, Part, compact, filled, fitted, time_of_day
from tickwire.protocol.messages import CandleData

COLUMNS_PER_CANDLE = 2
NOTHING, WICK, BODY = 0, 1, 2
HALVES = (" ╷╻", "╵│╽", "╹╿┃")
"""HALVES[upper][lower]: the character whose upper and lower halves are nothing, wick or body."""


def candle_title(candles: Sequence[CandleData]) -> list[Part]:
    """The newest candle in words."""
    if not candles:
        return []
    candle = candles[-1]
    style = _style(candle)
    prices = f"O {candle.open}  H {candle.high}  L {candle.low}  C "
    counts = f"  V {compact(candle.volume)}  {candle.trades:,} trades"
    return [(f"  {time_of_day(candle.start)[:8]}  {prices}", ""), (candle.close, style), (counts, "")]


def candle_lines(candles: Sequence[CandleData], width: int, rows: int) -> list[Text]:
    """The newest candles that have room, the last one rightmost, with the highest, lowest and last price beside."""
    labels = max((len(price) for candle in candles for price in (candle.high, candle.low)), default=0)
    fitting = (width - labels - 1) // COLUMNS_PER_CANDLE
    shown = candles[-fitting:] if fitting > 0 else []
    if not shown:
        return filled([fitted([("no trade yet" if not candles else "no room", "dim")], width)], width, rows)
    high = max((candle.high for candle in shown), key=Decimal)
    low = min((candle.low for candle in shown), key=Decimal)
    last = shown[-1].close
    scale = _Scale(Decimal(low), Decimal(high), rows)
    names = {0: (high, "dim"), rows - 1: (low, "dim"), scale.half(last) // 2: (last, f"bold {_style(shown[-1])}")}
    lines = []
    for row in range(rows):
        parts: list[Part] = [(" " * COLUMNS_PER_CANDLE * (fitting - len(shown)), "")]
        for candle in shown:
            upper, lower = (scale.part(candle, half) for half in (2 * row, 2 * row + 1))
            parts.append((HALVES[upper][lower].ljust(COLUMNS_PER_CANDLE), _style(candle)))
        name, style = names.get(row, ("", ""))
        parts.append((f" {name:>{labels}}", style))
        lines.append(fitted(parts, width))
    return lines


class _Scale:
    """Where prices lie in a chart of `rows` rows: half rows from the top."""

    def __init__(self, low: Decimal, high: Decimal, rows: int) -> None:
        self._high = high
        self._range = high - low
        self._last = 2 * rows - 1

    def half(self, price: str) -> int:
        if not self._range:
            return self._last // 2
        return round((self._high - Decimal(price)) * self._last / self._range)

    def part(self, candle: CandleData, half: int) -> int:
        """What of the candle is in a half row."""
        ends = self.half(candle.open), self.half(candle.close)
        if min(ends) <= half <= max(ends):
            return BODY
        return WICK if self.half(candle.high) <= half <= self.half(candle.low) else NOTHING


def _style(candle: CandleData) -> str:
    return DOWN if Decimal(candle.close) < Decimal(candle.open) else UP
