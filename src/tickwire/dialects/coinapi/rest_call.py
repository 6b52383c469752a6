"""One request over HTTP: its parameters, each checked as it is asked for, and what may be answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from tickwire.dialects.candles import DAY_NS
from tickwire.dialects.coinapi.ids import find_instrument, native_id, symbol_id
from tickwire.dialects.coinapi.metadata import catalog
from tickwire.dialects.coinapi.periods import PERIODS, NamedPeriod
from tickwire.dialects.coinapi.times import parse_iso_time
from tickwire.dialects.coinapi.view import View
from tickwire.errors import InvalidInput
from tickwire.market.listing import Listing
from tickwire.model.instrument import Instrument

LIMIT_DEFAULT, LIMIT_MAX = 100, 100_000
"""The vendor's bounds of `limit`."""
ITEMS_MAX = 2_000
"""Items of one answer, whatever `limit` says: some 20 ms of work. Who wants more asks on from the last one's time."""
ITEMS_PER_REQUEST = 100
"""So many items of an answer count as one request."""
LEVELS_MAX = 1_000
"""Levels of a side of a book in one answer: what the native protocol shows at most."""
TIME_MAX = 2**63 - 1


class RestError(Exception):
    """What is answered instead: an HTTP status and words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def query_of(text: str) -> dict[str, str]:
    """The parameters of a query by name; of one that is given twice, the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


class NoData(RestError):
    """There is no such single thing: the vendor has a status of its own for it, 550."""

    def __init__(self, message: str) -> None:
        super().__init__(550, message)


class NotYet(Exception):
    """What is asked for is being looked up: ask again in a later moment of the tape."""


@dataclass(frozen=True)
class Call:
    """A request for market data.

    Attributes:
        view: what the caller may see.
        names: what the path names. query: its parameters.
        asset_classes: of the instruments that there are behind this path; none means all.
        bill: counts items that are about to be answered; raises `RateLimited`.
    """

    view: View
    names: Mapping[str, str]
    query: Mapping[str, str]
    asset_classes: Collection[str] = ()
    bill: Callable[[int], None] = lambda _: None

    def charge(self, items: int, field: str = "limit") -> None:
        """Count items before they are made.

        Args:
            field: with which fewer can be asked for.

        Raises:
            InvalidInput: they are more than one answer may hold, or (`rate_limited`) than may be asked for now.
        """
        if items > ITEMS_MAX:
            raise InvalidInput(f"there are {items}; name those that you want, at most {ITEMS_MAX}", field=field)
        self.bill(items)

    # ---- parameters ------------------------------------------------------------------------------

    def flag(self, name: str) -> bool:
        """A parameter that is true or false."""
        text = self.query.get(name, "").lower()
        if text not in ("", "true", "false", "1", "0"):
            raise InvalidInput(f"{name} must be true or false", field=name)
        return text in ("true", "1")

    def listed(self, name: str) -> list[str]:
        """A parameter with several names, separated by commas or semicolons, in upper case."""
        return [part.strip().upper() for part in self.query.get(name, "").replace(";", ",").split(",") if part.strip()]

    def limit(self) -> int:
        """How many items are wanted, `ITEMS_MAX` at most."""
        return min(self._count("limit", LIMIT_DEFAULT, LIMIT_MAX), ITEMS_MAX)

    def levels(self) -> int:
        """How many levels of each side of a book are wanted."""
        return min(self._count("limit_levels", LEVELS_MAX, LIMIT_MAX), LEVELS_MAX)

    def time(self, name: str, default: int) -> int:
        """A time, in ns since 1970."""
        text = self.query.get(name, "")
        if "T" in text:
            text = text.replace(" ", "+")  # an offset that was not escaped
        return parse_iso_time(text, name) if text else default

    def range(self, *, required: bool = False) -> tuple[int, int]:
        """From when to before when, from `time_start` and `time_end` or from a whole day, `date`."""
        date = self.query.get("date", "")
        if date:
            start = parse_iso_time(date, "date")
            start -= start % DAY_NS
            return start, start + DAY_NS
        if required and not self.query.get("time_start"):
            raise InvalidInput("give date, or time_start", field="time_start")
        start, end = self.time("time_start", 0), self.time("time_end", TIME_MAX)
        if end < start:
            raise InvalidInput("time_end must not be before time_start", field="time_end")
        return start, end

    def period(self) -> NamedPeriod:
        """The period that is named."""
        name = self.query.get("period_id", "").upper()
        if name not in PERIODS:
            raise InvalidInput(f"period_id must be one of {', '.join(PERIODS)}", field="period_id")
        return PERIODS[name]

    def _count(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise InvalidInput(f"{name} must be a number from 1 to {most}", field=name)
        return int(text)

    # ---- instruments -----------------------------------------------------------------------------

    def listing(self, channel: str) -> Listing:
        """The instrument whose symbol the path names.

        Raises:
            RestError: 550: there is none, or it does not have this.
            InvalidInput: the key may not see it.
        """
        name = self.names["symbol_id"]
        instrument = find_instrument(self.view.market, name)
        if instrument is None and "exchange_id" in self.names:
            there = (each.instrument for each in self._of(self.names["exchange_id"].upper()))
            instrument = next((each for each in there if name in _aliases(each)), None)
        if instrument is None or not self.has(instrument):
            raise NoData(f"there is no symbol {name!r}")
        if channel not in instrument.channels:
            raise NoData(f"{name} has no {channel}; it has {', '.join(instrument.channels)}")
        self.view.entitled.check_entitled(channel, instrument.symbol, "symbol_id")
        return self.view.market.listing(instrument.symbol)

    def listings(self, channel: str) -> list[Listing]:
        """The instruments whose symbol id has one of the parts in `filter_symbol_id`, or all of them.

        Raises:
            InvalidInput: that is more than one answer may hold.
        """
        parts = self.listed("filter_symbol_id")
        found = [
            listing
            for name, listing in catalog(self.view).listings
            if channel in listing.instrument.channels
            and self.has(listing.instrument)
            and self.view.sees(channel, listing.symbol)
            and (not parts or any(part in name.upper() for part in parts))
        ]
        if len(found) > ITEMS_MAX:
            text = f"there are {len(found)} symbols; name those that you want, at most {ITEMS_MAX}"
            raise InvalidInput(text, field="filter_symbol_id")
        return found

    def exchange(self) -> str:
        """The exchange that the path names.

        Raises:
            RestError: 550: there is none.
        """
        name = self.names["exchange_id"].upper()
        if not any(self.has(each.instrument) for each in self._of(name)):
            raise NoData(f"there is no exchange {name!r}")
        return name

    def has(self, instrument: Instrument) -> bool:
        """Whether an instrument is of a class that this path is about."""
        return not self.asset_classes or instrument.asset_class in self.asset_classes

    def _of(self, exchange_id: str) -> list[Listing]:
        exchanges = catalog(self.view).by_exchange.items()
        return [each for name, listings in exchanges if name.upper() == exchange_id for each in listings]


def _aliases(instrument: Instrument) -> tuple[str, ...]:
    """What a symbol is called where its exchange is known."""
    return instrument.base, native_id(instrument), symbol_id(instrument)
