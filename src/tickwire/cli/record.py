"""`tickwire record`: save streams to a file that `tickwire replay` serves again.

The first line of the file is its header, every other one a message with the time at which it was received. Lines
go to the file in chunks, in a `.gz` file as one whole gzip member each: a recording that was killed ends with a
whole line. The order is exact within a stream; between streams it is that of arrival, to within one read of the
socket.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.filesize import decimal as as_filesize

from tickwire.cli.session import ALL, DEFAULT_URL, Symbols, Url, chosen, connected, first_of
from tickwire.client import Client, Notice, Resumed, Subscription
from tickwire.clock import wall_clock_ns
from tickwire.errors import InvalidInput
from tickwire.feeds.formats.tickwire import Header, RecordedLine
from tickwire.model.channel import CHANNELS
from tickwire.protocol.messages import InstrumentInfo, StreamMessage

FLUSH_SECONDS = 1.0
"""How much of a recording a killed process loses at most."""
CHUNK_BYTES_MAX = 4 * 2**20
"""Lines that wait for the file, bytes: a second of a busy server is less."""


def record(
    symbols: Symbols,
    out: Annotated[Path, typer.Option(help="The file to make; compressed if its name ends in .gz.")],
    url: Url = DEFAULT_URL,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="What to save, may be given several times. Unless told: trades and the most detailed book; where "
            "there is no book, quotes and rates."
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
) -> None:
    """Save streams to a file, with the time at which each message came.

    Stop it with Ctrl-C, or with --seconds or --count. `tickwire replay` serves the file again.

    Examples:
      tickwire record SIM:BTC-USDT --out btc.jsonl.gz
      tickwire record all --channel trades --out trades.jsonl --seconds 60
    """
    for name in channel or ():
        if name not in CHANNELS:
            raise InvalidInput(f"no channel {name!r}; there are {', '.join(CHANNELS)}", field="channel")
    asyncio.run(_record(url, symbols, out, channel, seconds, count))


async def _record(
    url: str, symbols: list[str], out: Path, channels: list[str] | None, seconds: float | None, count: int | None
) -> None:
    async with connected(url) as client:
        wanted = chosen(await client.instruments(), symbols)
        plan = [msgspec.structs.replace(info, channels=channels_of(info, channels)) for info in wanted]
        for info, planned in zip(wanted, plan, strict=True):
            if not planned.channels and list(symbols) != [ALL]:
                raise InvalidInput(
                    f"{info.symbol} has none of these; it has {', '.join(info.channels)}", field="channel"
                )
        plan = [info for info in plan if info.channels]
        if not plan:
            raise InvalidInput("no instrument has any of these channels", field="channel")
        subscriptions = await _subscribe(client, plan)
        with _recording(out, Header(url=url, epoch=client.hello.epoch, instruments=plan), count) as recording:
            limits = [asyncio.sleep(seconds)] if seconds is not None else []
            readers = [recording.read(subscription) for subscription in subscriptions]
            await first_of(recording.full.wait(), recording.keep_flushing(), *limits, *readers)


def channels_of(info: InstrumentInfo, wanted: Sequence[str] | None) -> list[str]:
    """What to record of an instrument: those that were asked for, or by default what shows it in most detail."""
    if wanted is None:
        book = next((name for name in ("book_l3", "book") if name in info.channels), None)
        wanted = ("trades", book) if book is not None else ("trades", "quotes", "rates")
    return [name for name in info.channels if name in wanted]


async def _subscribe(client: Client, plan: list[InstrumentInfo]) -> list[Subscription]:
    """A subscription for each channel."""
    by_channel: dict[str, list[str]] = {}
    for info in plan:
        for name in info.channels:
            by_channel.setdefault(name, []).append(info.symbol)
    return [await client.subscribe(name, names) for name, names in by_channel.items()]


class Recording:
    """A file of lines, and what is said about it on stderr.

    Attributes:
        full: set when it has as many messages as were asked for.
    """

    def __init__(self, path: Path, count: int | None, console: Console) -> None:
        self.full = asyncio.Event()
        self._count = count
        self._console = console
        self._began = monotonic()
        self._messages = 0
        self._bytes = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._compressed = path.suffix == ".gz"
        self._file = path.open("xb")

    def add(self, line: object) -> None:
        """One line more."""
        encoded = msgspec.json.encode(line) + b"\n"
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)
        if self._waiting_bytes >= CHUNK_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Everything so far is in the file."""
        if self._waiting:
            chunk = b"".join(self._waiting)
            self._bytes += self._file.write(gzip.compress(chunk) if self._compressed else chunk)
            self._file.flush()
            self._waiting.clear()
            self._waiting_bytes = 0

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._file.close()

    async def read(self, messages: AsyncIterable[StreamMessage | Notice]) -> None:
        """Add what a subscription brings."""
        async for message in messages:
            if self.full.is_set():
                return
            self.add(RecordedLine(wall_clock_ns(), message))
            if isinstance(message, StreamMessage):
                self._messages += 1
                if self._messages == self._count:
                    self.full.set()
            elif not isinstance(message, Resumed):
                self._console.print(f"something is missing: {msgspec.json.encode(message).decode()}", style="yellow")

    async def keep_flushing(self) -> None:
        """Flush at intervals, and show how far it is."""
        with self._console.status("") as status:
            while True:
                status.update(self.summary())
                await asyncio.sleep(FLUSH_SECONDS)
                self.flush()

    def summary(self) -> str:
        """How much there is."""
        return f"{self._messages:,} messages, {as_filesize(self._bytes)}, {monotonic() - self._began:.0f} s"


@contextmanager
def _recording(path: Path, header: Header, count: int | None) -> Iterator[Recording]:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        recording = Recording(path, count, console)
    except FileExistsError:
        raise InvalidInput(f"{path} exists already; give another name with --out", field="out") from None
    try:
        recording.add(header)
        recording.flush()
        yield recording
    finally:
        recording.close()
        console.print(f"{path}: {recording.summary()}")
