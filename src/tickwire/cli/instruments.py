"""`tickwire instruments`: what a server has."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tickwire.cli.session import DEFAULT_URL, Url, connected
from tickwire.protocol.messages import InstrumentInfo, StatusData

STATES = {"live": "green", "stale": "yellow", "down": "red"}


def instruments(
    url: Url = DEFAULT_URL,
    venue: Annotated[str | None, typer.Option(help="Only this venue's, such as SIM.")] = None,
    asset_class: Annotated[
        str | None, typer.Option("--class", help="Only these: crypto, fx, equity, index or future.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """List the instruments of a server, with their steps, channels and state.

    Examples:
      tickwire instruments
      tickwire instruments --class fx
      tickwire instruments --json | head -1

    The state is that of the instrument and of the feed that drives it.
    """
    rows = asyncio.run(_ask(url, venue, asset_class))
    if as_json:
        sys.stdout.write("".join(msgspec.json.encode(row).decode() + "\n" for row in rows))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)  # nobody reads a wrapped table out of a pipe
    console.print(table(rows))


async def _ask(url: str, venue: str | None, asset_class: str | None) -> list[InstrumentInfo]:
    async with connected(url) as client:
        return await client.instruments(venue, asset_class)


def table(rows: list[InstrumentInfo]) -> Table:
    """The instruments as a table."""
    result = Table(box=None, pad_edge=False, header_style="dim")
    result.add_column("symbol", style="bold", no_wrap=True)
    result.add_column("class")
    result.add_column("kind")
    result.add_column("tick", justify="right", no_wrap=True)
    result.add_column("lot", justify="right", no_wrap=True)
    result.add_column("channels")
    result.add_column("state")
    for row in rows:
        result.add_row(
            row.symbol,
            row.asset_class,
            row.kind,
            row.tick_size,
            row.lot_size,
            " ".join(row.channels),
            _state(row.status),
        )
    return result


def _state(status: StatusData) -> str:
    trading = "" if status.instrument == "open" else f"{status.instrument}, "
    reason = f" ({status.reason})" if status.reason else ""
    return f"{trading}[{STATES[status.feed]}]{status.feed}[/]{reason}"
