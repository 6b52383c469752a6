"""The dialects that there are."""

from __future__ import annotations

from tickwire.dialects.base import Dialect
from tickwire.dialects.binance.dialect import Binance
from tickwire.dialects.coinapi.dialect import CoinApi


def all_dialects() -> dict[str, Dialect]:
    """A new one of each, by its name: they keep what they know of a server's clients."""
    dialects: list[Dialect] = [Binance(), CoinApi()]
    return {dialect.name: dialect for dialect in dialects}
