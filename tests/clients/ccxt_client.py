"""ccxt.pro's Binance client, for `test_ccxt.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import ccxt.pro

from clients.lines import Watching, run


class Ccxt(Watching):
    """Does what the methods of an exchange do, named as there."""

    def __init__(self, exchange: Any) -> None:
        super().__init__()
        self._exchange = exchange

    async def do(self, method: str, arguments: list[Any]) -> Any:
        """The result of a method."""
        return await getattr(self._exchange, method)(*arguments)

    async def watch(self, method: str, arguments: list[Any]) -> None:
        """Note all that a watching method gives from now on, by its name."""
        self.keep_watching(method, partial(getattr(self._exchange, method), *arguments))


@asynccontextmanager
async def client(http: str, ws: str, key: str, secret: str) -> AsyncIterator[Ccxt]:
    """The exchange with its markets loaded, every address of it on the server."""
    exchange = ccxt.pro.binance(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
            "urls": {
                "api": {
                    "public": f"{http}/api/v3",
                    "private": f"{http}/api/v3",
                    "ws": {"spot": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
                }
            },
        }
    )
    ccxt_client = Ccxt(exchange)
    try:
        await exchange.load_markets()
        yield ccxt_client
    finally:
        ccxt_client.stop_watching()
        await exchange.close()


run(client)
