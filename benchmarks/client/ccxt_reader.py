"""ccxt.pro's Binance client as its manual has it, in an environment of its own: `python ccxt_reader.py PORT LAST`.

Says the same as `readers.py`, and imports nothing of this project, since that environment has not got it. Levels are
floats there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import ccxt.pro

TIMEOUT_SECONDS = 20
MARKET = {
    "id": "BTCUSDT",
    "lowercaseId": "btcusdt",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "baseId": "BTC",
    "quoteId": "USDT",
    "type": "spot",
    "spot": True,
    "active": True,
    "precision": {"price": 0.01, "amount": 0.00001},
    "limits": {},
    "info": {},
}


def say(**what: object) -> None:
    """Say something to the process that has started this one."""
    print(json.dumps(what), flush=True)


async def read(port: int, last: int) -> None:
    """Watch the book until its last change."""
    exchange: Any = ccxt.pro.binance(
        {
            "enableRateLimit": False,
            "options": {"fetchCurrencies": False, "fetchMargins": False},
            "urls": {
                "api": {
                    "public": f"http://127.0.0.1:{port}/api/v3",
                    "ws": {"spot": f"ws://127.0.0.1:{port}/binance/ws"},
                }
            },
        }
    )
    exchange.set_markets([exchange.safe_market_structure(MARKET)])
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            book = await exchange.watch_order_book(MARKET["symbol"])
            say(ready=True)
            began_ns = time.process_time_ns()
            while book["nonce"] < last:
                book = await exchange.watch_order_book(MARKET["symbol"])
        cpu_seconds = (time.process_time_ns() - began_ns) / 1e9
        rows = {side: [[str(cell) for cell in level] for level in book[side]] for side in ("bids", "asks")}
        say(ended_ns=time.monotonic_ns(), cpu_seconds=cpu_seconds, messages=None, orders=[], **rows)
    except (ccxt.BaseError, TimeoutError) as error:
        say(error=f"{error!r}")
    finally:
        await exchange.close()


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(1, len(cores) - 1)]})
    asyncio.run(read(int(sys.argv[1]), int(sys.argv[2])))
