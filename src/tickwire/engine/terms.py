"""What an order costs and what a rule forbids, per instrument: amounts, fees, holds and limits. Pure arithmetic."""

from __future__ import annotations

from tickwire.model.instrument import MILLIONTHS, Instrument
from tickwire.model.outcome import Refused
from tickwire.model.records import Side
from tickwire.model.units import ASSET_DECIMALS

MILLION = 1_000_000


class Terms:
    """The terms of one instrument, in integers.

    Attributes:
        lot_value: units of the base asset in a lot.
        notional_value: units of the quote asset in a tick x lot.
        maker_ppm, taker_ppm: fees in millionths of the quote amount.
    """

    __slots__ = (
        "_band_ppm",
        "_hold_ppm",
        "_instrument",
        "_notional_max",
        "_notional_min",
        "_size_max",
        "lot_value",
        "maker_ppm",
        "notional_value",
        "taker_ppm",
    )

    def __init__(self, instrument: Instrument) -> None:
        price, size = instrument.price, instrument.size
        self._instrument = instrument
        self.lot_value: int = size.units * 10 ** (ASSET_DECIMALS - size.decimals)
        self.notional_value: int = price.units * size.units * 10 ** (ASSET_DECIMALS - price.decimals - size.decimals)
        self.maker_ppm = instrument.maker_fee_ppm
        self.taker_ppm = instrument.taker_fee_ppm
        self._hold_ppm = max(self.maker_ppm, self.taker_ppm, 0)
        self._band_ppm = MILLIONTHS.parse(instrument.price_band) if instrument.price_band else None
        self._size_max = size.parse(instrument.size_max) if instrument.size_max else None
        notional = instrument.notional
        self._notional_min = notional.parse(instrument.notional_min) if instrument.notional_min else None
        self._notional_max = notional.parse(instrument.notional_max) if instrument.notional_max else None

    def fee(self, amount: int, ppm: int) -> int:
        """The fee on a quote amount, rounded towards zero: the sum over parts never exceeds the fee on the whole."""
        return amount * ppm // MILLION if ppm >= 0 else -(amount * -ppm // MILLION)

    def pays(self, side: Side) -> str:
        """The asset that an order of this side pays with."""
        return self._instrument.quote if side == "buy" else self._instrument.base

    def hold(self, side: Side, size: int, cost: int) -> int:
        """Units that an order can take at most of the asset it pays with: of a buy its cost (ticks x lots) with the
        fee, of a sale its size (lots)."""
        if side == "sell":
            return size * self.lot_value
        amount = cost * self.notional_value
        return amount + amount * self._hold_ppm // MILLION

    def band(self, reference: int | None) -> tuple[int, int] | None:
        """The lowest and the highest price allowed, in ticks; None where there is no band or nothing to go by."""
        if self._band_ppm is None or reference is None:
            return None
        width = reference * self._band_ppm // MILLION
        return max(1, reference - width), reference + width

    def refusal(self, size: int, price: int | None, reference: int | None) -> Refused | None:
        """Which limit of the instrument an order breaks, if any.

        Args:
            size: lots. price: limit in ticks; None is valued at the reference and always within the band.
            reference: the market's price in ticks, None where there is none.
        """
        i = self._instrument
        if self._size_max is not None and size > self._size_max:
            text = f"size {i.size.format(size)} is above {i.symbol}'s largest, {i.size_max}"
            return Refused("size_too_large", text, "size")
        band = self.band(reference)
        if price is not None and band is not None and not band[0] <= price <= band[1]:
            low, high = map(i.price.format, band)
            text = f"price {i.price.format(price)} is outside {low} to {high}, {i.price_band} around the market"
            return Refused("price_out_of_band", text, "price")
        value = price if price is not None else reference
        if value is not None:
            cost = value * size
            if self._notional_min is not None and cost < self._notional_min:
                text = f"{i.notional.format(cost)} {i.quote} is below {i.symbol}'s least, {i.notional_min}"
                return Refused("notional_too_small", text, "size")
            if self._notional_max is not None and cost > self._notional_max:
                text = f"{i.notional.format(cost)} {i.quote} is above {i.symbol}'s most, {i.notional_max}"
                return Refused("notional_too_large", text, "size")
        return None
