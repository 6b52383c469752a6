"""The books of one account, kept by its owner from what he is told, as integers in 10^-18 of each asset."""

from __future__ import annotations

from typing import NamedTuple

from tickwire.model.units import asset_units
from tickwire.protocol.messages import FillData, InstrumentInfo, OrderData

UNIT = 10**18
LIVE = ("open", "waiting")


class Rules(NamedTuple):
    """What an owner must know of the one instrument that he trades; both fees as parts of the amount."""

    base: str
    quote: str
    maker_fee: int
    taker_fee: int

    @classmethod
    def of(cls, info: InstrumentInfo) -> Rules:
        """The rules as the server publishes them."""
        return cls(info.base, info.quote, asset_units(info.maker_fee), asset_units(info.taker_fee))


class Position(NamedTuple):
    """A position; `average_price` is rounded half up to the four decimals beyond the tick that the server tells."""

    size: int
    average_price: int | None
    realised: int
    unrealised: int
    fees: int


class Entry:
    """One order: as the server has told it last, and what its owner has counted himself."""

    def __init__(self) -> None:
        self.told: OrderData | None = None
        self.filled = 0
        self.fees = 0

    @property
    def remaining(self) -> int:
        """What may still fill: the size asked for less the fills counted."""
        assert self.told is not None
        return asset_units(self.told.size) - self.filled


class Books:
    """All that an account owns and owes.

    Args:
        rules: of the instrument; its tick x lot is 10^-18 of the quote asset, so that no amount is ever rounded.
        deposits: what the account began with, by asset.

    Attributes:
        totals: what is owned of each asset, be it available or held.
        fees: paid so far.
        fills: every fill, in the order of arrival.
        orders: those that are open, and those of which some fills have not arrived, by `order_id`.
    """

    def __init__(self, rules: Rules, deposits: dict[str, int]) -> None:
        self.totals = dict(deposits)
        self.fees = 0
        self.fills: list[FillData] = []
        self.orders: dict[str, Entry] = {}
        self._rules = rules
        self._size = self._cost = self._realised = 0

    # ---- what is told ----------------------------------------------------------------------------

    def fill(self, fill: FillData) -> None:
        """Count the next fill. Its fee must be right, rounded towards zero."""
        rules = self._rules
        assert fill.seq == len(self.fills) + 1, f"fill {fill.seq} came after {len(self.fills)} fills"
        self.fills.append(fill)
        price, size, fee = asset_units(fill.price), asset_units(fill.size), asset_units(fill.fee)
        value = price * size // UNIT
        rate = rules.maker_fee if fill.liquidity == "maker" else rules.taker_fee
        assert (fee, fill.fee_asset) == (value * rate // UNIT, rules.quote), fill
        sign = 1 if fill.side == "buy" else -1
        self.totals[rules.base] += sign * size
        self.totals[rules.quote] -= sign * value + fee
        self.fees += fee
        self._move(sign * size, price)
        entry = self.orders.setdefault(fill.order_id, Entry())
        entry.filled += size
        entry.fees += fee
        self._drop_ended(fill.order_id)

    def order(self, told: OrderData) -> None:
        """Note how an order stands."""
        self.orders.setdefault(told.order_id, Entry()).told = told
        self._drop_ended(told.order_id)

    def _move(self, change: int, price: int) -> None:
        """What a fill closes is realised at the average price, its cost rounded down; what it opens is added."""
        opens = abs(change)
        if self._size * change < 0:
            closes = min(opens, abs(self._size))
            opens -= closes
            cost = self._cost * closes // abs(self._size)
            self._cost -= cost
            gain = price * closes // UNIT - cost
            self._realised += gain if self._size > 0 else -gain
        self._size += change
        self._cost += price * opens // UNIT

    def _drop_ended(self, order_id: str) -> None:
        """An order that has ended is done with when all its fills are there, which its end and they tell alike."""
        entry = self.orders[order_id]
        told = entry.told
        if told is not None and told.status not in LIVE and asset_units(told.filled) == entry.filled:
            assert asset_units(told.fee) == entry.fees, (told, entry.fees)
            del self.orders[order_id]

    # ---- what the server must say too ------------------------------------------------------------

    def balances(self) -> dict[str, tuple[int, int]]:
        """(available, held) of each asset. A buy that rests holds its cost and the higher fee, a sell its size."""
        rules = self._rules
        held = dict.fromkeys(self.totals, 0)
        for entry in self.resting():
            if entry.told is not None and entry.told.side == "sell":
                held[rules.base] += entry.remaining
            elif entry.told is not None and entry.told.price is not None:
                cost = asset_units(entry.told.price) * entry.remaining // UNIT
                held[rules.quote] += cost + cost * max(rules.maker_fee, rules.taker_fee) // UNIT
        return {asset: (total - held[asset], held[asset]) for asset, total in self.totals.items()}

    def position(self, mark: int) -> Position:
        """The position, valued at a price."""
        size, cost = self._size, self._cost
        step = UNIT // 10**6
        average = (2 * cost * UNIT // step + abs(size)) // (2 * abs(size)) * step if size else None
        unrealised = size * mark // UNIT - (cost if size > 0 else -cost)
        return Position(size, average, self._realised, unrealised, self.fees)

    def resting(self) -> list[Entry]:
        """The orders on the book, which stops that wait are not."""
        return [entry for entry in self.orders.values() if entry.told is not None and entry.told.status == "open"]

    def check_orders(self, listed: list[OrderData]) -> None:
        """The server lists the orders of these books and no other, with the fills and fees that were counted."""
        assert {order.order_id: order for order in listed} == {key: entry.told for key, entry in self.orders.items()}
        for order in listed:
            entry = self.orders[order.order_id]
            counted = (entry.filled, entry.remaining, entry.fees)
            assert tuple(map(asset_units, (order.filled, order.remaining, order.fee))) == counted, order
