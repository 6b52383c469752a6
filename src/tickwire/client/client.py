"""The client: everything a tickwire server offers, over a connection that mends itself."""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from math import inf
from pathlib import Path
from ssl import SSLContext
from time import monotonic_ns, perf_counter_ns
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import msgspec

from tickwire.client.books import Live, LiveBook, LiveOrders
from tickwire.client.candles import CANDLES_DEFAULT, Candles, read_candles
from tickwire.client.keeper import Keeper, Settings
from tickwire.client.link import Dial, open_link
from tickwire.client.subscription import Subscription
from tickwire.client.trading import Trading
from tickwire.errors import ClientError, ConnectionLost, InvalidInput
from tickwire.keyfile import KeyFile
from tickwire.model.channel import PRIVATE_CHANNELS, stream_key
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.client_outcomes import ClientStats
from tickwire.protocol.messages import (
    Hello,
    InstrumentInfo,
    SnapshotParams,
    StreamMessage,
    StreamState,
)

L = TypeVar("L", bound=Live)

REQUEST_TIMEOUT_SECONDS = 10.0
"""How long a reply may take: twice the default heartbeat, so that a dead connection is noticed first or nearly."""


class _Time(msgspec.Struct, frozen=True):
    time: int


class _Streams(msgspec.Struct, frozen=True):
    streams: list[StreamState]


class Client(Trading):
    """A client of one server: `async with connect(url) as client`. Its calls are for one event loop.

    When the connection is lost, or mute for 2.5 heartbeats, it is made anew, with full-jitter exponential backoff.
    Lossless streams then go on from their last message, and so do the live books and the account that they keep: the
    server sends what was missed, or says that it can't and sends a snapshot. Streams of the latest class begin with a
    snapshot. Requests are not repeated: their caller gets `ConnectionLost` (what `place` does, it says itself). After
    a close code from 4400 to 4499, which a refused login counts as, there is no reconnection.

    No wait or deadline of the client goes by the wall clock: it may be wrong, and set.

    Args:
        url: `ws://host:8000/ws`.
        encoding: `json`, or `msgpack`, which is smaller and somewhat faster to decode.
        reconnect: False lets iterators and books end with `ConnectionLost` instead.
        keep_trying: True repeats the first connection as well, instead of raising.
        request_timeout: seconds that a reply may take.
        key: what to log in with on every connection, or the path of its file; None for public data only.
        ssl: for a `wss` URL whose certificate the system does not trust by itself.
        dial, sleep, random, new_id: the network, the wait, the jitter (0 up to 1) and the ids of orders, for tests.

    Attributes:
        stats: counters over all connections.
    """

    def __init__(
        self,
        url: str,
        *,
        encoding: Encoding = "json",
        reconnect: bool = True,
        keep_trying: bool = False,
        request_timeout: float = REQUEST_TIMEOUT_SECONDS,
        key: KeyFile | Path | str | None = None,
        ssl: SSLContext | None = None,
        dial: Dial | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random_module.random,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        if encoding not in ("json", "msgpack"):
            raise InvalidInput(f"encoding must be json or msgpack, not {encoding!r}", field="encoding")
        self.url = url
        if key is not None and not isinstance(key, KeyFile):
            key = KeyFile.load(Path(key))
        dial = dial or partial(open_link, ssl_context=ssl)
        settings = Settings(url, encoding, reconnect, keep_trying, request_timeout, dial, sleep, random, key)
        super().__init__(Keeper(settings), request_timeout, new_id)
        self.stats: ClientStats = self._keeper.stats

    async def __aenter__(self) -> Self:
        try:
            await self._keeper.start()
        except BaseException:
            await self._keeper.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; iterations end, waits raise `ConnectionLost`. Closing twice is no error."""
        await self._keeper.stop()

    # ---- the server ------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._keeper.connected

    @property
    def hello(self) -> Hello:
        """What the server said first on the newest connection: session, epoch, limits.

        Raises:
            ConnectionLost: there was no connection yet.
        """
        if self._keeper.hello is None:
            raise ConnectionLost("not connected yet")
        return self._keeper.hello

    @property
    def draining(self) -> int | None:
        """When the server, which stops or restarts, closes the newest connection: ns since the Unix epoch, by its own
        clock. None when it has not said so.

        Until then everything works, order entry included; afterwards the client reconnects by itself. It also says so
        in the log, as `tickwire.client.keeper` at level INFO. With `session.cancel_on_disconnect` armed, that close
        cancels as any other: disarm it now if the orders are to stay.
        """
        return None if self._keeper.drain is None else self._keeper.drain.deadline

    @property
    def silence(self) -> float:
        """Seconds since the server was heard last, on whichever connection; infinite before the first one. The server
        speaks every `hello.heartbeat_ms` or more often: after twice that, what is shown may be old. After 2.5 times
        the connection is given up; `connected` is then False until there is another."""
        received_ns = self._keeper.received_ns
        return inf if received_ns is None else (monotonic_ns() - received_ns) / 1e9

    def server_time(self) -> int:
        """What the server's clock shows now, ns since the Unix epoch, for the `deadline` and `expires_at` of orders
        where this machine's clock may be wrong. Known from the last heartbeat without asking, so behind by the time
        that one was on its way.

        Raises:
            ConnectionLost: there was no connection yet.
        """
        return self._keeper.server_time(monotonic_ns())

    async def request(self, method: str, params: object = None) -> Any:
        """Any request of the protocol; the result as plain dicts and lists. The methods below are typed.

        Raises:
            RequestRefused: the server says no; `code`, `field` and `retry` say more.
            ConnectionLost: not connected, or the connection was lost before the reply; the message says which.
            ClientError: no reply in time; the message says whether the request was sent.
        """
        return await self._keeper.request(method, params, object)

    async def ping(self) -> int:
        """Round trip to the server in ns. Errors as of `request`."""
        begin = perf_counter_ns()
        await self._keeper.request("ping", None, object)
        return perf_counter_ns() - begin

    async def time(self) -> int:
        """The server's time, ns since the Unix epoch. Errors as of `request`."""
        return (await self._keeper.request("time", None, _Time)).time

    async def instruments(self, venue: str | None = None, asset_class: str | None = None) -> list[InstrumentInfo]:
        """The instruments, all or those of a venue or an asset class. Errors as of `request`."""
        return await self._keeper.list_instruments(venue, asset_class)

    async def subscriptions(self) -> list[StreamState]:
        """What the server says this session is subscribed to. Errors as of `request`."""
        return (await self._keeper.request("subscriptions", None, _Streams)).streams

    async def snapshot(
        self,
        channel: str,
        symbol: str,
        *,
        depth: int | None = None,
        interval_ms: int | None = None,
        interval: str | None = None,
    ) -> StreamMessage:
        """How a stream stands, without subscribing. Errors as of `request`."""
        params = SnapshotParams(channel, symbol, depth, interval_ms, interval)
        connection = self._keeper.connection()
        return connection.session.decode_message(await connection.request("snapshot", params))

    async def candles(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        limit: int = CANDLES_DEFAULT,
        start: int | datetime | None = None,
        end: int | datetime | None = None,
    ) -> Candles:
        """The newest candles that there are, at most `limit`, oldest first; the last one may still be open.

        Args:
            interval: a name of `CANDLE_INTERVALS_NS`.
            limit: up to 10,000, which is what a server keeps; more than 1,000 are several requests, and beyond 5,000
                it waits where the server's limit of requests a second wants it to.
            start, end: only candles that begin from `start` on, before `end`: ns since the epoch, or a `datetime`
                with a time zone.

        Raises:
            InvalidInput: no such interval, a limit or a time out of bounds, a time without a zone. UnknownSymbol.
                Others as `request`.
        """
        return await read_candles(self._keeper, await self._keeper.instrument(symbol), interval, limit, start, end)

    # ---- streams ---------------------------------------------------------------------------------

    async def subscribe(
        self,
        channel: str,
        symbols: str | Sequence[str] = (),
        *,
        depth: int | None = None,
        interval_ms: int | None = None,
        interval: str | None = None,
    ) -> Subscription:
        """Subscribe to a channel of one symbol or several: `async with await client.subscribe(...) as messages`. The
        channels of the account take no symbols.

        Args:
            depth, interval_ms: for `book`: only the best levels, at most so often.
            interval: for `candles`, such as "1m".

        Raises:
            InvalidInput: no such channel or option.
            RequestRefused, ConnectionLost, ClientError: as `request`.
        """
        if channel in PRIVATE_CHANNELS and not symbols:
            symbols = self._keeper.account()
        names = [symbols] if isinstance(symbols, str) else list(dict.fromkeys(symbols))
        if not names:
            raise InvalidInput("symbols is empty; name at least one", field="symbols")
        keys = [stream_key(channel, name, depth=depth, interval_ms=interval_ms, interval=interval) for name in names]
        return await self._keeper.join(Subscription(self._keeper, keys))

    async def book(self, symbol: str, *, depth: int | None = None, interval_ms: int | None = None) -> LiveBook:
        """A live book by level, valid when this returns. Errors as of `subscribe`, and `UnknownSymbol`."""
        key = stream_key("book", symbol, depth=depth, interval_ms=interval_ms)
        return await self._live(LiveBook(self._keeper, key, await self._keeper.instrument(symbol), self.stats))

    async def book_l3(self, symbol: str) -> LiveOrders:
        """A live book by order, valid when this returns. Errors as of `subscribe`, and `UnknownSymbol`."""
        key = stream_key("book_l3", symbol)
        return await self._live(LiveOrders(self._keeper, key, await self._keeper.instrument(symbol), self.stats))

    async def _live(self, live: L) -> L:
        await self._keeper.join(live)
        try:
            async with asyncio.timeout(self._request_timeout):
                await live.until(lambda _: True)
        except BaseException as error:
            await live.close()
            if isinstance(error, TimeoutError):
                raise ClientError(f"no snapshot of {live.symbol} within {self._request_timeout} s") from None
            raise
        return live


def connect(
    url: str,
    *,
    encoding: Encoding = "json",
    reconnect: bool = True,
    keep_trying: bool = False,
    request_timeout: float = REQUEST_TIMEOUT_SECONDS,
    key: KeyFile | Path | str | None = None,
    ssl: SSLContext | None = None,
) -> Client:
    """A client of the server at `url`: `async with connect("ws://127.0.0.1:8000/ws") as client`.

    Arguments as of `Client`.

    Raises:
        ConfigError: the key's file can't be read.
        ConnectionLost: on entering: the first attempt failed; the message says what to check.
    """
    return Client(
        url,
        encoding=encoding,
        reconnect=reconnect,
        keep_trying=keep_trying,
        request_timeout=request_timeout,
        key=key,
        ssl=ssl,
    )
