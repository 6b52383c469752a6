"""Keeps a client connected and logged in, and what it is subscribed to going, over one connection after the other."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec

from tickwire.client.backoff import backoff_seconds
from tickwire.client.books import Live
from tickwire.client.connection import Connection
from tickwire.client.link import Dial
from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer
from tickwire.errors import ClientError, ConnectionLost, InvalidInput, RequestRefused, UnknownSymbol
from tickwire.keyfile import KeyFile
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.protocol.client_codec import Encoding, by_request
from tickwire.protocol.client_outcomes import ClientStats, Notice
from tickwire.protocol.client_streams import Places
from tickwire.protocol.messages import (
    Drain,
    Hello,
    InstrumentInfo,
    InstrumentsParams,
    Lagging,
    LoginParams,
    LoginResult,
    StreamMessage,
)

_RETRY_AFTER = re.compile(r"retry_after=(\d{1,6})\)?$")
"""At the end of a close reason: the seconds to stay away, at most 11 days."""

log = logging.getLogger(__name__)

T = TypeVar("T")
C = TypeVar("C", bound=Consumer)


class Settings(NamedTuple):
    """What a client was told; see `Client`."""

    url: str
    encoding: Encoding
    reconnect: bool
    keep_trying: bool
    request_timeout: float
    dial: Dial
    sleep: Callable[[float], Awaitable[object]]
    random: Callable[[], float]
    key: KeyFile | None = None


class _Instruments(msgspec.Struct, frozen=True):
    instruments: list[InstrumentInfo]


class Keeper:
    """The connection of a client and its consumers (subscriptions and live books).

    Attributes:
        stats: counters over all connections.
        hello: what the server said first on the newest one.
        drain: that the server closes the newest one soon, when it has said so.
        login: whom the server takes the client for; None when it has no key.
        guards: method -> parameters of the requests that are repeated after every login.
    """

    def __init__(self, settings: Settings) -> None:
        self.stats = ClientStats()
        self.hello: Hello | None = None
        self.drain: Drain | None = None
        self.login: LoginResult | None = None
        self.guards: dict[str, object] = {}
        self._settings = settings
        self._key = settings.key
        self._up = asyncio.Event()
        self._attempt = 0
        self._connection: Connection | None = None
        self._end: ConnectionLost | None = None
        self._task: asyncio.Task[None] | None = None
        self._instruments: dict[str, InstrumentInfo] = {}  # as the current connection lists them
        self._listing = asyncio.Lock()
        self._consumers: dict[StreamKey, tuple[Consumer, ...]] = {}
        self._full: dict[Queue[Any], None] = {}
        self._room = asyncio.Event()
        self._room.set()

    # ---- from the first connection to the last -----------------------------------------------------

    async def start(self) -> None:
        """Connect, and stay connected.

        Raises:
            ConnectionLost: the first attempt failed (unless told to keep trying).
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(first), name=f"tickwire {self._settings.url}")
        await first

    async def stop(self) -> None:
        """Close the connection and end all consumers. Stopping twice is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._finish(ConnectionLost("the client is closed", code=1000), StopAsyncIteration())
        if self._connection is not None:
            await self._connection.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and not self._connection.lost.done()

    @property
    def finished(self) -> bool:
        """Whether there will be no other connection."""
        return self._end is not None

    @property
    def received_ns(self) -> int | None:
        """When anything was received last, by the monotonic clock; None before the first connection."""
        return None if self._connection is None else self._connection.session.received_ns

    def server_time(self, now_ns: int) -> int:
        """What the server's clock shows at `now_ns` of the monotonic clock.

        Raises:
            ConnectionLost: there was no connection yet.
        """
        if self._connection is None:
            raise ConnectionLost("not connected yet")
        return self._connection.session.server_time(now_ns)

    def connection(self) -> Connection:
        """The connection.

        Raises:
            ConnectionLost: there is none now.
        """
        if self._end is not None:
            raise ConnectionLost(str(self._end), code=self._end.code)
        if self._connection is None or self._connection.lost.done():
            raise ConnectionLost(f"not connected to {self._settings.url} now; nothing was sent")
        return self._connection

    async def again(self, before: Connection) -> Connection:
        """The connection, or else the next one.

        Args:
            before: the one that was used before; when it is still there, it is the one.

        Raises:
            ConnectionLost: there will be none.
        """
        while before.lost.done() and self._end is None and (self._connection is before or not self.connected):
            self._up.clear()
            await self._up.wait()
        return self.connection()

    async def pause(self) -> None:
        """Wait a second, as `retry` in an error asks for."""
        await self._settings.sleep(1)

    async def _run(self, first: asyncio.Future[None]) -> None:
        try:
            error = await self._keep_connected(first)
        except Exception as defect:
            error = ConnectionLost(f"the client failed: {defect!r}")
            error.__cause__ = defect
        self._finish(error, error)
        if not first.done():
            first.set_exception(error)

    async def _keep_connected(self, first: asyncio.Future[None]) -> ConnectionLost:
        """Connect, and again whenever the connection is lost; returns the loss that ends it."""
        settings = self._settings
        while True:
            await self._room.wait()  # with a full queue a new connection could not be read anyway
            error = await self._connect(first)
            again = settings.reconnect if first.done() else settings.keep_trying
            if not again or 4400 <= error.code <= 4499:
                return error
            asked = _RETRY_AFTER.search(str(error))
            wait = backoff_seconds(self._attempt, settings.random)
            await settings.sleep(max(wait, float(asked[1])) if asked else wait)
            self._attempt += 1

    async def _connect(self, first: asyncio.Future[None]) -> ConnectionLost:
        """One connection, from its dialling to its loss."""
        settings = self._settings
        connection = Connection(settings.encoding, self, self.stats, settings.request_timeout)
        self.drain = None
        try:
            self.hello = await connection.open(settings.dial, settings.url, settings.encoding)
            await self._log_in(connection, self.hello)
        except ConnectionLost as error:
            return error
        places = Places("", {}) if self._connection is None else self._connection.session.places
        self._connection = connection
        connection.take_up(list(self._consumers), places)
        self._instruments = {}
        self.stats.connections += 1
        try:
            await self._restore(connection)
        except (ClientError, InvalidInput) as error:  # InvalidInput: a tick or lot size that is none
            connection.fail(1000, f"the subscriptions could not be resumed: {error}")
        self._up.set()
        if not first.done():
            first.set_result(None)
        lost = await connection.lost
        await connection.close()
        return lost

    async def _log_in(self, connection: Connection, hello: Hello) -> None:
        """Prove the key, before anything else is sent.

        Raises:
            ConnectionLost: it failed; with 4401 when the server does not want the key, which no repetition changes.
        """
        if self._key is None:
            return
        try:
            # what the last connection has sent must not arrive after the server was asked what became of it
            before = self._connection.session.hello if self._connection is not None else None
            takeover = before.session if before is not None else False
            params = LoginParams(self._key.key, self._key.sign(hello.challenge), takeover=takeover)
            result = await connection.request("auth.login", params)
            if self._key is None:
                raise ConnectionLost("logged out meanwhile", code=1000)
            self.login = connection.session.decode(result, LoginResult)
        except BaseException as error:
            if isinstance(error, RequestRefused) and error.retry:
                # the server may close it with a reason that says for how long
                pause = asyncio.create_task(self.pause())
                await asyncio.wait((connection.lost, pause), return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
            lost = connection.lost.result() if connection.lost.done() else None
            connection.fail(1000, "the login failed")
            await connection.close()
            if isinstance(error, RequestRefused) and not error.retry:
                raise ConnectionLost(f"the server refused the login: {error}", code=4401) from error
            if isinstance(error, ClientError) and lost is not None:
                raise lost from error
            if isinstance(error, InvalidInput):
                raise ConnectionLost(f"the client does not log in there: {error}", code=4401) from error
            if isinstance(error, ClientError):
                raise ConnectionLost(f"the login failed: {error}") from error
            raise

    async def _restore(self, connection: Connection) -> None:
        """Go on with what the last connection had: what guards its orders first, then its streams."""
        for method, params in self.guards.items():
            await connection.request(method, params)
        books = [live for consumers in self._consumers.values() for live in consumers if isinstance(live, Live)]
        if books:
            await self.list_instruments()
            for book in books:
                if book.symbol in self._instruments and book._rescale(self._instruments[book.symbol]):
                    connection.lose(book.keys[0], "the instrument's steps are others now")
        connection.resume_streams()

    def _finish(self, error: ConnectionLost, told: Exception) -> None:
        """It is over: tell everyone."""
        if self._end is None:
            self._end = error
        self._up.set()
        consumers = {consumer: None for group in self._consumers.values() for consumer in group}
        self._consumers = {}
        for consumer in consumers:
            consumer._fail(told)

    def account(self) -> str:
        """The account that the client acts for.

        Raises:
            InvalidInput: it has no key.
        """
        if self.login is None:
            raise InvalidInput("this needs a key: connect(url, key=...)", field="key", code="not_logged_in")
        return self.login.account

    async def log_out(self) -> None:
        """Log out for good: private streams end, and no later connection logs in.

        Without a connection that is all there is to do. Errors as of `Client.request`.
        """
        self._key = self.login = None
        self.guards.clear()
        try:
            if self.connected:
                with suppress(ConnectionLost):  # with the connection its login is gone, too
                    await self.request("auth.logout", None, object)
        finally:
            self._end_private()

    def _end_private(self) -> None:
        private = [key for key in self._consumers if key.channel in PRIVATE_CHANNELS]
        if self._connection is not None:
            self._connection.session.untrack(private)
        for consumer in {consumer: None for key in private for consumer in self._consumers[key]}:
            consumer._fail(StopAsyncIteration())
        for key in private:
            del self._consumers[key]

    # ---- requests --------------------------------------------------------------------------------

    async def request(self, method: str, params: object, kind: type[T]) -> T:
        """A request's result as what it should be. Errors as of `Client.request`."""
        connection = self.connection()
        return connection.session.decode(await connection.request(method, params), kind)

    async def list_instruments(self, venue: str | None = None, asset_class: str | None = None) -> list[InstrumentInfo]:
        """The server's instruments; remembered when the list is whole. Errors as of `Client.request`."""
        params = InstrumentsParams(venue, asset_class)
        rows = (await self.request("instruments", params, _Instruments)).instruments
        if venue is None and asset_class is None:
            self._instruments = {row.symbol: row for row in rows}
        return rows

    async def instrument(self, symbol: str) -> InstrumentInfo:
        """One instrument.

        Raises:
            UnknownSymbol: there is none of this name. Other errors as of `Client.request`.
        """
        async with self._listing:  # several who ask at once are one request
            if symbol not in self._instruments:
                await self.list_instruments()
        info = self._instruments.get(symbol)
        if info is None:
            raise UnknownSymbol(symbol)
        return info

    # ---- consumers -------------------------------------------------------------------------------

    async def join(self, consumer: C) -> C:
        """Subscribe to a consumer's streams. Errors as of `Client.request`."""
        connection = self.connection()
        for key in consumer.keys:
            self._consumers[key] = (*self._consumers.get(key, ()), consumer)
        try:
            for keys in by_request(consumer.keys):
                await connection.subscribe(keys)
        except BaseException:
            self.leave(consumer)
            raise
        return consumer

    def leave(self, consumer: Consumer) -> None:
        """End a consumer's streams, unless another one has them too."""
        unwanted = self._remove(consumer)
        if unwanted and self._connection is not None:
            for keys in by_request(unwanted):
                self._connection.unsubscribe(keys)

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

    def flow(self, queue: Queue[Any], full: bool) -> None:
        """Stop reading while any queue is full."""
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
                self._connection.lose(key, problem)
                if message.type == "snapshot":
                    # not even a fresh one fits: perhaps the instrument's steps are others now, so begin anew
                    self._connection.fail(1002, f"{key.channel} of {key.symbol}: {problem}")

    def noticed(self, key: StreamKey, notice: Notice) -> None:
        """Something of a stream was left out, or it goes on."""
        for consumer in self._consumers.get(key, ()):
            consumer._notice(notice)

    def interrupted(self, key: StreamKey, reason: str) -> None:
        """A lossless stream's connection is gone."""
        for consumer in self._consumers.get(key, ()):
            consumer._interrupt(key, reason)

    def ended(self, key: StreamKey, error: ClientError) -> None:
        """A stream can't be had any more."""
        for consumer in self._consumers.get(key, ()):
            consumer._fail(error)
            self.leave(consumer)

    def heartbeat(self) -> None:
        """The connection has proved good: the next loss is a first one again."""
        self._attempt = 0

    def lagging(self, lagging: Lagging) -> None:
        """What is received is behind what has been published."""
        log.info("%s: what is received is %d messages behind what is published", self._settings.url, lagging.messages)

    def draining(self, drain: Drain) -> None:
        """The server closes this connection soon, in good order: that loss is a first one, too."""
        self.drain = drain
        self._attempt = 0
        log.info("%s stops or restarts and will close this connection; the client then reconnects", self._settings.url)
