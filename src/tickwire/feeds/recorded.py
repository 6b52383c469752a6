"""Plays recorded files of real venues: finds them, reads them line by line, merges them by receive time.

What a line means is its format's business (`tickwire.feeds.formats`); this is the only place that reads one.
"""

from __future__ import annotations

import gzip
import heapq
import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import IO, NamedTuple, cast
from zlib import error as ZlibError

from tickwire.errors import ConfigError, FeedError
from tickwire.feeds.base import Due
from tickwire.feeds.formats import FORMATS
from tickwire.feeds.formats.base import Format, Line
from tickwire.model.instrument import Instrument

FILES_MAX = 256
"""Files of one recording: all are open at once while they are merged, and 1,024 is a common bound of a process."""
LINE_BYTES_MAX = 16 * 2**20
"""Longest line, and so what a file can make us hold. The longest seen is a pair list of 174 KB."""

_UNREADABLE = (OSError, EOFError, ZlibError, zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError)
"""What gzip and zipfile raise for bytes not theirs, a method that they don't have, a password, or a damaged name."""


class _Source(NamedTuple):
    """One file of a recording. `member` is its name within a zip archive, "" for a file of its own."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        return f"{self.path.name}/{self.member}" if self.member else self.path.name


class RecordedFeed:
    """A `Feed` from files. Gzip and zip are told by their content, not by the name.

    Args:
        format_name: a key of `tickwire.feeds.formats.FORMATS`.
        path: a file, or a folder of files that belong together. Files that the format does not know by their
            names are left alone in a folder.
        name: the feed's name where `recorded:FORMAT` is taken.

    Raises:
        ConfigError: no such format or path, a file that can't be opened, a name the format can make nothing of.
        FeedError: a line among the first, which tell the instruments, is broken.
    """

    def __init__(self, format_name: str, path: Path, *, name: str = "") -> None:
        found = FORMATS.get(format_name)
        if found is None:
            formats = "; ".join(f"{known}: {row.holds}" for known, row in FORMATS.items())
            raise ConfigError(f"no format {format_name!r} of recorded data. There are {formats}")
        self.name = name or f"recorded:{format_name}"
        self._format = found
        self._sources = _find(path, found)
        self._instruments = self._parser().instruments
        if not self._instruments:
            raise ConfigError(f"{path}: no instrument found; expected {found.holds}")

    def instruments(self) -> list[Instrument]:
        """What the recording holds, in the order in which it tells of them."""
        return self._instruments

    def due(self) -> Iterator[Due]:
        """The recording from its beginning; `at_ns` is when the venue's bytes were received.

        Raises:
            FeedError: while iterating; the message names the file, the line and what was expected there.
        """
        parser = self._parser()
        for line in self._lines():
            try:
                records = parser.records(line)
            except FeedError as error:
                raise _located(error, line.source, line.number) from None
            if records:
                yield Due(line.at_ns, records)

    def _parser(self) -> Format:
        """A fresh parser that knows the instruments."""
        try:
            parser = self._format(self.name, [source.name for source in self._sources])
        except FeedError as error:  # by a file's name
            raise ConfigError(f"{error}; expected {self._format.holds}") from None
        for line in self._lines():
            try:
                if parser.learn(line):
                    break
            except FeedError as error:
                raise _located(error, line.source, line.number) from None
        return parser

    def _lines(self) -> Iterator[Line]:
        return heapq.merge(*(self._lines_of(source) for source in self._sources), key=itemgetter(0))

    def _lines_of(self, source: _Source) -> Iterator[Line]:
        """The file's lines that are not empty, in time order: a clock that was set back stands still instead."""
        open_line, name = self._format.open_line, source.name
        latest_ns = number = 0
        try:
            with _opened(source) as stream:
                for number, raw in enumerate(iter(partial(stream.readline, LINE_BYTES_MAX + 1), b""), 1):
                    if len(raw) > LINE_BYTES_MAX:
                        raise FeedError(f"expected a line of at most {LINE_BYTES_MAX} bytes")
                    text = raw.rstrip(b"\r\n")
                    if not text:
                        continue
                    line = open_line(name, number, text)
                    if line.at_ns < latest_ns:
                        line = line._replace(at_ns=latest_ns)
                    latest_ns = line.at_ns
                    yield line
        except FeedError as error:
            raise _located(error, name, number) from None
        except _UNREADABLE as error:
            raise _located(error, name, number + 1) from None


def _located(error: Exception, source: str, number: int) -> FeedError:
    return FeedError(f"{source}, line {number}: {error}")


def _find(path: Path, wanted: type[Format]) -> list[_Source]:
    """The files of a recording, by name, each one opened once to see that it can be."""
    try:
        if path.is_dir():
            paths = sorted(
                file
                for file in path.iterdir()
                if file.is_file() and any(fnmatchcase(file.name, p) for p in wanted.files)
            )
        else:
            paths = [path]
        sources = [source for file in paths for source in _sources_in(file)]
        if len(sources) <= FILES_MAX:
            for source in sources:
                with _opened(source) as stream:
                    stream.read(1)
    except _UNREADABLE as error:
        raise ConfigError(f"{path} can't be read: {error}; expected {wanted.holds}") from None
    if not sources:
        raise ConfigError(f"{path} has no file named {' or '.join(wanted.files)}; expected {wanted.holds}")
    if len(sources) > FILES_MAX:
        raise ConfigError(f"{path} has {len(sources)} files; a recording has at most {FILES_MAX}")
    return sources


def _sources_in(path: Path) -> list[_Source]:
    if not _starts_with(path, b"PK\x03\x04"):
        return [_Source(path)]
    with zipfile.ZipFile(path) as archive:
        return [_Source(path, member) for member in sorted(archive.namelist()) if not member.endswith("/")]


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


@contextmanager
def _opened(source: _Source) -> Iterator[io.BufferedReader]:
    with ExitStack() as stack:
        if source.member:
            archive = stack.enter_context(zipfile.ZipFile(source.path))
            packed: IO[bytes] | gzip.GzipFile = stack.enter_context(archive.open(source.member))
        elif _starts_with(source.path, b"\x1f\x8b"):
            packed = stack.enter_context(gzip.open(source.path))
        else:
            yield stack.enter_context(source.path.open("rb"))
            return
        # both readers find lines in Python; the buffer finds them in C
        yield stack.enter_context(io.BufferedReader(cast(io.RawIOBase, packed)))
