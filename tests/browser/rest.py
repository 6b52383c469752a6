"""What a server says of itself, over HTTP: the other account of what the page shows."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from decimal import Decimal
from typing import Any, NamedTuple

BTC, ETH = "SIM:BTC-USDT", "SIM:ETH-USDT"
STILL_SECONDS_MAX = 30
Level = tuple[str, str]
"""(price, size), as they are on the wire"""


class Book(NamedTuple):
    """A book at a `seq`, best levels first."""

    seq: int
    bids: list[Level]
    asks: list[Level]


def origin(url: str) -> str:
    """Where the page of a server is, by its WebSocket's URL."""
    return url.replace("ws", "http", 1).removesuffix("ws")


def port(url: str) -> int:
    """Of a server."""
    return int(url.rsplit(":", 1)[1].removesuffix("/ws"))


async def get(url: str, path: str) -> Any:
    """The answer to `GET /api/v1/PATH`."""

    def ask() -> Any:
        with urllib.request.urlopen(f"{origin(url)}api/v1/{path}", timeout=10) as answer:
            return json.load(answer)

    return await asyncio.to_thread(ask)


async def book(url: str, symbol: str) -> Book:
    """The whole book now."""
    message = await get(url, f"instruments/{symbol}/book")
    data = message["data"]
    return Book(message["seq"], [(p, s) for p, s in data["bids"]], [(p, s) for p, s in data["asks"]])


async def still(url: str) -> None:
    """Wait until the books are there and change no more."""
    async with asyncio.timeout(STILL_SECONDS_MAX):
        before = None
        while (now := (await book(url, BTC), await book(url, ETH))) != before or not now[0].bids:
            before = now
            await asyncio.sleep(0.2)


def grouped(levels: list[Level], step: Decimal, side: str) -> list[tuple[Decimal, Decimal]]:
    """Levels joined in groups of `step`: bids at the group's lower end, asks at its upper one."""
    groups: dict[Decimal, Decimal] = {}
    for text, size in levels:
        price = Decimal(text)
        group = price // step * step
        if side == "ask" and group < price:
            group += step
        groups[group] = groups.get(group, Decimal(0)) + Decimal(size)
    return list(groups.items())
