"""Instruments: what is traded, where, and in which steps of price and size."""

from __future__ import annotations

from typing import Literal

import msgspec

from tickwire.errors import InvalidInput, InvalidNumber
from tickwire.model.units import Scale, scale

AssetClass = Literal["crypto", "fx", "equity", "index", "future"]
Kind = Literal["matched", "mirrored"]
BookDetail = Literal["orders", "levels", "none"]


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing at one venue.

    Args:
        venue: short upper-case name, `SIM`, `BINANCE`.
        base: what one lot is a quantity of, `BTC`, `EUR`, `IBM`.
        quote: what the price is in, `USDT`, `USD`.
        asset_class: for grouping and for which extra streams it has (`fx` has `rates`).
        tick_size: smallest step of the price, a decimal string.
        lot_size: smallest step of the size, a decimal string.
        kind: `matched` by our engine, or `mirrored` from a venue's feed.
        book: what is known of its book: every order, level totals, or nothing but quotes.
        feed: name of the feed that drives it; its liveness is the instrument's feed status. "" for none.

    Raises:
        InvalidInput: a part of the symbol, a step, or a book that does not go with the kind; `field` names it.
    """

    venue: str
    base: str
    quote: str
    asset_class: AssetClass
    tick_size: str
    lot_size: str
    kind: Kind
    book: BookDetail = "levels"
    feed: str = ""

    def __post_init__(self) -> None:
        for field in ("venue", "base", "quote"):
            part = getattr(self, field)
            if not part or not part.isascii() or not part.replace("_", "").replace(".", "").isalnum():
                raise InvalidInput(f"{field} {part!r} must be letters, digits, '.' or '_'", field=field)
        for field in ("tick_size", "lot_size"):
            try:
                scale(getattr(self, field))
            except InvalidNumber as error:
                raise InvalidNumber(f"{field}: {error.message}", field=field) from None
        if self.kind == "matched" and self.book != "orders":
            raise InvalidInput('a matched instrument has book "orders"', field="book")

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that can be subscribed to for this instrument."""
        book = {"orders": ("book", "book_l3"), "levels": ("book",), "none": ()}[self.book]
        rates = ("rates",) if self.asset_class in ("fx", "index") else ()
        return ("trades", *book, "quotes", "candles", "ticker", *rates, "status")

    @property
    def symbol(self) -> str:
        """`VENUE:BASE-QUOTE`, the name used on the wire."""
        return f"{self.venue}:{self.base}-{self.quote}"

    @property
    def price(self) -> Scale:
        """Converts prices: decimal strings to ticks and back."""
        return scale(self.tick_size)

    @property
    def size(self) -> Scale:
        """Converts sizes: decimal strings to lots and back."""
        return scale(self.lot_size)

    @property
    def notional(self) -> Scale:
        """Formats price x size: integers in ticks x lots."""
        price, size = self.price, self.size
        units, decimals = price.units * size.units, price.decimals + size.decimals
        digits = f"{units:0{decimals + 1}d}"
        return scale(f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)

    @property
    def rate(self) -> Scale:
        """Formats rates: integers in tenths of a tick, so that the middle of a bid and an ask is exact."""
        price = self.price
        digits = f"{price.units:0{price.decimals + 2}d}"
        return scale(f"{digits[: -price.decimals - 1]}.{digits[-price.decimals - 1 :]}")
