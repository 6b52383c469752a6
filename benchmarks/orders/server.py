"""tickwire as in production, its tape of one durability and without a feed: one key for each account that trades.

It says `{"port": …, "logins": …}`; the first line on its stdin begins the measurement, the next one asks for a report.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.orders.trading import DURABILITIES, INSTRUMENT, account, opening
from benchmarks.processes import SERVER_CORE, pin, say, told
from tickwire.clock import wall_clock_ns
from tickwire.config import ServerSettings
from tickwire.model.channel import StreamKey
from tickwire.server.app import Server
from tickwire.tape.base import Durability


async def serve(durability: Durability, accounts: int, folder: Path) -> None:
    """Until stdin ends."""
    data_dir = None if durability == "none" else folder
    server = Server(
        ServerSettings(
            port=0,
            data_dir=data_dir,
            durability=durability,
            feeds=(),
            requests_per_second=1_000_000_000,
            drain_seconds=0,
        )
    )
    first = opening(accounts, wall_clock_ns())
    before = server.tape.append(first)
    for record in first:
        server.market.apply(record)
    keys = [server.keys.create(account(n), scopes=["trade"], kind="hmac")[1] for n in range(accounts)]
    logins = [base64.b64encode(f"{key.key}:{key.secret}".encode()).decode() for key in keys]
    async with server.running():
        say(port=server.port, logins=logins)
        if not await told():
            return
        gc.collect()
        gc.freeze()  # as `tickwire serve` does
        cpu = time.process_time()
        if not await told():
            return
        cpu = time.process_time() - cpu
        counts = Counter(type(record).__name__ for _, records in server.tape.read(before) for record in records)
        market = server.market
        say(
            cpu_seconds=cpu,
            transactions=counts["Clock"],
            placed=counts["PlaceOrder"],
            canceled=counts["CancelOrder"],
            open=sum(len(market.open_orders(INSTRUMENT.symbol, account(n))) for n in range(accounts)),
            taken=market.seq(StreamKey("fills", "maker")),
            imbalances=market.ledger.imbalances(),
        )
        await told()


if __name__ == "__main__":
    pin(SERVER_CORE)
    logging.basicConfig(level=logging.ERROR)  # a loop that is held up shows in the numbers
    parser = ArgumentParser()
    parser.add_argument("durability", choices=DURABILITIES)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with (
        TemporaryDirectory(dir=given.folder) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(serve(given.durability, given.accounts, Path(folder)))
