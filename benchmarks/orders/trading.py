"""What is traded when orders are measured: one instrument, a maker who never runs out, and what each account does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from tickwire.model.instrument import Instrument
from tickwire.model.records import CancelOrder, Clock, ListInstrument, PlaceOrder, Record, Side, Transfer
from tickwire.tape.base import Durability

DURABILITIES: tuple[Durability, ...] = ("none", "process", "power")
RESTING = 10
"""Orders that an account keeps on the book: one is canceled when as many have been placed after it."""
BID, ASK = 10_000, 10_001
"""Where the maker buys and sells, in ticks."""
MAKER_LOTS = 100_000_000
MONEY = "1000000000"
INSTRUMENT = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.01",
    kind="matched",
    book="orders",
    maker_fee="0.0002",
    taker_fee="0.0005",
)


class Step(NamedTuple):
    """A command, and the status that its order must have after it."""

    command: PlaceOrder | CancelOrder
    status: Literal["open", "filled", "canceled"]


def account(number: int) -> str:
    """The name of one of the accounts."""
    return f"account-{number}"


def opening(accounts: int, ts: int) -> list[Record]:
    """The transaction that everything begins with."""
    owners = ["maker", *map(account, range(accounts))]
    transfers = [Transfer(name, asset, MONEY, f"{name}-{asset}") for name in owners for asset in ("BTC", "USDT")]
    return [
        Clock(ts),
        ListInstrument(INSTRUMENT),
        *transfers,
        PlaceOrder(INSTRUMENT.symbol, "maker", "buy", MAKER_LOTS, BID),
        PlaceOrder(INSTRUMENT.symbol, "maker", "sell", MAKER_LOTS, ASK),
    ]


def steps(name: str, count: int) -> list[Step]:
    """What an account does: rest behind the maker, take one lot from the maker, cancel what rests longest."""
    return list(islice(_steps(name), count))


def _steps(name: str) -> Iterator[Step]:
    turn = 0
    while True:
        side: Side = "sell" if turn % 2 else "buy"
        away = 1 + turn % 50
        behind, across = (BID - away, ASK) if side == "buy" else (ASK + away, BID)
        symbol, rest, take = INSTRUMENT.symbol, f"rest-{turn}", f"take-{turn}"
        yield Step(PlaceOrder(symbol, name, side, 5, behind, client_order_id=rest), "open")
        yield Step(PlaceOrder(symbol, name, side, 1, across, time_in_force="ioc", client_order_id=take), "filled")
        if turn >= RESTING:
            yield Step(CancelOrder(name, client_order_id=f"rest-{turn - RESTING}"), "canceled")
        turn += 1


def wanted(command: PlaceOrder) -> tuple[str, str]:
    """Price and size of an order, as the wire has them."""
    assert command.price is not None
    return INSTRUMENT.price.format(command.price), INSTRUMENT.size.format(command.size)


def request(number: int, step: Step) -> bytes:
    """The masked frame that asks for a step."""
    command = step.command
    params: dict[str, str]
    if isinstance(command, CancelOrder):
        method, params = "order.cancel", {"client_order_id": command.client_order_id}
    else:
        method = "order.place"
        price, size = wanted(command)
        params = {
            "symbol": command.symbol,
            "side": command.side,
            "size": size,
            "price": price,
            "time_in_force": command.time_in_force,
            "client_order_id": command.client_order_id,
        }
    body = msgspec.json.encode({"id": number, "method": method, "params": params})
    length = bytes((0x80 | len(body),)) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + body  # a mask of zeros leaves the bytes as they are
