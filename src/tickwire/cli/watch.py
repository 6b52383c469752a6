"""`tickwire watch`: an instrument on the whole screen, live.

What arrives only changes the state; the screen is drawn from it at most `FRAMES_PER_SECOND` times a second,
however many messages come.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from statistics import median_low
from time import monotonic
from typing import Annotated, Any, Literal, TypeAlias

import typer
from rich.console import Console, Group
from rich.live import Live

from tickwire.cli.session import DEFAULT_URL, Url, connected, find, first_of
from tickwire.cli.watch_view import Level, View, screen
from tickwire.client import Client, LiveBook, Notice, Skipped
from tickwire.clock import wall_clock_ns
from tickwire.errors import BookInvalid
from tickwire.model.channel import CANDLE_INTERVALS_NS, stream_key
from tickwire.protocol.messages import (
    CandleData,
    InstrumentInfo,
    QuoteData,
    StatusData,
    StreamMessage,
    TickerData,
    TradeData,
    TradesSnapshot,
)

FRAMES_PER_SECOND = 10
RATE_SECONDS = 2
"""What messages a second are averaged over."""
HEARTBEATS_MISSED = 1.5
"""How long nothing may come, in heartbeats, before the screen says so: sooner than the connection is given up."""
LATENCIES_MAX = 200
"""Newest latencies that the median is of."""
TRADES_MAX = 200
CANDLES_MAX = 500
"""What a screen can show at most, about."""

Messages: TypeAlias = AsyncIterable[StreamMessage | Notice]


def watch(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Such as SIM:BTC-USDT.")],
    url: Url = DEFAULT_URL,
    depth: Annotated[int, typer.Option(min=1, max=100, help="Price levels a side.")] = 12,
    interval: Annotated[str, typer.Option(help=f"Of the candles: {', '.join(CANDLE_INTERVALS_NS)}.")] = "1m",
    once: Annotated[
        bool, typer.Option("--once", help="Print one screen and exit, as when the output is no terminal.")
    ] = False,
) -> None:
    """Watch an instrument live: order book, trades, candles, and how well the connection does.

    What is not current is dim and says why. Stop with q or Ctrl-C.

    Examples:
      tickwire watch SIM:BTC-USDT
      tickwire watch SIM:EUR-USD --interval 5s --depth 8
      tickwire watch SIM:BTC-USDT --once > book.txt
    """
    stream_key("candles", symbol, interval=interval)  # a wrong interval fails at once
    asyncio.run(_watch(url, symbol, depth, interval, once or not sys.stdout.isatty()))


async def _watch(url: str, symbol: str, depth: int, interval: str, once: bool) -> None:
    console = Console(highlight=False)
    async with connected(url) as client:
        info = find(await client.instruments(), symbol)
        state = await State.begun(client, info, depth, interval)
        if once:
            await first_of(state.complete(), *state.readers())
            console.print(Group(*screen(state.view(), width=console.width, depth=depth)))
        else:
            with _key("q") as pressed:
                await first_of(pressed.wait(), _draw(console, state, depth), *state.readers())


async def _draw(console: Console, state: State, depth: int) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            width, height = console.size
            live.update(Group(*screen(state.view(), width=width, height=height, depth=depth)), refresh=True)
            await asyncio.sleep(1 / FRAMES_PER_SECOND)


class State:
    """What was received so far, as much as the screen needs."""

    def __init__(self, client: Client, info: InstrumentInfo, depth: int, interval: str) -> None:
        self._client = client
        self._info = info
        self._depth = depth
        self._interval = interval
        self._book: LiveBook | None = None
        self._levels: tuple[list[Level], list[Level]] = ([], [])
        self._seq: int | None = None
        self._problem = "waits for its first snapshot"
        self._status: StatusData | None = None
        self._ticker: TickerData | None = None
        self._last = ""
        self._direction: Literal[-1, 0, 1] = 0
        self._trades: deque[TradeData] = deque(maxlen=TRADES_MAX)
        self._candles: deque[CandleData] = deque(maxlen=CANDLES_MAX)
        self._heard = 0.0
        self._silence_max = client.hello.heartbeat_ms / 1000 * HEARTBEATS_MISSED
        self._latencies: deque[int] = deque(maxlen=LATENCIES_MAX)
        self._counts: deque[tuple[float, int]] = deque(maxlen=FRAMES_PER_SECOND * RATE_SECONDS)
        self._readers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._incomplete: set[str] = set()
        self._complete = asyncio.Event()

    @classmethod
    async def begun(cls, client: Client, info: InstrumentInfo, depth: int, interval: str) -> State:
        """Subscribed to all that there is to show."""
        state = cls(client, info, depth, interval)
        symbol = info.symbol
        if "book" in info.channels:
            state._book = await client.book(symbol)
            state._readers.append(partial(state._take_all, state._book, lambda _: None))
        else:
            await state._subscribe("quotes", state._quote)
        await state._subscribe("trades", state._trade)
        await state._subscribe("candles", state._candle, interval=interval)
        await state._subscribe("ticker", state._set_ticker)
        await state._subscribe("status", state._set_status)
        return state

    def readers(self) -> list[Coroutine[Any, Any, None]]:
        """To be run; they take in what the subscriptions bring."""
        return [reader() for reader in self._readers]

    async def complete(self) -> None:
        """Wait until every stream has said how it stands."""
        await self._complete.wait()

    def view(self) -> View:
        """What is to be seen now."""
        client, info = self._client, self._info
        if self._book is not None:
            self._read_book(self._book)
        if not client.connected:
            self._latencies.clear()
        now, messages = monotonic(), client.stats.messages
        if not self._counts or messages != self._counts[-1][1]:
            self._heard = now
        self._counts.append((now, messages))
        since, before = self._counts[0]
        silent = now - self._heard
        return View(
            symbol=info.symbol,
            base=info.base,
            quote=info.quote,
            url=client.url,
            connected=client.connected,
            quoted=self._book is None,
            book_problem=f"nothing was heard for {silent:.0f} s" if silent > self._silence_max else self._problem,
            status=self._status,
            ticker=self._ticker,
            last=self._last,
            direction=self._direction,
            bids=self._levels[0],
            asks=self._levels[1],
            trades=tuple(self._trades),
            interval=self._interval,
            candles=tuple(self._candles),
            latency_ns=median_low(self._latencies) if self._latencies else None,
            messages_per_s=(messages - before) / (now - since) if now > since else None,
            book_seq=self._seq,
            gaps=client.stats.gaps + client.stats.lost,
            reconnects=client.stats.connections - 1,
        )

    # ---- what comes in ---------------------------------------------------------------------------

    async def _subscribe(
        self, channel: str, take: Callable[[StreamMessage], None], *, interval: str | None = None
    ) -> None:
        messages = await self._client.subscribe(channel, self._info.symbol, interval=interval)
        self._incomplete.add(channel)
        self._readers.append(partial(self._take_all, messages, take))

    async def _take_all(self, messages: Messages, take: Callable[[StreamMessage], None]) -> None:
        async for message in messages:
            if isinstance(message, StreamMessage):
                if message.type == "update":
                    self._latencies.append(wall_clock_ns() - message.ts)
                take(message)
                self._incomplete.discard(message.channel)
                if not self._incomplete:
                    self._complete.set()
            elif message.channel == "quotes" and not isinstance(message, Skipped):
                self._problem = "waits for a snapshot"

    def _read_book(self, book: LiveBook) -> None:
        try:
            self._levels = book.bids(self._depth), book.asks(self._depth)
            self._seq = book.seq
            self._problem = ""
        except BookInvalid as error:
            # the last good levels stay on the screen, marked
            self._problem = str(error).removeprefix(f"the book of {book.symbol} can't be read now: ")

    def _quote(self, message: StreamMessage) -> None:
        data: QuoteData | None = message.data
        if data is not None:
            self._levels = _side(data.bid, data.bid_size), _side(data.ask, data.ask_size)
        self._seq = message.seq
        self._problem = ""

    def _trade(self, message: StreamMessage) -> None:
        if isinstance(message.data, TradesSnapshot):
            self._trades.clear()
            new = message.data.trades
        else:
            new = [message.data]
        for trade in new:
            if self._last and trade.price != self._last:
                self._direction = 1 if Decimal(trade.price) > Decimal(self._last) else -1
            self._last = trade.price
            self._trades.appendleft(trade)

    def _candle(self, message: StreamMessage) -> None:
        candle: CandleData | None = message.data
        if candle is not None:
            if self._candles and self._candles[-1].start == candle.start:
                self._candles.pop()
            self._candles.append(candle)

    def _set_ticker(self, message: StreamMessage) -> None:
        self._ticker = message.data

    def _set_status(self, message: StreamMessage) -> None:
        self._status = message.data


def _side(price: str | None, size: str | None) -> list[Level]:
    return [] if price is None else [(Decimal(price), Decimal(size or 0))]


@contextmanager
def _key(key: str) -> Iterator[asyncio.Event]:
    """An event that is set when the key is pressed, where keys can be read one by one."""
    pressed = asyncio.Event()
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield pressed
        return
    import termios
    import tty

    stdin = sys.stdin.fileno()
    saved = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()

    def read() -> None:
        typed = os.read(stdin, 1024)
        if key.encode() in typed:
            pressed.set()
        elif not typed:
            loop.remove_reader(stdin)

    tty.setcbreak(stdin)
    loop.add_reader(stdin, read)
    try:
        yield pressed
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
