"""What every format of recorded data is made of: a line opened as far as its time, and exact numbers.

A format is pure: it is given lines and gives records. `tickwire.feeds.recorded` finds the files, reads them
line by line, merges them by time, and says in which file and line an error was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, ClassVar, NamedTuple, TypeAlias, TypeVar

import msgspec

from tickwire.errors import FeedError, InvalidInput, InvalidNumber
from tickwire.model.instrument import AssetClass, BookDetail, Instrument
from tickwire.model.records import Level, Record
from tickwire.model.units import DIGITS_MAX as DIGITS_MAX
from tickwire.model.units import Scale

T = TypeVar("T")

INT64_MAX = 2**63 - 1

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
"""A number that a venue counts with: update ids, trade ids, nonces."""
Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX // 1_000_000)]
"""A venue's stamp, since the Unix epoch."""
LevelText: TypeAlias = tuple[str, str]
"""(price, size) as the venue writes them"""


class Line(NamedTuple):
    """One line of a recording, opened as far as its time.

    Attributes:
        at_ns: when it was received, nanoseconds since the Unix epoch; 0 where the line does not tell.
        source: the file's name, `archive.zip/member.csv` for a file in an archive.
        number: of the line in its file, from 1.
        about: "" for what the venue pushed; for the recorder's own notes `opened` (a connection), `sent` (a
            frame) or `configuration`; for the answer to an HTTP request its URL.
        body: what was received, the recorder's envelope taken off.
    """

    at_ns: int
    source: str
    number: int
    about: str
    body: bytes


class Format(ABC):
    """A parser of one venue's recordings, for one run through them from the beginning.

    Args:
        feed: name of the feed, for its instruments.
        sources: names of all files, as in `Line.source`.

    Raises:
        FeedError: a file's name does not tell what the format needs from it.

    Every method raises FeedError, without saying where, for a line that is not what the format promises.
    """

    holds: ClassVar[str]
    """What a recording holds and how its files are named, in words."""
    files: ClassVar[tuple[str, ...]]
    """Patterns of the names that belong to a recording; what else lies in its folder is left alone."""

    def __init__(self, feed: str, sources: Sequence[str]) -> None:
        self.feed = feed
        self.instruments: list[Instrument] = []
        """Complete once `learn` has returned True, or has seen every line."""

    @staticmethod
    @abstractmethod
    def open_line(source: str, number: int, raw: bytes) -> Line:
        """The line with its time read. `raw` is not empty and has no line end."""

    def learn(self, line: Line) -> bool:
        """Take from a line what it tells about instruments; True once there is no more to learn.

        Called for the lines from the first one on before any goes to `records`.
        """
        return True

    @abstractmethod
    def records(self, line: Line) -> list[Record]:
        """The records that a line stands for; none for one that only serves the connection."""


def mirrored(
    feed: str,
    venue: str,
    base: str,
    quote: str,
    *,
    tick_size: str,
    lot_size: str,
    asset_class: AssetClass = "crypto",
    book: BookDetail = "levels",
) -> Instrument:
    """An instrument with names and steps from a recording. Arguments as those of `Instrument`.

    Raises:
        FeedError: one of them can't be.
    """
    for step in (tick_size, lot_size):
        if len(step) > DIGITS_MAX:
            raise FeedError(f"expected a step of at most {DIGITS_MAX} digits, got {len(step)}")
    try:
        return Instrument(
            venue=venue,
            base=base,
            quote=quote,
            asset_class=asset_class,
            tick_size=tick_size,
            lot_size=lot_size,
            kind="mirrored",
            book=book,
            feed=feed,
        )
    except InvalidInput as error:
        raise FeedError(f"expected an instrument's names and steps: {error}") from None


def step_of(decimals: int) -> str:
    """The step of a number with so many decimals: "0.001" for 3."""
    return f"0.{'1'.rjust(decimals, '0')}" if decimals else "1"


class Steps:
    """Parses one instrument's prices and sizes, exactly."""

    __slots__ = ("price", "size", "symbol")

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.price = instrument.price
        self.size = instrument.size

    def ticks(self, text: str, *, least: int = 1) -> int:
        """A price of at least `least` ticks. Raises FeedError."""
        return _whole(self.price, text, "price", least)

    def lots(self, text: str, *, least: int = 0) -> int:
        """A size of at least `least` lots. Raises FeedError."""
        return _whole(self.size, text, "size", least)

    def levels(self, levels: Iterable[LevelText]) -> list[Level]:
        """Prices with their sizes; a size may be zero. Raises FeedError."""
        ticks, lots = self.ticks, self.lots
        return [(ticks(price), lots(size)) for price, size in levels]


def _whole(scale: Scale, text: str, field: str, least: int) -> int:
    if len(text) > DIGITS_MAX:
        raise FeedError(f"expected a {field} of at most {DIGITS_MAX} digits, got {len(text)}")
    try:
        n = scale.parse(text, field)
    except InvalidNumber as error:
        raise FeedError(f"expected a {field} in steps of {scale.step}: {error}") from None
    if n < least:
        raise FeedError(f"expected a {field} of at least {scale.format(least)}, got {text}")
    return n


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, expected: str) -> T:
    """`body` decoded; `expected` says in the error what it should have been.

    Raises:
        FeedError: it is no JSON, or not of that shape.
    """
    try:
        return decoder.decode(body)
    except RecursionError:
        raise FeedError(f"expected {expected}, got JSON nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FeedError(f"expected {expected}: {error}") from None


def seconds_ns(text: str) -> int:
    """Nanoseconds of a decimal number of seconds since the Unix epoch such as `1618677816.8414998`, exactly.

    Raises:
        FeedError: it is no such number, or has more than nine decimals.
    """
    whole, dot, fraction = text.partition(".")
    digits = whole + fraction
    if (
        whole
        and digits.isdigit()
        and digits.isascii()
        and len(whole) <= 10
        and len(fraction) <= 9
        and (fraction or not dot)
    ):
        ns = int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0"))
        if ns <= INT64_MAX:
            return ns
    raise FeedError(f"expected a time in seconds such as 1618677816.841499, got {text[:DIGITS_MAX]!r}")


def iso_ns(text: str) -> int:
    """Nanoseconds of a UTC stamp such as `2021-04-17T16:43:30.244075Z`, exactly.

    Raises:
        FeedError: it is no such stamp, or has more than nine decimals.
    """
    whole, dot, fraction = text[19:].partition(".")
    digits = fraction[:-1]
    if text.endswith("Z") and (
        (whole == "Z" and not dot) or (not whole and digits.isdigit() and digits.isascii() and len(digits) <= 9)
    ):
        return _second_ns(text[:19]) + int(digits.ljust(9, "0") or 0)
    raise FeedError(f"expected a time such as 2021-04-17T16:43:30.244075Z, got {text[:DIGITS_MAX]!r}")


@lru_cache(maxsize=64)
def _second_ns(text: str) -> int:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise FeedError(f"expected a time such as 2021-04-17T16:43:30, got {text!r}") from None
    if not 1970 <= moment.year < 2262:
        raise FeedError(f"expected a time between 1970 and 2261, got {text!r}")
    return int(moment.timestamp()) * 1_000_000_000
