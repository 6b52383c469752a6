"""How this vendor names things: symbols, indexes, trades and orders. All names follow from the tape alone, so that
every replica and every run gives the same ones."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

from tickwire.errors import UnknownSymbol
from tickwire.limits import INSTRUMENTS_MAX
from tickwire.market.market import Market
from tickwire.model.events import Trade
from tickwire.model.instrument import Instrument

SEQUENCES = 2**32
"""Clients hold a `sequence` in 32 bits, so it counts modulo this."""

_KINDS = {"index": "IDX", "future": "PERP"}
_GUIDS_MAX = 16_384
"""Orders whose GUID is remembered: one that rests is named again when it ends."""
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def symbol_id(instrument: Instrument) -> str:
    """`VENUE_SPOT_BASE_QUOTE`; an index is `VENUE_IDX_BASE`, a future `VENUE_PERP_BASE_QUOTE`."""
    kind = _KINDS.get(instrument.asset_class, "SPOT")
    if kind == "IDX":
        return f"{instrument.venue}_IDX_{instrument.base}"
    return f"{instrument.venue}_{kind}_{instrument.base}_{instrument.quote}"


def native_id(instrument: Instrument) -> str:
    """The symbol as the exchange has it: `BTC-USD`."""
    return f"{instrument.base}-{instrument.quote}"


def index_id(instrument: Instrument) -> str:
    """The name of an index, `IDX_` and its base: `IDX_REFRATE_PRIMKT_BTC_USD`."""
    return f"IDX_{instrument.base}"


def find_instrument(market: Market, text: str) -> Instrument | None:
    """The instrument with this symbol id; None when there is none."""
    if "_IDX_" in text:
        return next((each for each in market.instruments if symbol_id(each) == text), None)
    for kind in ("SPOT", "PERP"):
        venue, _, assets = text.partition(f"_{kind}_")
        parts = assets.split("_")
        for cut in range(1, len(parts)):  # an asset's name may have a "_" as well
            try:
                found = market.listing(f"{venue}:{'_'.join(parts[:cut])}-{'_'.join(parts[cut:])}").instrument
            except UnknownSymbol:
                continue
            if symbol_id(found) == text:
                return found
    return None


def trade_uuid(trade: Trade) -> str:
    """The UUID of a trade, in the form of version 4: its symbol, hashed, its time in ms, its number in its stream."""
    return f"{_symbol_digits(trade.symbol)}-{_time_digits(trade.ts // 1_000_000)}-{trade.seq:012X}"


@lru_cache(maxsize=64)
def _time_digits(ms: int) -> str:
    return f"{ms >> 24 & 0xFFFF:04X}-4{ms >> 12 & 0xFFF:03X}-8{ms & 0xFFF:03X}"


@lru_cache(maxsize=INSTRUMENTS_MAX)
def _symbol_digits(symbol: str) -> str:
    return guid(symbol)[:8]


@lru_cache(maxsize=_GUIDS_MAX)
def order_guid(symbol: str, order_id: str) -> str:
    """The GUID of an order on a book: the venue's own if that is one, else the id hashed."""
    return order_id.upper() if _GUID.fullmatch(order_id) else guid(f"order {symbol} {order_id}")


def guid(text: str) -> str:
    """A text, hashed, in the form of a UUID of version 4 (RFC 9562, section 5.4)."""
    digits = blake2b(text.encode(), digest_size=16).hexdigest().upper()
    variant = "89AB"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
