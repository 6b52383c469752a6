"""Instruments: what is traded, where, and in which steps of price and size."""

from __future__ import annotations

from typing import Literal

import msgspec

from tickwire.errors import InvalidInput, InvalidNumber
from tickwire.model.units import ASSET_DECIMALS, Scale, scale

AssetClass = Literal["crypto", "fx", "equity", "index", "future"]
Kind = Literal["matched", "mirrored"]
BookDetail = Literal["orders", "levels", "none"]

MILLIONTHS = scale("0.000001")


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
        maker_fee, taker_fee: part of the quote amount, "0.001" is ten basis points; at most six decimals. The maker's
            may be negative (a rebate), but not below the taker's negated.
        price_band: how far from the last trade (before the first: the middle of the book) a price may be, as a part
            of it: "0.1" is ten percent. "" for any.
        size_max: of one order, a decimal string. "" for any.
        notional_min, notional_max: of one order, price x size. "" for any.

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
    maker_fee: str = "0"
    taker_fee: str = "0"
    price_band: str = ""
    size_max: str = ""
    notional_min: str = ""
    notional_max: str = ""

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
        if self.kind == "matched" and self.price.decimals + self.size.decimals > ASSET_DECIMALS:
            text = f"tick_size and lot_size may have {ASSET_DECIMALS} decimals together, or amounts would be rounded"
            raise InvalidInput(text, field="tick_size")
        for field in ("maker_fee", "taker_fee", "price_band"):
            if getattr(self, field):
                MILLIONTHS.parse(getattr(self, field), field)
        for field, unit in (("size_max", self.size), ("notional_min", self.notional), ("notional_max", self.notional)):
            if getattr(self, field):
                unit.parse(getattr(self, field), field)
        if not -1_000_000 < self.taker_fee_ppm < 1_000_000 or not -self.taker_fee_ppm <= self.maker_fee_ppm < 1_000_000:
            raise InvalidInput(
                "fees must be below 1, and a maker's rebate not above the taker's fee", field="maker_fee"
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that can be subscribed to for this instrument."""
        book = {"orders": ("book", "book_l3"), "levels": ("book",), "none": ()}[self.book]
        rates = ("rates",) if self.asset_class in ("fx", "index") else ()
        return ("trades", *book, "quotes", "candles", "ticker", *rates, "status")

    @property
    def maker_fee_ppm(self) -> int:
        """The maker's fee in millionths."""
        return MILLIONTHS.parse(self.maker_fee, "maker_fee")

    @property
    def taker_fee_ppm(self) -> int:
        """The taker's fee in millionths."""
        return MILLIONTHS.parse(self.taker_fee, "taker_fee")

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
