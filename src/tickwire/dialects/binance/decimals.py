"""Numbers as the venue spells them: with eight decimals at least. There are clients that compare them as text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from tickwire.model.instrument import Instrument
from tickwire.model.units import asset_text, scale

DECIMALS = 8
STEPS_MAX = 1_024
"""Triples of steps that are remembered: instruments have a few between them."""


class Formats(NamedTuple):
    """Decimal strings of one instrument's prices (ticks), sizes (lots) and amounts (ticks x lots)."""

    price: Callable[[int], str]
    size: Callable[[int], str]
    notional: Callable[[int], str]


def formats(instrument: Instrument) -> Formats:
    """How an instrument's numbers are spelled."""
    return _formats(instrument.tick_size, instrument.lot_size)


@lru_cache(maxsize=STEPS_MAX)
def _formats(tick_size: str, lot_size: str) -> Formats:
    price, size = scale(padded(tick_size)), scale(padded(lot_size))
    decimals = price.decimals + size.decimals
    digits = f"{price.units * size.units:0{decimals + 1}d}"
    exact = f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0")
    return Formats(price.format, size.format, scale(padded(exact)).format)


def amount(units: int) -> str:
    """An amount of an asset, from its units."""
    return padded(asset_text(units))


def padded(text: str) -> str:
    """A decimal with eight decimals at least."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(DECIMALS, '0')}"
