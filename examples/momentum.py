"""Follows the trades: buys when they have risen, sells when they have fallen, and is out again soon.

    python examples/momentum.py --key bob.key --url ws://127.0.0.1:8000/ws --seconds 30

Every order is immediate-or-cancel with a limit. It counts its own fills, and at the end compares its books with the
server's: exit code 1 when they differ.
"""

import argparse
import asyncio
from collections import deque
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from bookkeeping import Books

import tickwire
from tickwire.client import Client, StreamMessage
from tickwire.errors import ClientError

parser = argparse.ArgumentParser(description="follow the trades of a market")
parser.add_argument("--key", required=True, help="file of the key to log in with")
parser.add_argument("--url", default="ws://127.0.0.1:8000/ws")
parser.add_argument("--symbol", default="SIM:BTC-USDT")
parser.add_argument("--seconds", type=float, default=30)
parser.add_argument("--size", type=Decimal, default=Decimal("0.01"), help="of each position")
parser.add_argument("--window", type=int, default=20, help="trades that are looked back on")
parser.add_argument("--move", type=Decimal, default=Decimal("0.0002"), help="that counts as a trend, part of the price")
parser.add_argument("--hold", type=int, default=40, help="trades until it is out again")
parser.add_argument("--slip", type=Decimal, default=Decimal("0.001"), help="how far beyond the last trade it takes")
args = parser.parse_args()


class Momentum:
    def __init__(self, client: Client, tick: Decimal) -> None:
        self.client, self.tick = client, tick
        self.position = Decimal(0)
        self.held = 0
        self.last = Decimal(0)

    async def run(self, until: float) -> None:
        prices: deque[Decimal] = deque(maxlen=args.window)
        async with await self.client.subscribe("trades", args.symbol) as trades:
            messages = aiter(trades)
            while True:
                async with asyncio.timeout_at(until):  # never cuts an order short
                    message = await anext(messages)
                if not isinstance(message, StreamMessage) or message.type == "snapshot":
                    prices.clear()  # what came between is not known
                    continue
                self.last = Decimal(message.data.price)
                prices.append(self.last)
                self.held += 1
                move = self.last / prices[0] - 1
                if self.position and self.held >= args.hold:
                    await self.leave()
                elif not self.position and len(prices) == args.window and abs(move) >= args.move:
                    await self.take("buy" if move > 0 else "sell", args.size)
                    self.held = 0
                    prices.clear()

    async def leave(self) -> None:
        if self.position:
            await self.take("sell" if self.position > 0 else "buy", abs(self.position))

    async def take(self, side: Literal["buy", "sell"], size: Decimal) -> None:
        sign = 1 if side == "buy" else -1
        price = (self.last * (1 + sign * args.slip) / self.tick).to_integral_value(ROUND_HALF_EVEN) * self.tick
        try:
            order = await self.client.place(args.symbol, side, size, price, time_in_force="ioc")
            self.position += sign * order.filled
        except ClientError as error:  # no balance, no price within the band: perhaps at the next trend
            print(f"{side}: {error}")


async def main() -> int:
    async with tickwire.connect(args.url, key=args.key) as client:
        await client.cancel_all()
        [tick] = [Decimal(row.tick_size) for row in await client.instruments() if row.symbol == args.symbol]
        books = await Books.open(client)
        keeping = asyncio.create_task(books.keep())
        bot = Momentum(client, tick)
        try:
            await bot.run(asyncio.get_running_loop().time() + args.seconds)
        except TimeoutError:
            await bot.leave()
        agree = await books.agree() and books.positions[args.symbol] == bot.position
        keeping.cancel()
        return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
