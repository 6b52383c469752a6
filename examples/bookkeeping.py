"""Books of one's own, kept from nothing but the fills, to compare with what the server says."""

import asyncio
from collections import defaultdict
from decimal import Decimal

from tickwire.client import Client, Fills, Lost
from tickwire.protocol.messages import BalanceData, FillData, PositionData


class Books:
    """What the fills since `open` add up to.

    Attributes:
        positions: signed size by symbol, from 0.
        money: what was gained or spent by asset, fees included.
    """

    def __init__(self, client: Client, fills: Fills, before: tuple[dict[str, Decimal], dict[str, Decimal]]) -> None:
        self.positions: dict[str, Decimal] = defaultdict(Decimal)
        self.money: dict[str, Decimal] = defaultdict(Decimal)
        self._client = client
        self._fills = fills
        self._before = before

    @classmethod
    async def open(cls, client: Client) -> "Books":
        """Books of an account that has no open orders and trades nowhere else meanwhile."""
        fills = await client.fills()
        return cls(client, fills, await _state(client))

    async def keep(self) -> None:
        """Count the fills for as long as they come."""
        async for fill in self._fills:
            if isinstance(fill, Lost):
                raise SystemExit(f"fills are missing: {fill.reason}")
            self._count(fill)
            position = self.positions[fill.symbol]
            print(f"{fill.side} {fill.size} {fill.symbol} at {fill.price} as {fill.liquidity}; position {position}")

    def _count(self, fill: FillData) -> None:
        size = Decimal(fill.size) if fill.side == "buy" else -Decimal(fill.size)
        base, _, quote = fill.symbol.partition(":")[2].rpartition("-")
        self.positions[fill.symbol] += size
        self.money[base] += size
        self.money[quote] -= size * Decimal(fill.price)
        self.money[fill.fee_asset] -= Decimal(fill.fee)

    async def agree(self) -> bool:
        """Compare with the server, once the last fills have had a few seconds to arrive."""
        for _ in range(30):
            after = await _state(self._client)
            if all(map(_same, self._before, (self.money, self.positions), after)):
                print("books agree")
                return True
            await asyncio.sleep(0.1)
        print(f"books differ: fills say {dict(self.money)}, {dict(self.positions)}; before {self._before}, now {after}")
        return False


async def _state(client: Client) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    balances: dict[str, BalanceData] = await client.balances()
    positions: dict[str, PositionData] = await client.positions()
    money = {asset: Decimal(row.available) + Decimal(row.held) for asset, row in balances.items()}
    return money, {symbol: Decimal(row.size) for symbol, row in positions.items()}


def _same(before: dict[str, Decimal], change: dict[str, Decimal], after: dict[str, Decimal]) -> bool:
    return all(before.get(k, 0) + change.get(k, 0) == after.get(k, 0) for k in {*before, *change, *after})
