"""What somebody may see of the market. Views that show the same are equal, so that what is made of them is shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tickwire.dialects.base import Services
from tickwire.market.history import History
from tickwire.market.listing import Listing
from tickwire.market.market import Market
from tickwire.model.identity import Identity

_EVERYTHING = Identity("", "", frozenset())


@dataclass(frozen=True)
class View:
    """The market and its past, as far as an identity is entitled to them.

    Attributes:
        entitled: an identity of which nothing but the entitlements is left.
    """

    market: Market
    history: History
    entitled: Identity = _EVERYTHING

    @classmethod
    def of(cls, services: Services, identity: Identity | None) -> View:
        """What a caller sees. Without an identity, everything: whether that may be is asked before."""
        entitled = _EVERYTHING
        if identity is not None:
            entitled = _EVERYTHING._replace(channels=identity.channels, symbols=identity.symbols)
        return cls(services.market, services.history, entitled)

    def sees(self, channel: str, symbol: str) -> bool:
        """Whether a public channel of a symbol may be seen."""
        return self.entitled.may_see(channel, symbol)

    def listings(self) -> Iterator[Listing]:
        """The instruments of which any channel may be seen, in the order of listing."""
        for instrument in self.market.instruments:
            if any(self.sees(channel, instrument.symbol) for channel in instrument.channels):
                yield self.market.listing(instrument.symbol)
