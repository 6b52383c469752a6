"""Subscriptions: the messages of one channel, for one reader."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from tickwire.client.queue import Queue
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_outcomes import Notice
from tickwire.protocol.messages import StreamMessage


class Owner(Protocol):
    """What a consumer needs of its client."""

    def leave(self, consumer: Consumer) -> None:
        """End the consumer's streams, unless another one has them too."""
        ...

    def flow(self, queue: Queue[Any], full: bool) -> None:
        """A queue is full, or has room again."""
        ...


class Consumer:
    """Something that takes the messages of streams: a subscription or a live book. Use it as a context manager,
    or call `close`.

    Attributes:
        keys: the streams, which differ in the symbol only.
    """

    def __init__(self, owner: Owner, keys: Sequence[StreamKey]) -> None:
        self.keys = tuple(keys)
        self._owner = owner
        self._closed = False

    async def close(self) -> None:
        """End it. Whoever iterates over it comes to the end. Closing twice is no error."""
        if not self._closed:
            self._closed = True
            self._fail(StopAsyncIteration())
            self._owner.leave(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # what the client calls

    def _take(self, message: StreamMessage, size: int) -> str | None:
        """Take a message; a string says what is wrong with it."""
        raise NotImplementedError

    def _notice(self, notice: Notice) -> None:
        """Something was left out, or a stream goes on."""
        raise NotImplementedError

    def _interrupt(self, key: StreamKey, reason: str) -> None:
        """A lossless stream's connection is gone; a notice follows over the next one."""

    def _fail(self, error: Exception) -> None:
        """Nothing more comes."""
        raise NotImplementedError


class Subscription(Consumer):
    """The messages of a channel for one or more symbols, in order: `async for message in subscription`.

    Yields `StreamMessage` with typed `data` and, where something is missing, a `Gap` or `Skipped` (the server
    says so) or a `Lost` (found out on this side); after a `Gap` or `Lost` the next message of that stream is a
    snapshot. After a lost connection every stream says one of two things: `Resumed`, then come exactly the messages
    that it missed; or `Lost`, at once where the class is latest and nothing could bring them back. Iteration ends when
    the subscription or its client is closed.

    Read it steadily: a subscription that nobody reads fills up, and then the whole client stops reading.

    Raises (while iterating):
        ConnectionLost: the connection is gone, and the client does not or must not reconnect.
        RequestRefused: the server refused the stream after a reconnection.
    """

    def __init__(self, owner: Owner, keys: Sequence[StreamKey]) -> None:
        super().__init__(owner, keys)
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        self._queue: Queue[StreamMessage | Notice] = Queue(f"{keys[0].channel} of {keys[0].symbol}{more}", owner.flow)

    @property
    def symbols(self) -> list[str]:
        """What it is subscribed to."""
        return [key.symbol for key in self.keys]

    @property
    def waiting(self) -> int:
        """Messages that have arrived and are not read yet."""
        return len(self._queue)

    def __aiter__(self) -> Queue[StreamMessage | Notice]:
        return self._queue

    async def close(self) -> None:
        """End it. What was not read yet is dropped."""
        await super().close()
        self._queue.discard()

    def _take(self, message: StreamMessage, size: int) -> str | None:
        self._queue.put(message, size)
        return None

    def _notice(self, notice: Notice) -> None:
        self._queue.put(notice)

    def _fail(self, error: Exception) -> None:
        self._queue.end(error)
