"""The client: everything a tickwire server offers, over a connection that mends itself."""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tickwire.client.backoff import backoff_seconds
from tickwire.client.books import Live, LiveBook, LiveOrders
from tickwire.client.connection import Connection
from tickwire.client.link import Dial, open_link
from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer, Subscription
from tickwire.errors import ClientError, ConnectionLost, InvalidInput, RequestRefused, UnknownSymbol
from tickwire.model.channel import StreamKey, stream_key
from tickwire.protocol.client_outcomes import ClientStats, Notice
from tickwire.protocol.client_session import Encoding
from tickwire.protocol.messages import (
    Hello,
    InstrumentInfo,
    InstrumentsParams,
    SnapshotParams,
    StreamMessage,
    StreamState,
)

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
L = TypeVar("L", bound=Live)
C = TypeVar("C", bound=Consumer)

REQUEST_TIMEOUT_SECONDS = 10.0
"""How long a reply may take: twice the default heartbeat, so that a dead connection is noticed first or nearly."""


class _Time(msgspec.Struct, frozen=True):
    time: int


class _Streams(msgspec.Struct, frozen=True):
    streams: list[StreamState]


class _Instruments(msgspec.Struct, frozen=True):
    instruments: list[InstrumentInfo]


class Client:
    """A client of one server: `async with connect(url) as client`. Its calls are for one event loop.

    When the connection is lost it is made anew, with full-jitter exponential backoff, and every subscription and
    live book goes on with a fresh snapshot. Requests are not repeated: their caller gets `ConnectionLost`. After
    a close code from 4400 to 4499 there is no reconnection.

    Args:
        url: `ws://host:8000/ws`.
        encoding: `json`, or `msgpack`, which is smaller and somewhat faster to decode.
        reconnect: False lets iterators and books end with `ConnectionLost` instead.
        keep_trying: True repeats the first connection as well, instead of raising.
        request_timeout: seconds that a reply may take.
        dial, sleep, random: the network, the wait and the jitter (0 up to 1), for tests.

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
        dial: Dial = open_link,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        if encoding not in ("json", "msgpack"):
            raise InvalidInput(f"encoding must be json or msgpack, not {encoding!r}", field="encoding")
        self.url = url
        self.stats = ClientStats()
        self._encoding: Encoding = encoding
        self._reconnect = reconnect
        self._keep_trying = keep_trying
        self._request_timeout = request_timeout
        self._dial = dial
        self._sleep = sleep
        self._random = random
        self._attempt = 0
        self._connection: Connection | None = None
        self._hello: Hello | None = None
        self._end: ConnectionLost | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._instruments: dict[str, InstrumentInfo] = {}
        self._consumers: dict[StreamKey, tuple[Consumer, ...]] = {}
        self._full: dict[Queue[Any], None] = {}
        self._room = asyncio.Event()
        self._room.set()

    async def __aenter__(self) -> Self:
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(first), name=f"tickwire {self.url}")
        try:
            await first
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; iterations end, waits raise `ConnectionLost`. Closing twice is no error."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))
        if self._end is None:
            self._finish(ConnectionLost("the client is closed", code=1000), StopAsyncIteration())
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    # ---- the server ------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and not self._connection.lost.done()

    @property
    def hello(self) -> Hello:
        """What the server said first on the newest connection: session, epoch, limits.

        Raises:
            ConnectionLost: there was no connection yet.
        """
        if self._hello is None:
            raise ConnectionLost("not connected yet")
        return self._hello

    async def request(self, method: str, params: object = None) -> Any:
        """Any request of the protocol; the result as plain dicts and lists. The methods below are typed.

        Raises:
            RequestRefused: the server says no; `code`, `field` and `retry` say more.
            ConnectionLost: not connected, or the connection was lost before the reply; the message says which.
            ClientError: no reply in time; the message says whether the request was sent.
        """
        return await self._request(method, params, object)

    async def ping(self) -> int:
        """Round trip to the server in ns. Errors as of `request`."""
        begin = perf_counter_ns()
        await self._request("ping", None, object)
        return perf_counter_ns() - begin

    async def time(self) -> int:
        """The server's time, ns since the Unix epoch. Errors as of `request`."""
        return (await self._request("time", None, _Time)).time

    async def instruments(self, venue: str | None = None, asset_class: str | None = None) -> list[InstrumentInfo]:
        """The instruments, all or those of a venue or an asset class. Errors as of `request`."""
        params = InstrumentsParams(venue, asset_class)
        return (await self._request("instruments", params, _Instruments)).instruments

    async def subscriptions(self) -> list[StreamState]:
        """What the server says this session is subscribed to. Errors as of `request`."""
        return (await self._request("subscriptions", None, _Streams)).streams

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
        connection = self._connected()
        return connection.session.decode_message(await connection.request("snapshot", params))

    # ---- streams ---------------------------------------------------------------------------------

    async def subscribe(
        self,
        channel: str,
        symbols: str | Sequence[str],
        *,
        depth: int | None = None,
        interval_ms: int | None = None,
        interval: str | None = None,
    ) -> Subscription:
        """Subscribe to a channel of one symbol or several: `async with await client.subscribe(...) as messages`.

        Args:
            depth, interval_ms: for `book`: only the best levels, at most so often.
            interval: for `candles`, such as "1m".

        Raises:
            InvalidInput: no such channel or option.
            RequestRefused, ConnectionLost, ClientError: as `request`.
        """
        names = [symbols] if isinstance(symbols, str) else list(dict.fromkeys(symbols))
        if not names:
            raise InvalidInput("symbols is empty; name at least one", field="symbols")
        keys = [stream_key(channel, name, depth=depth, interval_ms=interval_ms, interval=interval) for name in names]
        return await self._join(Subscription(self, keys))

    async def book(self, symbol: str, *, depth: int | None = None, interval_ms: int | None = None) -> LiveBook:
        """A live book by level, valid when this returns. Errors as of `subscribe`, and `UnknownSymbol`."""
        key = stream_key("book", symbol, depth=depth, interval_ms=interval_ms)
        return await self._live(LiveBook(self, key, await self._instrument(symbol), self.stats))

    async def book_l3(self, symbol: str) -> LiveOrders:
        """A live book by order, valid when this returns. Errors as of `subscribe`, and `UnknownSymbol`."""
        key = stream_key("book_l3", symbol)
        return await self._live(LiveOrders(self, key, await self._instrument(symbol), self.stats))

    # ---- requests inside -------------------------------------------------------------------------

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.lost.done():
            return self._connection
        raise self._end or ConnectionLost(f"not connected to {self.url} now; nothing was sent")

    async def _request(self, method: str, params: object, kind: type[T]) -> T:
        connection = self._connected()
        return connection.session.decode(await connection.request(method, params), kind)

    async def _instrument(self, symbol: str) -> InstrumentInfo:
        if symbol not in self._instruments:
            self._instruments = {info.symbol: info for info in await self.instruments()}
        info = self._instruments.get(symbol)
        if info is None:
            raise UnknownSymbol(symbol)
        return info

    # ---- consumers -------------------------------------------------------------------------------

    async def _join(self, consumer: C) -> C:
        connection = self._connected()
        for key in consumer.keys:
            self._consumers[key] = (*self._consumers.get(key, ()), consumer)
        try:
            await connection.subscribe(list(consumer.keys))
        except RequestRefused:
            connection.session.untrack(self._remove(consumer))
            raise
        except BaseException:
            self.leave(consumer)
            raise
        return consumer

    async def _live(self, live: L) -> L:
        await self._join(live)
        try:
            async with asyncio.timeout(self._request_timeout):
                await live.until(lambda _: True)
        except BaseException as error:
            await live.close()
            if isinstance(error, TimeoutError):
                raise ClientError(f"no snapshot of {live.symbol} within {self._request_timeout} s") from None
            raise
        return live

    def _remove(self, consumer: Consumer) -> list[StreamKey]:
        """Forget a consumer; returns the streams that nobody wants now."""
        unwanted = []
        for key in consumer.keys:
            others = tuple(other for other in self._consumers.pop(key, ()) if other is not consumer)
            if others:
                self._consumers[key] = others
            else:
                unwanted.append(key)
        return unwanted

    def leave(self, consumer: Consumer) -> None:
        """For consumers: end their streams, unless another one has them too."""
        unwanted = self._remove(consumer)
        if unwanted and self._connection is not None:
            self._connection.unsubscribe(unwanted)

    def flow(self, queue: Queue[Any], full: bool) -> None:
        """For queues: stop reading while any is full."""
        if full:
            self._full[queue] = None
            self._room.clear()
            if self._connection is not None:
                self._connection.pause(self._why_paused)
        else:
            self._full.pop(queue, None)
            if not self._full:
                self._room.set()
                asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._full and self._connection is not None:
            self._connection.resume()

    def _why_paused(self) -> str:
        names = ", ".join(queue.name for queue in self._full)
        return f"the client reads nothing while these wait to be read: {names}"

    # ---- what the connection calls ---------------------------------------------------------------

    def delivered(self, key: StreamKey, message: StreamMessage, size: int) -> None:
        """The next message of a stream."""
        for consumer in self._consumers.get(key, ()):
            problem = consumer._take(message, size)
            if problem is not None and self._connection is not None:
                if message.type == "snapshot":
                    # not even a fresh one fits: perhaps the instrument's steps are others now, so begin anew
                    self._connection.fail(1002, f"{key.channel} of {key.symbol}: {problem}")
                else:
                    self._connection.lose(key, problem)

    def noticed(self, key: StreamKey, notice: Notice) -> None:
        """Something of a stream was left out."""
        for consumer in self._consumers.get(key, ()):
            consumer._notice(notice)

    def ended(self, key: StreamKey, error: ClientError) -> None:
        """A stream can't be had any more."""
        for consumer in self._consumers.get(key, ()):
            consumer._fail(error)
            self.leave(consumer)

    def heartbeat(self) -> None:
        """The connection has proved good."""
        self._attempt = 0

    # ---- the connection --------------------------------------------------------------------------

    async def _keep(self, first: asyncio.Future[None]) -> None:
        """Connect, and again whenever the connection is lost."""
        while True:
            await self._room.wait()  # a new connection could not be read anyway
            try:
                error = await self._connect_once(first)
            except ConnectionLost as failed:
                error = failed
                if not first.done() and not self._keep_trying:
                    first.set_exception(error)
                    return
            if 4400 <= error.code <= 4499 or (first.done() and not self._reconnect):
                self._finish(error, error)
                if not first.done():
                    first.set_exception(error)
                return
            await self._sleep(backoff_seconds(self._attempt, self._random))
            self._attempt += 1

    async def _connect_once(self, first: asyncio.Future[None]) -> ConnectionLost:
        connection = Connection(self._encoding, self, self.stats, self._request_timeout)
        self._hello = await connection.open(self._dial, self.url, self._encoding)
        self._connection = connection
        self.stats.connections += 1
        try:
            self._instruments = {}
            await self._restore(connection)
        except ClientError as error:
            connection.fail(1000, f"the subscriptions could not be resumed: {error}")
        if not first.done():
            first.set_result(None)
        error = await connection.lost
        await connection.close()
        return error

    async def _restore(self, connection: Connection) -> None:
        """Take up what the last connection was subscribed to."""
        books = [
            consumer for consumers in self._consumers.values() for consumer in consumers if isinstance(consumer, Live)
        ]
        if books:
            self._instruments = {info.symbol: info for info in await self.instruments()}
            for book in books:
                if book.symbol in self._instruments:
                    book._rescale(self._instruments[book.symbol])
        connection.resume_streams(list(self._consumers))

    def _finish(self, error: ConnectionLost, told: Exception) -> None:
        """It is over: tell everyone."""
        self._end = error
        consumers: Iterable[Consumer] = {consumer: None for group in self._consumers.values() for consumer in group}
        self._consumers = {}
        for consumer in consumers:
            consumer._fail(told)


def connect(
    url: str,
    *,
    encoding: Encoding = "json",
    reconnect: bool = True,
    keep_trying: bool = False,
    request_timeout: float = REQUEST_TIMEOUT_SECONDS,
) -> Client:
    """A client of the server at `url`: `async with connect("ws://127.0.0.1:8000/ws") as client`.

    Arguments as of `Client`.

    Raises (on entering):
        ConnectionLost: the first attempt failed; the message says what to check.
    """
    return Client(url, encoding=encoding, reconnect=reconnect, keep_trying=keep_trying, request_timeout=request_timeout)
