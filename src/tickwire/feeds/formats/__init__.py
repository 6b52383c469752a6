"""The formats of recorded data, by name. A new one is a module with a parser and a row here."""

from __future__ import annotations

from tickwire.feeds.formats.base import Format
from tickwire.feeds.formats.binance import Binance
from tickwire.feeds.formats.coinbase import Coinbase
from tickwire.feeds.formats.independent_reserve import IndependentReserve
from tickwire.feeds.formats.kraken import Kraken
from tickwire.feeds.formats.lean import Equity, Fx
from tickwire.feeds.formats.tickwire import Tickwire

FORMATS: dict[str, type[Format]] = {
    "binance": Binance,
    "coinbase": Coinbase,
    "equity": Equity,
    "fx": Fx,
    "independent_reserve": IndependentReserve,
    "kraken": Kraken,
    "tickwire": Tickwire,
}
