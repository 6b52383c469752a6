"""`tickwire tail`: the messages of a channel, a line of JSON each, for pipes."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal

import msgspec
import typer

from tickwire.cli.session import DEFAULT_URL, Symbols, Url, chosen, connected
from tickwire.model.channel import BOOK_DEPTHS, BOOK_INTERVALS_MS, CANDLE_INTERVALS_NS, CHANNELS, stream_key


def tail(
    channel: Annotated[str, typer.Argument(help=f"One of {', '.join(CHANNELS)}.")],
    symbols: Symbols,
    url: Url = DEFAULT_URL,
    depth: Annotated[
        int | None, typer.Option(help=f"Of `book`: only the best levels, {', '.join(map(str, BOOK_DEPTHS))}.")
    ] = None,
    interval_ms: Annotated[
        int | None, typer.Option(help=f"Of `book`: at most so often, {', '.join(map(str, BOOK_INTERVALS_MS))} ms.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help=f"Of `candles`: {', '.join(CANDLE_INTERVALS_NS)}; 1m unless told.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many lines.")] = None,
    encoding: Annotated[
        Literal["json", "msgpack"], typer.Option(help="What is spoken with the server; the output is always JSON.")
    ] = "json",
) -> None:
    """Print the messages of a channel as they come, a line of JSON each.

    A stream begins with its snapshot. What had to be left out is a line too (gap, skipped or lost), and so is
    that a stream goes on after a lost connection with nothing missing (resumed).

    Examples:
      tickwire tail trades SIM:BTC-USDT
      tickwire tail book SIM:BTC-USDT SIM:ETH-USDT --depth 5 --interval-ms 1000
      tickwire tail candles all --interval 1s | jq -c '[.symbol, .data.close]'
    """
    stream_key(channel, "", depth=depth, interval_ms=interval_ms, interval=interval)  # wrong options fail at once
    asyncio.run(_tail(url, encoding, channel, symbols, depth, interval_ms, interval, count))


async def _tail(
    url: str,
    encoding: Literal["json", "msgpack"],
    channel: str,
    symbols: list[str],
    depth: int | None,
    interval_ms: int | None,
    interval: str | None,
    count: int | None,
) -> None:
    out = sys.stdout.buffer
    encode = msgspec.json.Encoder().encode
    lines = 0
    async with connected(url, encoding) as client:
        names = [info.symbol for info in chosen(await client.instruments(), symbols)]
        async with await client.subscribe(
            channel, names, depth=depth, interval_ms=interval_ms, interval=interval
        ) as messages:
            async for message in messages:
                out.write(encode(message) + b"\n")
                lines += 1
                if lines == count or not messages.waiting:
                    out.flush()
                if lines == count:
                    return
