"""python-binance, for `test_python_binance.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager

from clients.lines import Watching, run


class PythonBinance(Watching):
    """Does what the methods of its client and its socket manager do, named as there.

    Nothing is closed: a socket of this client would first wait ten seconds for a message.
    """

    def __init__(self, account: Any, sockets: Any) -> None:
        super().__init__()
        self._account = account
        self._sockets = sockets

    async def do(self, method: str, **arguments: Any) -> Any:
        """The result of a method of the client."""
        return await getattr(self._account, method)(**arguments)

    async def watch(self, socket: str, arguments: list[Any]) -> None:
        """Note all that a socket gives from now on, by its name; it is open when this returns."""
        opened = await getattr(self._sockets, socket)(*arguments).__aenter__()
        self.keep_watching(socket, opened.recv)

    async def watch_depth(self, symbol: str) -> None:
        """Note every state of a depth cache."""
        manager = DepthCacheManager(
            self._account, symbol, bm=self._sockets, limit=1000, conv_type=Decimal, ws_interval=100
        )
        await manager.__aenter__()

        async def book() -> dict[str, Any]:
            cache = await manager.recv()
            return {"id": manager._last_update_id, "bids": cache.get_bids(), "asks": cache.get_asks()}

        self.keep_watching("depth", book)


@asynccontextmanager
async def client(http: str, ws: str, key: str, secret: str) -> AsyncIterator[PythonBinance]:
    """A client and a socket manager."""
    AsyncClient.API_URL = f"{http}/api"
    AsyncClient.WS_API_URL = f"{ws}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{ws}/"
    account = await AsyncClient.create(key, secret)
    python_binance = PythonBinance(account, BinanceSocketManager(account))
    yield python_binance
    python_binance.stop_watching()
    await account.session.close()


run(client)
