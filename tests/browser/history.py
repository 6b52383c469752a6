"""A stream as the server published it, kept message by message by our Python client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

from browser.rest import Book, Level
from tickwire.client import StreamMessage, connect

WAIT_SECONDS = 20


class History:
    """The messages of a lossless stream since its first snapshot.

    Attributes:
        messages: as they came; every `seq` follows the one before.
    """

    def __init__(self) -> None:
        self.messages: list[StreamMessage] = []
        self._more = asyncio.Condition()

    async def add(self, message: StreamMessage) -> None:
        """One message more."""
        assert not self.messages or message.seq == self.messages[-1].seq + 1
        async with self._more:
            self.messages.append(message)
            self._more.notify_all()

    async def until(self, seq: int) -> None:
        """Wait until the stream is at `seq`."""
        async with asyncio.timeout(WAIT_SECONDS), self._more:
            await self._more.wait_for(lambda: self.messages and self.messages[-1].seq >= seq)

    async def book(self, seq: int) -> Book:
        """The book as it was at `seq`; of a history of `book`."""
        await self.until(seq)
        assert self.messages[0].seq <= seq, "the page is at a message before those that are kept"
        bids: dict[str, str] = {}
        asks: dict[str, str] = {}
        for message in self.messages:
            if message.seq > seq:
                break
            for side, levels in ((bids, message.data.bids), (asks, message.data.asks)):
                for price, size in levels:
                    side[price] = size
                    if not Decimal(size):
                        del side[price]
        return Book(seq, _sorted(bids)[::-1], _sorted(asks))


def _sorted(levels: dict[str, str]) -> list[Level]:
    return sorted(levels.items(), key=lambda level: Decimal(level[0]))


@asynccontextmanager
async def kept(url: str, channel: str, symbol: str) -> AsyncIterator[History]:
    """The history of a stream from now on, until the block ends."""
    history = History()
    async with connect(url) as client:
        subscription = await client.subscribe(channel, symbol)

        async def read() -> None:
            async for message in subscription:
                assert isinstance(message, StreamMessage), f"{channel} of {symbol} is not whole: {message}"
                await history.add(message)

        reading = asyncio.create_task(read())
        await history.until(0)
        try:
            yield history
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
