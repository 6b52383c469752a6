"""Operations of an account: what it has, what it pays, and what it has done."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from tickwire.dialects.binance.call import Call
from tickwire.dialects.binance.decimals import amount, padded
from tickwire.dialects.binance.orders import OrderView, trade_row
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances

ROWS_MAX = 1_000
"""Rows of one answer."""
_BASIS_POINT_PPM = 100


def status(call: Call) -> Any:
    """`account.status`. The account's rates are the highest of any instrument; `account.commission` has each one's."""
    event = call.services.market.view(StreamKey("balances", call.account))
    assert isinstance(event, Balances)
    omit_zero = call.params.flag("omitZeroBalances", False)
    matched = [instrument for instrument in call.instruments.values() if instrument.kind == "matched"]
    maker = max(matched, key=lambda i: i.maker_fee_ppm, default=None)
    taker = max(matched, key=lambda i: i.taker_fee_ppm, default=None)
    identity = call.identity
    assert identity is not None
    return {
        "makerCommission": maker.maker_fee_ppm // _BASIS_POINT_PPM if maker else 0,
        "takerCommission": taker.taker_fee_ppm // _BASIS_POINT_PPM if taker else 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": padded(maker.maker_fee if maker else "0"),
            "taker": padded(taker.taker_fee if taker else "0"),
            "buyer": padded("0"),
            "seller": padded("0"),
        },
        "canTrade": "trade" in identity.scopes,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": True,
        "preventSor": False,
        "updateTime": call.time(event.ts),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": amount(free), "locked": amount(locked)}
            for asset, free, locked in event.balances
            if free or locked or not omit_zero
        ],
        "permissions": ["SPOT"],
        "uid": crc32(call.account.encode()),
    }


def order_limits(call: Call) -> Any:
    """`account.rateLimits.orders`"""
    return call.usage.orders(call.account, call.now)


def all_orders(call: Call) -> Any:
    """`allOrders`: those of a symbol that are open or ended not long ago, oldest first."""
    params, symbol = call.params, call.instrument().symbol
    from_id, limit = params.integer("orderId", 0), params.limit(500, ROWS_MAX)
    start, end = params.span()
    market = call.services.market
    orders = [
        order
        for order in (*market.ended_orders_of(call.account), *market.open_orders_of(call.account))
        if order.symbol == symbol
        and order.order_id >= from_id
        and (start is None or order.created >= start)
        and (end is None or order.created <= end)
    ]
    orders.sort(key=lambda order: order.order_id)
    page = orders[:limit] if from_id or start is not None else orders[-limit:]
    return [OrderView(order, call.instrument_of(symbol), call.unit).looked_up() for order in page]


def my_trades(call: Call) -> Any:
    """`myTrades`: of the account's newest fills those on a symbol, oldest first."""
    params, instrument = call.params, call.instrument()
    params.not_with("fromId", "startTime", "endTime")
    from_id, order_id, limit = params.integer("fromId", -1), params.integer("orderId", 0), params.limit(500, ROWS_MAX)
    start, end = params.span()
    fills = [
        fill
        for fill in call.services.market.fills_of(call.account)
        if fill.instrument == instrument.symbol
        and (not order_id or fill.order_id == order_id)
        and int(fill.trade_id) >= from_id
        and (start is None or fill.ts >= start)
        and (end is None or fill.ts <= end)
    ]
    page = fills[:limit] if "fromId" in params or start is not None else fills[-limit:]
    return [trade_row(fill, instrument, call.unit) for fill in page]
