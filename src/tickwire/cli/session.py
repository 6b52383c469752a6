"""What the commands that are clients share: the server's address, the connection, and the choice of instruments."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Annotated, Any, TypeAlias

import typer

from tickwire.client import Client, connect
from tickwire.errors import ConnectionLost, InvalidInput
from tickwire.protocol.client_session import Encoding
from tickwire.protocol.messages import InstrumentInfo

DEFAULT_URL = "ws://127.0.0.1:8000/ws"
ALL = "all"
LIKENESS_MIN = 0.4
"""How like a symbol a wrong one must be to be taken for it: `BTC` for `SIM:BTC-USDT`, but not `XYZ`."""

Url: TypeAlias = Annotated[str, typer.Option("--url", envvar="TICKWIRE_URL", help="The server's WebSocket.")]
Symbols: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="SYMBOL", help=f"Such as SIM:BTC-USDT; `{ALL}` for every instrument."),
]


@asynccontextmanager
async def connected(url: str, encoding: Encoding = "json") -> AsyncIterator[Client]:
    """A client of the server at `url`.

    Raises:
        ConnectionLost: there is none; the message says what to do.
    """
    client = connect(url, encoding=encoding)
    try:
        await client.__aenter__()
    except ConnectionLost as error:
        if isinstance(error.__cause__, OSError) and _refused(error.__cause__):
            raise ConnectionLost(
                f"nothing listens at {url}: start a server with `tickwire serve`, or name another with --url"
            ) from error
        raise
    try:
        yield client
    finally:
        await client.close()


def _refused(error: OSError) -> bool:
    # a name with several addresses gives one error for all of them, without a number of its own
    return error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)


def find(instruments: Sequence[InstrumentInfo], symbol: str) -> InstrumentInfo:
    """The instrument of a symbol.

    Raises:
        InvalidInput: there is none; the message names the most alike.
    """
    known = {info.symbol: info for info in instruments}
    if symbol not in known:
        alike = get_close_matches(symbol.upper(), known, n=1, cutoff=LIKENESS_MIN)
        hint = f"did you mean {alike[0]}?" if alike else "`tickwire instruments` lists those there are"
        raise InvalidInput(f"no instrument {symbol}: {hint}", field="symbol", code="unknown_symbol")
    return known[symbol]


def chosen(instruments: Sequence[InstrumentInfo], symbols: Sequence[str]) -> list[InstrumentInfo]:
    """The instruments that were asked for, each once; every one for `all`. Errors as of `find`."""
    if list(symbols) == [ALL]:
        return list(instruments)
    return [find(instruments, symbol) for symbol in dict.fromkeys(symbols)]


async def first_of(*work: Coroutine[Any, Any, object]) -> None:
    """Run all until one of them ends, and stop the others. Raises what that one raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
