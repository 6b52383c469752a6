"""Which instruments a client's filters let through.

Symbols and exchanges widen each other: what either names is in. Assets narrow: of that, only what has to do with them.
A filter that is not given says nothing; where none is, everything is in. Case does not matter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from tickwire.dialects.coinapi.ids import index_id, native_id, symbol_id
from tickwire.dialects.coinapi.messages import ClientMessage
from tickwire.errors import InvalidInput
from tickwire.model.instrument import Instrument

_EXACT = "$"
_PAIR = "/"


@dataclass(frozen=True)
class Filter:
    """A client's filters, in upper case. Equal ones let the same through.

    Attributes:
        names: symbol ids, native ids (`BTC-USD`) and index ids.
        prefixes: beginnings of symbol ids and index ids, sorted, none of them the beginning of another.
        exchanges: exchange ids.
        assets: what is on either side of an instrument; pairs: (base, quote).
    """

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    exchanges: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()

    @property
    def size(self) -> int:
        """How many things it names."""
        return sum(map(len, (self.names, self.prefixes, self.exchanges, self.assets, self.pairs)))

    def matches(self, instrument: Instrument) -> bool:
        """Whether an instrument is let through."""
        if (self.names or self.prefixes or self.exchanges) and not self._names(instrument):
            return False
        base, quote = instrument.base.upper(), instrument.quote.upper()
        named = self.assets or self.pairs
        return not named or base in self.assets or quote in self.assets or (base, quote) in self.pairs

    def matches_asset(self, asset: str) -> bool:
        """Whether an asset of an instrument that is let through is meant itself."""
        asset = asset.upper()
        named = self.assets or self.pairs
        return not named or asset in self.assets or any(asset in pair for pair in self.pairs)

    def _names(self, instrument: Instrument) -> bool:
        if instrument.venue.upper() in self.exchanges:
            return True
        ids = [symbol_id(instrument).upper()]
        if instrument.asset_class == "index":
            ids.append(index_id(instrument).upper())
        if not self.names.isdisjoint((*ids, native_id(instrument).upper())):
            return True
        return any(self._begins(each) for each in ids)

    def _begins(self, text: str) -> bool:
        """Whether a prefix is the beginning of a text: that could only be the last one that does not sort after it."""
        at = bisect_right(self.prefixes, text)
        return at > 0 and text.startswith(self.prefixes[at - 1])


def filter_of(message: ClientMessage, *, exact: bool) -> Filter:
    """The filters of a message.

    Args:
        exact: symbols are whole names, else they are prefixes unless they end in `$`.

    Raises:
        InvalidInput: an asset is neither an asset nor a pair.
    """
    names, prefixes = set(), set()
    for text in (message.subscribe_filter_symbol_id or []) + (message.subscribe_filter_index_id or []):
        names.add(text.removesuffix(_EXACT).upper())
        if not exact and not text.endswith(_EXACT):
            prefixes.add(text.upper())
    assets, pairs = set(), set()
    for asset in asset_names(message):
        base, is_pair, quote = asset.partition(_PAIR)
        if is_pair:
            pairs.add((base, quote))
        else:
            assets.add(base)
    return Filter(
        frozenset(names),
        _shortest(prefixes),
        frozenset(each.upper() for each in message.subscribe_filter_exchange_id or []),
        frozenset(assets),
        frozenset(pairs),
    )


def _shortest(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Those of which no other is the beginning, sorted."""
    shortest: list[str] = []
    for each in sorted(prefixes):
        if not shortest or not each.startswith(shortest[-1]):
            shortest.append(each)
    return tuple(shortest)


def asset_names(message: ClientMessage) -> list[str]:
    """The assets (`BTC`) and pairs (`BTC/USD`) that a message names, in upper case, each once.

    Raises:
        InvalidInput: one is neither.
    """
    field = "subscribe_filter_asset_id"
    names = dict.fromkeys(each.upper() for each in message.subscribe_filter_asset_id or [])
    for name in names:
        parts = name.split(_PAIR)
        if len(parts) > 2 or not all(parts):
            raise InvalidInput(f"{name[:50]!r} must be an asset, BTC, or a pair of them, BTC/USD", field=field)
    return list(names)
