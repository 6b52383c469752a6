"""The wire form of what belongs to an account: orders, fills, balances and positions."""

from __future__ import annotations

from tickwire.model.events import Balances, Fill, Position
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.units import Scale, asset_text
from tickwire.protocol.messages import BalanceData, BalancesData, FillData, OrderData, PositionData

AVERAGE_DECIMALS = 4
"""Decimals of an average price beyond those of the tick."""


def average_price(cost: int, size: int, price: Scale) -> str:
    """The average price of `size` lots (more than 0) that cost `cost` (ticks x lots), rounded half up.

    It has up to four decimals more than the tick; of these no trailing zeros are shown.
    """
    value = (2 * cost * price.units * 10**AVERAGE_DECIMALS + size) // (2 * size)
    whole, fraction = divmod(value, price.divisor * 10**AVERAGE_DECIMALS)
    digits = f"{fraction:0{price.decimals + AVERAGE_DECIMALS}d}"
    decimals = digits[: price.decimals] + digits[price.decimals :].rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


def order_data(order: Order, instrument: Instrument) -> OrderData:
    """An order, in the steps of its instrument."""
    price, size = instrument.price.format, instrument.size.format
    return OrderData(
        str(order.order_id),
        order.client_order_id,
        order.symbol,
        order.side,
        order.type,
        order.status,
        order.time_in_force,
        None if order.price is None else price(order.price),
        None if order.stop_price is None else price(order.stop_price),
        size(order.size),
        size(order.remaining),
        size(order.filled),
        average_price(order.cost, order.filled, instrument.price) if order.filled else None,
        asset_text(order.fee) if order.fee else "0",
        order.post_only,
        order.reduce_only,
        size(order.display_size) if order.display_size else None,
        order.self_trade_prevention,
        order.expires_at or None,
        order.reason,
        order.created,
        order.updated,
    )


def fill_data(fill: Fill, instrument: Instrument) -> FillData:
    """A fill, in the steps of its instrument."""
    return FillData(
        fill.instrument,
        fill.trade_id,
        str(fill.order_id),
        fill.client_order_id,
        fill.side,
        instrument.price.format(fill.price),
        instrument.size.format(fill.size),
        asset_text(fill.fee),
        instrument.quote,
        fill.liquidity,
        fill.seq,
        fill.ts,
    )


def balances_data(event: Balances) -> BalancesData:
    """Balances, each an exact decimal."""
    return BalancesData(
        [BalanceData(asset, asset_text(available), asset_text(held)) for asset, available, held in event.balances]
    )


def position_data(position: Position, instrument: Instrument) -> PositionData:
    """A position, in the steps of its instrument."""
    size, unrealised = position.size, position.unrealised
    return PositionData(
        position.instrument,
        instrument.size.format(size),
        average_price(position.cost, abs(size), instrument.price) if size else None,
        instrument.notional.format(position.realised),
        None if unrealised is None else instrument.notional.format(unrealised),
        asset_text(position.fees),
        None if position.mark is None else instrument.price.format(position.mark),
    )
