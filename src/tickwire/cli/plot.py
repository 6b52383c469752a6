"""`tickwire plot`: pictures of a market and of its connection, as PNG or SVG."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import typer

from tickwire.cli.session import DEFAULT_URL, Url, connected, find, first_of
from tickwire.client import Client, StreamMessage, Subscription
from tickwire.clock import wall_clock_ns
from tickwire.errors import InvalidInput
from tickwire.limits import CANDLES_KEPT_MAX
from tickwire.model.channel import CANDLE_INTERVALS_NS, stream_key

PING_SECONDS = 0.05
"""Between two pings, where the server's limit of requests a second does not want more."""
BOOKS_MAX = 20
"""Instruments whose books are read for the lag."""
DURATIONS_MAX = 1_000_000
"""Newest durations that are kept of a kind: 40 MB."""

Symbol: TypeAlias = Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as SIM:BTC-USDT.")]
Out: TypeAlias = Annotated[Path, typer.Option(help="The file to write, .png or .svg.")]
ThemeName: TypeAlias = Literal["light", "dark"]
Theme: TypeAlias = Annotated[ThemeName, typer.Option(help="The colours.")]
Size: TypeAlias = Annotated[str, typer.Option(metavar="WxH", help="Pixels; of an SVG only their ratio counts.")]
DEFAULT_SIZE = "1200x675"

plot = typer.Typer(help="Draw an order book, candles, or how quick a connection is.")


@plot.command()
def book(
    symbol: Symbol,
    out: Out,
    url: Url = DEFAULT_URL,
    depth: Annotated[int, typer.Option(min=1, max=100_000, help="Price levels a side.")] = 100,
    theme: Theme = "light",
    size: Size = DEFAULT_SIZE,
) -> None:
    """Draw the depth of an order book: how much can be traded up to each price.

    Examples:
      tickwire plot book SIM:BTC-USDT --out depth.svg
      tickwire plot book SIM:BTC-USDT --out depth.png --depth 20 --theme dark
    """
    asyncio.run(_book(url, symbol, _look(out, theme, size), depth))


@plot.command()
def candles(
    symbol: Symbol,
    out: Out,
    url: Url = DEFAULT_URL,
    interval: Annotated[str, typer.Option(help=f"One of {', '.join(CANDLE_INTERVALS_NS)}.")] = "1m",
    limit: Annotated[int, typer.Option(min=1, max=CANDLES_KEPT_MAX, help="The newest so many.")] = 200,
    theme: Theme = "light",
    size: Size = DEFAULT_SIZE,
) -> None:
    """Draw the newest candles and their volume.

    Examples:
      tickwire plot candles SIM:BTC-USDT --out candles.png
      tickwire plot candles SIM:EUR-USD --interval 1s --limit 120 --out eur.svg
    """
    stream_key("candles", symbol, interval=interval)  # a wrong interval fails at once
    asyncio.run(_candles(url, symbol, _look(out, theme, size), interval, limit))


@plot.command()
def latency(
    out: Out,
    url: Url = DEFAULT_URL,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to measure.")] = 10,
    theme: Theme = "light",
    size: Size = DEFAULT_SIZE,
) -> None:
    """Measure a connection, draw it, and print its percentiles: round trips of pings, and the lag of book messages.

    The lag is from the time that a change bears to its arrival here. It is measured where both are by the same clock:
    where the server's address is this machine's.

    Examples:
      tickwire plot latency --out latency.svg
      tickwire plot latency --seconds 60 --out latency.png --url wss://markets.example.org/ws
    """
    asyncio.run(_latency(url, _look(out, theme, size), seconds))


class _Look(NamedTuple):
    """What every picture is told: where it goes and how it looks."""

    path: Path
    theme: ThemeName
    size: tuple[int, int]


def _look(out: Path, theme: ThemeName, size: str) -> _Look:
    """The options that every picture has, checked before anything is asked or measured.

    Raises:
        InvalidInput: one is wrong. NotInstalled: matplotlib is not.
    """
    from tickwire import plots

    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if found is None:
        raise InvalidInput(f"--size must be width and height in pixels, such as {DEFAULT_SIZE}", field="size")
    look = _Look(plots.checked_path(out), theme, (int(found[1]), int(found[2])))
    with plots.drawing(theme, look.size):
        return look


async def _book(url: str, symbol: str, look: _Look, depth: int) -> None:
    async with connected(url) as client:
        find(await client.instruments(), symbol)
        async with await client.book(symbol) as book:
            book.plot(depth, theme=look.theme, size=look.size).save(look.path)


async def _candles(url: str, symbol: str, look: _Look, interval: str, limit: int) -> None:
    async with connected(url) as client:
        find(await client.instruments(), symbol)
        candles = await client.candles(symbol, interval, limit=limit)
        candles.plot(theme=look.theme, size=look.size).save(look.path)


async def _latency(url: str, look: _Look, seconds: float) -> None:
    from tickwire.cli.durations import Durations, duration_text, histogram, percentiles

    round_trips: deque[int] = deque(maxlen=DURATIONS_MAX)
    lags: deque[int] = deque(maxlen=DURATIONS_MAX)
    one_clock = same_machine(url)
    async with connected(url) as client:
        work = [_ping(client, round_trips)]
        if one_clock:
            symbols = [info.symbol for info in await client.instruments() if "book" in info.channels]
            await _pause(client)
            if symbols:
                work.append(_lag(await client.subscribe("book", symbols[:BOOKS_MAX]), lags))
        await first_of(asyncio.sleep(seconds), *work)
    panels = [Durations("Round trip of a ping", f"{url}   ·   {len(round_trips):,} in {seconds:g} s", round_trips)]
    if one_clock:
        below = f"from the change to its arrival   ·   {len(lags):,} in {seconds:g} s"
        panels.append(Durations("Lag of a book message", below, lags))
    else:
        typer.echo(
            f"{url} is not this machine: the lag, which two clocks would have to agree on, is left out", err=True
        )
    histogram(panels, theme=look.theme, size=look.size).save(look.path)
    for panel in panels:
        values = panel.values
        said = [f"p{n} {duration_text(ns)}" for n, ns in percentiles(values).items()] if values else []
        typer.echo(f"{panel.title}: {', '.join([f'{len(values):,} measured', *said])}")


async def _ping(client: Client, round_trips: deque[int]) -> None:
    while True:
        await _pause(client)
        round_trips.append(await client.ping())


async def _pause(client: Client) -> None:
    """Before the next request, so that they come at half the rate that the server allows, or slower."""
    await asyncio.sleep(max(PING_SECONDS, 2 / client.hello.limits.requests_per_second))


async def _lag(messages: Subscription, lags: deque[int]) -> None:
    async for message in messages:
        if isinstance(message, StreamMessage) and message.type == "update":
            lags.append(wall_clock_ns() - message.ts)


def same_machine(url: str) -> bool:
    """Whether an address is one of this machine by its form, so that both ends have one clock."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
