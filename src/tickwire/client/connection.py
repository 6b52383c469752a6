"""One connection: a link, the session that gives its bytes a meaning, and the requests that wait for replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Protocol, TypeVar

import msgspec

from tickwire.client.link import Dial, Link
from tickwire.errors import ClientError, ConnectionLost
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_codec import Encoding
from tickwire.protocol.client_outcomes import (
    Answered,
    Broken,
    ClientStats,
    Delivered,
    Ended,
    Interrupted,
    Notice,
    Noticed,
    Refused,
)
from tickwire.protocol.client_outcomes import Outcome as SessionOutcome
from tickwire.protocol.client_session import REQUESTS_MAX, ClientSession
from tickwire.protocol.client_streams import Places
from tickwire.protocol.messages import Drain, Heartbeat, Hello, Lagging, StreamMessage

T = TypeVar("T")


class Handler(Protocol):
    """Whoever gets what a connection's streams bring."""

    def delivered(self, key: StreamKey, message: StreamMessage, size: int) -> None:
        """The next message of a stream, `size` bytes long on the wire."""
        ...

    def noticed(self, key: StreamKey, notice: Notice) -> None:
        """Something of a stream was left out, or it goes on."""
        ...

    def interrupted(self, key: StreamKey, reason: str) -> None:
        """A lossless stream's connection is gone; a notice comes over the next one."""
        ...

    def ended(self, key: StreamKey, error: ClientError) -> None:
        """A stream can't be had any more."""
        ...

    def heartbeat(self) -> None:
        """The server is alive and well."""
        ...

    def draining(self, drain: Drain) -> None:
        """The server is about to stop."""
        ...

    def lagging(self, lagging: Lagging) -> None:
        """What is received is behind what has been published."""
        ...


class Connection:
    """A connection from its dialling to its loss; it is never used again.

    Attributes:
        session: what the server and this side agree on.
        lost: done when the connection is gone, with the error that says why.
    """

    def __init__(self, encoding: Encoding, handler: Handler, stats: ClientStats, request_timeout: float) -> None:
        self.session = ClientSession(encoding=encoding, opened_ns=monotonic_ns(), stats=stats)
        self.lost: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        self._handler = handler
        self._request_timeout = request_timeout
        self._link: Link | None = None
        self._hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._replies: dict[int, tuple[asyncio.Future[Any], Callable[[msgspec.Raw], Any]]] = {}
        self._slots = asyncio.Semaphore(REQUESTS_MAX // 2)  # the other half is for re-subscriptions
        self._parked: deque[bytes] = deque()  # what had been read from the socket when reading stopped
        self._gone = asyncio.Event()
        self._paused: Callable[[], str] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, dial: Dial, url: str, encoding: Encoding) -> Hello:
        """Connect and wait for the server's hello.

        Raises:
            ConnectionLost: it failed; the message says what to check.
        """
        self._link = await dial(url, encoding, self)
        self.session.heard(monotonic_ns())
        self._watch()
        try:
            await asyncio.wait((self._hello, self.lost), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.fail(1006, "canceled")
            await self._gone.wait()
            raise
        if self.lost.done():
            await self._gone.wait()
            raise self.lost.result()
        return self._hello.result()

    def fail(self, code: int, reason: str) -> None:
        """Give it up at once; `close` waits for the closing handshake. 1006: without one."""
        if self._link is not None:
            self._link.close(code, reason)
        self._give_up(code, reason)

    async def close(self) -> None:
        """Close it in good order, unless it is closed already, and wait until the socket is gone."""
        if self._link is not None:
            self._link.close(1000, "")
            await self._gone.wait()

    # ---- requests --------------------------------------------------------------------------------

    async def request(
        self, method: str, params: object, settle: Callable[[msgspec.Raw], Any] = lambda result: result
    ) -> Any:
        """Ask the server something and wait for the answer.

        Args:
            settle: called with the result as it arrives, before any message behind it is looked at, so that what is
                older never comes after what is newer; what it returns or raises is the outcome.

        Raises:
            RequestRefused: the server says no, and why.
            ConnectionLost: the connection is gone; `sent` says whether the request was sent.
            ClientError: no answer in time; `sent` as well.
        """
        return await self._wait(method, lambda: self.session.request(method, params), settle)

    async def subscribe(self, keys: list[StreamKey]) -> None:
        """Subscribe to streams that differ in the symbol only. Errors as of `request`."""
        await self._wait("subscribe", lambda: self.session.subscribe(keys), lambda _: None)

    def unsubscribe(self, keys: list[StreamKey]) -> None:
        """Unsubscribe from streams that differ in the symbol only."""
        self.session.unsubscribe(keys)
        self._send_own()

    async def _wait(
        self, method: str, make: Callable[[], tuple[int, bytes]], settle: Callable[[msgspec.Raw], Any]
    ) -> Any:
        request_id = 0
        try:
            async with asyncio.timeout(self._request_timeout), self._slots:
                if self.lost.done() or self._link is None:
                    raise ConnectionLost(f"not connected; {method} was not sent")
                request_id, data = make()
                reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._replies[request_id] = reply, settle
                self._link.send(data)
                return await reply
        except TimeoutError:
            why = f"; {self._paused()}" if self._paused is not None else ""
            outcome = "it was sent, so whether it was carried out is unknown" if request_id else "it was not sent"
            late = ClientError(f"no reply to {method} within {self._request_timeout} s: {outcome}{why}")
            late.sent = request_id != 0
            raise late from None
        except ConnectionLost as error:
            error.sent = request_id != 0
            raise
        finally:
            if request_id:
                self.session.forget(request_id)
                del self._replies[request_id]
                if not self.lost.done():
                    self._send_own()  # what waited for room

    # ---- streams ---------------------------------------------------------------------------------

    def take_up(self, keys: list[StreamKey], places: Places) -> None:
        """Track what an earlier connection was subscribed to, from where its session stood; ask for nothing yet."""
        self._act(self.session.take_up(keys, places))

    def resume_streams(self) -> None:
        """Ask for what was taken up."""
        self.session.resume()
        self._send_own()

    def lose(self, key: StreamKey, reason: str) -> None:
        """Give up a stream's state and have it begin anew."""
        self._act(self.session.lost(key, reason))
        self._send_own()

    def pause(self, why: Callable[[], str]) -> None:
        """Read nothing more until `resume`. `why` is for the errors of requests that time out meanwhile."""
        if self._paused is None and self._link is not None:
            self._link.pause()
        self._paused = why

    def resume(self) -> None:
        """Read on, first what had been read already."""
        if self._paused is None or self.lost.done():
            return
        self._paused = None
        self.session.heard(monotonic_ns())
        while self._parked:
            self._take(self._parked.popleft())
            if self._paused is not None or self.lost.done():
                return
        assert self._link is not None
        self._link.resume()

    # ---- what the link calls ---------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """One whole message."""
        if self.lost.done():
            return
        if self._paused is not None:
            self._parked.append(data)
        else:
            self._take(data)

    def link_lost(self, code: int, reason: str) -> None:
        """The socket is gone."""
        self._gone.set()
        self._give_up(code, reason)

    # ---- inside ----------------------------------------------------------------------------------

    def _give_up(self, code: int, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.lost.done():
            return
        self._parked.clear()
        error = ConnectionLost(f"the connection is lost ({code}{': ' if reason else ''}{reason})", code=code)
        self.lost.set_result(error)
        for reply, _ in self._replies.values():
            if not reply.done():
                reply.set_exception(
                    ConnectionLost(f"{error}; whether the request was carried out is unknown", code=code)
                )
        self._act(self.session.closed(str(error)))

    def _take(self, data: bytes) -> None:
        outcomes = self.session.received(data, monotonic_ns())
        if len(outcomes) == 1 and isinstance(outcome := outcomes[0], Delivered):
            # nearly every message comes to this, which leaves the session nothing to send
            self._handler.delivered(outcome.key, outcome.message, outcome.size)
            return
        self._act(outcomes)
        self._send_own()

    def _act(self, outcomes: list[SessionOutcome]) -> None:
        handler = self._handler
        for outcome in outcomes:
            match outcome:
                case Delivered(key, message, size):
                    handler.delivered(key, message, size)
                case Noticed(key, notice):
                    handler.noticed(key, notice)
                case Interrupted(key, reason):
                    handler.interrupted(key, reason)
                case Answered(request_id, result):
                    self._replied(request_id, result)
                case Refused(request_id, error):
                    self._replied(request_id, error)
                case Heartbeat():
                    handler.heartbeat()
                case Drain():
                    handler.draining(outcome)
                case Lagging():
                    handler.lagging(outcome)
                case Ended(key, error):
                    handler.ended(key, error)
                case Broken(code, reason):
                    self.fail(code, reason)
                case Hello() if not self._hello.done():
                    self._hello.set_result(outcome)

    def _replied(self, request_id: int, reply: msgspec.Raw | ClientError) -> None:
        future, settle = self._replies.get(request_id, (None, None))
        if future is None or settle is None or future.done():
            return
        try:
            if isinstance(reply, ClientError):
                raise reply
            future.set_result(settle(reply))
        except Exception as error:
            future.set_exception(error)

    def _send_own(self) -> None:
        if self._link is not None:
            for data in self.session.to_send():
                self._link.send(data)

    def _watch(self) -> None:
        """Cut the connection when nothing was heard for too long; silence of our own making does not count."""
        if self.lost.done():
            return
        if self._paused is not None:
            self.session.heard(monotonic_ns())
        left_ns = self.session.deadline - monotonic_ns()
        if left_ns <= 0:
            self.fail(1006, "nothing was heard from the server for too long")
            return
        self._timer = asyncio.get_running_loop().call_later(left_ns / 1e9, self._watch)
