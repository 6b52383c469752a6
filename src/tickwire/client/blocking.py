"""The blocking client, for notebooks and scripts: the asyncio client on a thread of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypeVar

from tickwire.client.client import REQUEST_TIMEOUT_SECONDS, Client
from tickwire.client.orders import LiveOrder
from tickwire.client.subscription import Consumer
from tickwire.keyfile import KeyFile
from tickwire.protocol.client_codec import Encoding

T = TypeVar("T")


class _Loop:
    """An event loop on a daemon thread."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="tickwire client", daemon=True)
        self._thread.start()
        self._started.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here; an interrupt of the wait cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread, and what still runs there."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._started.set()
        await self._stopped.wait()


class Blocking:
    """Makes an object of the asyncio client blocking, by one rule and no second copy of its interface:

    - what was to be awaited is simply called: `client.ping()`, `book.until(...)`;
    - `async for` and `async with` become `for` and `with`;
    - attributes and methods are read on the client's thread, so that a book never changes during a read;
    - what comes back is blocking too, where it is a subscription, a live book, order or account.

    A message takes a hop between two threads, which is good for some ten thousand a second. Names, arguments,
    results and errors are those of `Client` and of what it gives out.
    """

    def __init__(self, target: Any, loop: _Loop) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if callable(getattr(type(self._target), name, None)):
            return lambda *args, **kwargs: self._call(lambda: getattr(self._target, name)(*args, **kwargs))
        return self._call(lambda: getattr(self._target, name))

    def __iter__(self) -> Iterator[Any]:
        iterator: AsyncIterator[Any] = self._target.__aiter__()
        try:
            while True:
                try:
                    yield self._call(lambda: anext(iterator))
                except StopAsyncIteration:
                    return
        finally:
            if inspect.isasyncgen(iterator):
                self._loop.run(iterator.aclose())

    def __enter__(self) -> Self:
        self._call(self._target.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(lambda: self._target.__aexit__(kind, error, trace))

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._target) if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"<blocking {self._target!r}>"

    def _repr_html_(self) -> str | None:
        show = getattr(self.__dict__.get("_target"), "_repr_html_", None)
        return None if show is None else str(self._call(show))

    def _call(self, make: Callable[[], Any]) -> Any:
        async def on_loop() -> Any:
            result = make()
            return await result if inspect.isawaitable(result) else result

        result = self._loop.run(on_loop())
        return Blocking(result, self._loop) if isinstance(result, Consumer | LiveOrder) else result


class BlockingClient(Blocking):
    """The blocking `Client`; its thread lives as long as its `with` block."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if "_target" not in self.__dict__:
            raise AttributeError("the client is not open: use it as `with connect_blocking(...) as client`")
        return super().__getattr__(name)

    def __enter__(self) -> Self:
        super().__init__(self._make(), _Loop())
        try:
            return super().__enter__()
        except BaseException:
            self._loop.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._loop.stop()


def connect_blocking(
    url: str,
    *,
    encoding: Encoding = "json",
    reconnect: bool = True,
    keep_trying: bool = False,
    request_timeout: float = REQUEST_TIMEOUT_SECONDS,
    key: KeyFile | Path | str | None = None,
    ssl: SSLContext | None = None,
) -> BlockingClient:
    """The blocking twin of `connect`: `with connect_blocking("ws://127.0.0.1:8000/ws") as client`.

    Arguments as of `Client`.

    Raises (on entering):
        ConnectionLost: the first attempt failed; the message says what to check.
    """
    return BlockingClient(
        lambda: Client(
            url,
            encoding=encoding,
            reconnect=reconnect,
            keep_trying=keep_trying,
            request_timeout=request_timeout,
            key=key,
            ssl=ssl,
        )
    )
