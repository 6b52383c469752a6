"""The parameters of a request: every one is text here, however it came, and is checked when it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from tickwire.dialects.binance.errors import BinanceError
from tickwire.errors import InvalidInput
from tickwire.model.units import ASSET_DECIMALS, asset_units

T = TypeVar("T")

NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
CLIENT_ORDER_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_ZONE = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")
SYMBOLS_MAX = 100
"""Symbols of one request."""


class Params:
    """The parameters of one request.

    Every method raises `BinanceError`, which names the parameter.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """A parameter as it came; `default` where it was not sent."""
        value = self._values.get(name)
        if value is None:
            return default
        if not value:
            raise BinanceError(-1105, name)
        return value

    def required(self, name: str) -> str:
        """A parameter that must be sent."""
        value = self._values.get(name)
        if not value:
            raise BinanceError(-1102, name)
        return value

    def integer(self, name: str, default: int, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number within bounds."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(INTEGER, text):
            raise BinanceError(-1100, name, INTEGER)
        if not low <= int(text) <= high:
            raise BinanceError(-1130, name)
        return int(text)

    def optional(self, name: str) -> int | None:
        """A whole number; None where none was sent."""
        return self.integer(name, 0) if name in self else None

    def limit(self, default: int, high: int) -> int:
        """How many rows are wanted: more than there may be are as many as there may be."""
        return min(self.integer("limit", default, 1), high)

    def span(self) -> tuple[int | None, int | None]:
        """`startTime` and `endTime`, milliseconds or microseconds, in ns."""
        start, end = self._time("startTime"), self._time("endTime")
        if start is not None and end is not None and start > end:
            raise BinanceError(-1128)
        if end is not None and self.integer("endTime", 0) < 10**14:
            end += 999_999  # the whole of that millisecond
        return start, end

    def _time(self, name: str) -> int | None:
        if name not in self:
            return None
        value = self.integer(name, 0, high=10**17)
        return value * (1_000 if value >= 10**14 else 1_000_000)

    def zone(self) -> int:
        """`timeZone` as ns ahead of UTC: "8", "-3:30", from -12:00 to +14:00 in quarters of an hour, as all clocks are
        set: days of any other would have to be made of single minutes."""
        text = self.text("timeZone")
        if not text:
            return 0
        found = _ZONE.fullmatch(text)
        if found is None:
            raise BinanceError(-1130, "timeZone")
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        minutes = -minutes if found[1] == "-" else minutes
        if minutes % 15 or not -12 * 60 <= minutes <= 14 * 60:
            raise BinanceError(-1130, "timeZone")
        return minutes * 60 * 10**9

    def number(self, name: str) -> str:
        """A decimal that must be sent, of no more decimals than assets have."""
        text = self.required(name)
        if not re.fullmatch(NUMBER, text):
            raise BinanceError(-1100, name, NUMBER)
        if len(text.partition(".")[2].rstrip("0")) > ASSET_DECIMALS:
            raise BinanceError(-1111, name)
        return text

    def amount(self, name: str) -> int:
        """A decimal amount of an asset that must be sent and be more than 0, in units of the asset."""
        text = self.number(name)
        try:
            amount = asset_units(text, name)
        except InvalidInput:
            raise BinanceError(-1130, name) from None
        if not amount:
            raise BinanceError(-1130, name)
        return amount

    def choice(self, name: str, choices: Mapping[str, T], number: int = -1130) -> T:
        """One of some words that must be sent, and what it stands for.

        Args:
            number: the error for any other word.
        """
        text = self.required(name)
        if text not in choices:
            raise BinanceError(number, name) if number == -1130 else BinanceError(number)
        return choices[text]

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        text = self.text(name).lower()
        if text not in ("", "true", "false"):
            raise BinanceError(-1130, name)
        return text == "true" if text else default

    def client_order_id(self, name: str) -> str:
        """An id that the client made up; "" where none was sent."""
        text = self.text(name)
        if text and not re.fullmatch(CLIENT_ORDER_ID, text):
            raise BinanceError(-1100, name, CLIENT_ORDER_ID)
        return text

    def names(self, name: str) -> list[str]:
        """A JSON array of different words; none where none was sent."""
        text = self.text(name)
        if not text:
            return []
        try:
            names = msgspec.json.decode(text, type=list[str])
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise BinanceError(-1135, text=f"JSON sent for parameter '{name}' is not valid") from None
        if len(names) > SYMBOLS_MAX:
            raise BinanceError(-1101, SYMBOLS_MAX, len(names))
        if len(set(names)) < len(names):
            raise BinanceError(-1151)
        return names

    def not_with(self, name: str, *others: str) -> None:
        """A parameter that can't be sent together with others."""
        if name in self._values and any(other in self._values for other in others):
            raise BinanceError(-1128)

    def check_names(self, known: tuple[str, ...], *, common: frozenset[str], strict: int) -> None:
        """Refuse what nothing would read.

        Args:
            known: the operation's own names. common: those of every operation.
            strict: the error, -1103 or -1104; an operation without parameters has -1101.
        """
        sent = [name for name in self._values if name not in common]
        unknown = [name for name in sent if name not in known]
        if not unknown:
            return
        if not known:
            raise BinanceError(-1101, 0, len(sent))
        named = ", ".join(f"'{name[:36]}'" for name in unknown[:10])
        if strict == -1103:
            raise BinanceError(-1103, text=f"An unknown parameter was sent. ({named})")
        total = len(self._values)
        read = BinanceError(-1104, total - len(unknown), total)
        raise BinanceError(-1104, text=f"{read.message} ({named})")
