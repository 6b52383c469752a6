"""Quotes both sides around the mid, amends as the book moves, and keeps its inventory within a bound.

    python examples/market_maker.py --key alice.key --url ws://127.0.0.1:8000/ws --seconds 30

It counts its own fills, and at the end compares its books with the server's: exit code 1 when they differ.
"""

import argparse
import asyncio
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from bookkeeping import Books

import tickwire
from tickwire.client import Client, LiveBook, LiveOrder
from tickwire.errors import BookInvalid, ClientError

parser = argparse.ArgumentParser(description="quote both sides of a market")
parser.add_argument("--key", required=True, help="file of the key to log in with")
parser.add_argument("--url", default="ws://127.0.0.1:8000/ws")
parser.add_argument("--symbol", default="SIM:BTC-USDT")
parser.add_argument("--seconds", type=float, default=30)
parser.add_argument("--size", type=Decimal, default=Decimal("0.01"), help="of each quote")
parser.add_argument("--spread", type=Decimal, default=Decimal("0.0005"), help="between the quotes, part of the mid")
parser.add_argument("--position-max", type=Decimal, default=Decimal("0.05"), help="inventory bound, either way")
args = parser.parse_args()


class Maker:
    def __init__(self, client: Client, books: Books, tick: Decimal) -> None:
        self.client, self.books, self.tick = client, books, tick
        self.quotes: dict[str, LiveOrder] = {}

    async def run(self) -> None:
        async with await self.client.book(args.symbol) as book:
            while True:
                try:
                    await self.quote(book)
                except BookInvalid:
                    await book.until(lambda _: True)
                await asyncio.sleep(0.2)

    async def quote(self, book: LiveBook) -> None:
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None:
            return
        mid, half = (bid[0] + ask[0]) / 2, args.spread / 2
        position = self.books.positions[args.symbol]
        await self.side("buy", self.round(mid * (1 - half), ROUND_FLOOR), position + args.size <= args.position_max)
        await self.side("sell", self.round(mid * (1 + half), ROUND_CEILING), position - args.size >= -args.position_max)

    def round(self, price: Decimal, how: str) -> Decimal:
        return (price / self.tick).to_integral_value(how) * self.tick

    async def side(self, side: Literal["buy", "sell"], price: Decimal, wanted: bool) -> None:
        order = self.quotes.get(side)
        try:
            if order is None or order.closed:
                if wanted:
                    self.quotes[side] = await self.client.place(args.symbol, side, args.size, price, post_only=True)
            elif not wanted:
                await order.cancel()
            elif abs(Decimal(order.data.price or 0) - price) > price * args.spread / 8:
                await order.amend(price=price)
        except ClientError as error:  # a quote that would take, or was filled meanwhile: the next round is near
            print(f"{side}: {error}")


async def main() -> int:
    async with tickwire.connect(args.url, key=args.key) as client:
        await client.cancel_on_disconnect("account")
        await client.cancel_all()
        [tick] = [Decimal(row.tick_size) for row in await client.instruments() if row.symbol == args.symbol]
        books = await Books.open(client)
        keeping = asyncio.create_task(books.keep())
        try:
            await asyncio.wait_for(Maker(client, books, tick).run(), args.seconds)
        except TimeoutError:
            await client.cancel_all()
        agree = await books.agree()
        keeping.cancel()
        return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
