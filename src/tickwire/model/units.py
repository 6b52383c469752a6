"""Exact conversion between decimal strings (the wire) and integer ticks or lots (everywhere else)."""

from __future__ import annotations

from functools import lru_cache

from tickwire.errors import InvalidNumber

DIGITS_MAX = 40
"""Digits of a number from outside: twice what any price or size needs, and cheap to convert."""

UNITS_MAX = 10**18
"""Steps of one price or size: what fits the 64 bits of the tape's encoding."""

FORMATTED_MAX = 4_096
"""Strings that a scale remembers: the prices and sizes near the top of a book come again and again."""


ASSET_DECIMALS = 18
"""Every asset is counted in 10^-18 of itself: the finest that venues and chains settle in, so that the value of
any order of any instrument is a whole number of units."""


def _parts(text: str) -> tuple[str, str] | None:
    """The digits before and after the point of an unsigned plain decimal; None for anything else."""
    whole, dot, fraction = text.partition(".")
    if not (whole + fraction).isdigit() or not text.isascii() or not whole or (dot and not fraction):
        return None
    return whole, fraction


class Scale:
    """A step such as a tick size "0.01" or a lot size "0.00001", and the integers that count it.

    Args:
        step: a positive decimal string without exponent. Its trailing zeros are kept: a step of
            "0.0100" prints with four decimals.

    A value is `n * step` for an integer `n`; `n` is what the core calculates with.
    """

    __slots__ = ("decimals", "divisor", "format", "step", "units")

    def __init__(self, step: str) -> None:
        parts = _parts(step)
        if parts is None:
            raise InvalidNumber(f"step {step!r} is not a plain decimal such as 0.01", field="step")
        whole, fraction = parts
        if len(whole) + len(fraction) > DIGITS_MAX:
            raise InvalidNumber(f"a step has at most {DIGITS_MAX} digits", field="step")
        self.step = step
        self.decimals = len(fraction)
        self.divisor: int = 10**self.decimals
        self.units = int(whole + fraction)
        """The step in units of its own last decimal: 1 for "0.01", 25 for "0.25"."""
        if self.units == 0:
            raise InvalidNumber("a step must be more than zero", field="step")
        self.format = lru_cache(maxsize=FORMATTED_MAX)(self._format)
        """The decimal string of a number of steps, always with the step's number of decimals."""

    def parse(self, text: str, field: str = "price") -> int:
        """The integer `n` with `n * step == text`.

        Args:
            text: a decimal string, optionally signed with "-", without exponent or spaces.
            field: what to call it in the error.

        Raises:
            InvalidNumber: malformed, not a whole multiple of the step, or more than `UNITS_MAX` steps.
        """
        whole, _, fraction = text.partition(".")
        plain = whole + fraction
        # nearly all are written like this, and need no more than this
        if self.units == 1 and whole and len(fraction) == self.decimals > 0 and len(plain) < 18:  # noqa: SIM102
            if plain.isdigit() and plain.isascii():
                return int(plain)
        negative = text.startswith("-")
        parts = _parts(text[1:] if negative else text)
        if parts is None:
            raise InvalidNumber(f"{field} {text!r} is not a plain decimal number", field=field)
        whole, fraction = parts
        digits = len(whole) + len(fraction)
        decimals = self.decimals
        if len(fraction) > decimals:
            if fraction[decimals:].strip("0"):
                raise InvalidNumber(f"{field} {text} is not a multiple of {self.step}", field=field)
            fraction = fraction[:decimals]
        elif len(fraction) < decimals:
            fraction += "0" * (decimals - len(fraction))
        if digits > DIGITS_MAX:
            raise InvalidNumber(f"{field} has more than {DIGITS_MAX} digits", field=field)
        value = int(whole + fraction)
        if self.units != 1:
            value, rest = divmod(value, self.units)
            if rest:
                raise InvalidNumber(f"{field} {text} is not a multiple of {self.step}", field=field)
        if value > UNITS_MAX:
            raise InvalidNumber(f"{field} {text} is more than {self.format(UNITS_MAX)}", field=field)
        return -value if negative else value

    def _format(self, n: int) -> str:
        if not self.decimals:
            return str(n * self.units)
        whole, fraction = divmod(abs(n) * self.units, self.divisor)
        return f"{'-' if n < 0 else ''}{whole}.{fraction:0{self.decimals}d}"


@lru_cache(maxsize=4096)
def scale(step: str) -> Scale:
    """The shared `Scale` of a step; the number of different steps in use is small."""
    return Scale(step)


def asset_units(text: str, field: str = "amount") -> int:
    """A decimal amount of an asset in its units.

    Raises:
        InvalidNumber: malformed, finer than 10^-18 or longer than 40 digits.
    """
    parts = _parts(text.removeprefix("-"))
    if parts is None:
        raise InvalidNumber(f"{field} {text!r} is not a plain decimal number", field=field)
    whole, fraction = parts
    if len(fraction) > ASSET_DECIMALS or len(whole) + len(fraction) > DIGITS_MAX:
        raise InvalidNumber(
            f"{field} has more than {ASSET_DECIMALS} decimals or more than {DIGITS_MAX} digits", field=field
        )
    units: int = int(whole) * 10**ASSET_DECIMALS + int((fraction or "0").ljust(ASSET_DECIMALS, "0"))
    return -units if text.startswith("-") else units


def asset_text(units: int) -> str:
    """An amount of an asset as an exact decimal without trailing zeros."""
    whole, fraction = divmod(abs(units), 10**ASSET_DECIMALS)
    decimals = f"{fraction:0{ASSET_DECIMALS}d}".rstrip("0")
    return f"{'-' if units < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
