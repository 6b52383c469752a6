"""Orders in the venue's terms: from the parameters of a placement to ours, and from an order to what is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

from tickwire.book.ladder import Ladder
from tickwire.dialects.binance.decimals import Formats, amount, formats, padded
from tickwire.dialects.binance.errors import TOO_THICK, BinanceError
from tickwire.dialects.binance.names import SELF_TRADE_PREVENTION, name_of
from tickwire.dialects.binance.params import Params
from tickwire.engine.terms import Terms
from tickwire.model.events import Fill
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce
from tickwire.model.units import asset_units
from tickwire.protocol.messages import PlaceParams

ResponseType: TypeAlias = Literal["ACK", "RESULT", "FULL"]
NO_LIST = -1
"""`orderListId` of an order that is in no list; there are none."""
NEVER = -1
"""`workingTime` of an order that waits for its stop price."""


class Kind(NamedTuple):
    """A type of order: what we call it, and which parameters it takes."""

    type: OrderType
    priced: bool
    stopped: bool = False
    post_only: bool = False


KINDS: dict[str, Kind] = {
    "LIMIT": Kind("limit", True),
    "LIMIT_MAKER": Kind("limit", True, post_only=True),
    "MARKET": Kind("market", False),
    "STOP_LOSS": Kind("stop", False, stopped=True),
    "STOP_LOSS_LIMIT": Kind("stop_limit", True, stopped=True),
    "TAKE_PROFIT": Kind("take_profit", False, stopped=True),
    "TAKE_PROFIT_LIMIT": Kind("take_profit_limit", True, stopped=True),
}
SIDES: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
TIMES_IN_FORCE: dict[str, TimeInForce] = {"GTC": "gtc", "IOC": "ioc", "FOK": "fok"}
RESPONSE_TYPES: dict[str, ResponseType] = {"ACK": "ACK", "RESULT": "RESULT", "FULL": "FULL"}
PREVENTIONS: dict[str, SelfTradePrevention] = {
    "NONE": "cancel_newest",  # nobody can trade with himself here
    "EXPIRE_TAKER": "cancel_newest",
    "EXPIRE_MAKER": "cancel_oldest",
    "EXPIRE_BOTH": "cancel_both",
    "DECREMENT": "decrement",
}

_TYPES: dict[OrderType, str] = {kind.type: name for name, kind in KINDS.items() if not kind.post_only}
_SIDES: dict[str, str] = {side: name for name, side in SIDES.items()}
_TIMES_IN_FORCE = {"gtc": "GTC", "gtd": "GTC", "ioc": "IOC", "fok": "FOK"}
"""The venue has nothing like gtd: who has such an order has placed it through our own protocol."""
_BY_OWNER = ("requested", "disconnected", "dead_man")
"""Reasons of a cancellation that its owner has asked for, sooner or later; the others are rules or the house."""


# ---- from a request ------------------------------------------------------------------------------


def placement(params: Params, instrument: Instrument, ladder: Ladder, client_order_id: str) -> PlaceParams:
    """A placement in our terms.

    Args:
        ladder: the present book, which says what a `quoteOrderQty` buys.
        client_order_id: for an order whose owner has given it none.

    Raises:
        BinanceError: a parameter is wrong, missing or not required.
    """
    kind = params.choice("type", KINDS, -1116)
    side = params.choice("side", SIDES, -1117)
    time_in_force: TimeInForce = "gtc"
    if kind.priced and not kind.post_only:
        time_in_force = params.choice("timeInForce", TIMES_IN_FORCE, -1115)
    elif "timeInForce" in params:
        raise BinanceError(-1114)
    price, stop_price = _price(params, "price", kind.priced), _price(params, "stopPrice", kind.stopped)
    size = _size(params, kind, side, instrument, ladder)
    display_size = None
    if "icebergQty" in params:
        display_size = params.number("icebergQty")
        if not kind.priced or time_in_force != "gtc":
            raise BinanceError(-1014)
        if asset_units(display_size) > asset_units(size):
            raise BinanceError(-2010, TOO_THICK)
    prevention = "NONE"
    if "selfTradePreventionMode" in params:
        params.choice("selfTradePreventionMode", PREVENTIONS)
        prevention = params.text("selfTradePreventionMode")
    return PlaceParams(
        instrument.symbol,
        side,
        size,
        kind.type,
        price,
        stop_price,
        time_in_force,
        post_only=kind.post_only,
        display_size=display_size,
        client_order_id=params.client_order_id("newClientOrderId") or client_order_id,
        self_trade_prevention=PREVENTIONS[prevention],
    )


def response_type(params: Params) -> ResponseType:
    """How much the answer to a placement tells."""
    if "newOrderRespType" in params:
        return params.choice("newOrderRespType", RESPONSE_TYPES)
    return "FULL" if params.text("type") in ("MARKET", "LIMIT") else "ACK"


def _price(params: Params, name: str, wanted: bool) -> str | None:
    if wanted:
        return params.number(name)
    if name in params:
        raise BinanceError(-1106, name)
    return None


def _size(params: Params, kind: Kind, side: Side, instrument: Instrument, ladder: Ladder) -> str:
    if kind.type != "market":
        if "quoteOrderQty" in params:
            raise BinanceError(-1106, "quoteOrderQty")
        return params.number("quantity")
    if "quoteOrderQty" not in params:
        if "quantity" not in params:
            text = "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
            raise BinanceError(-1102, text=text)
        return params.number("quantity")
    params.not_with("quoteOrderQty", "quantity")
    budget = params.amount("quoteOrderQty") // Terms(instrument).notional_value
    levels = ladder.asks if side == "buy" else ladder.bids
    if levels.best() is None:
        raise BinanceError(-1112)
    size = affordable(levels, budget)
    if not size:
        raise BinanceError(-1013, "LOT_SIZE")
    return instrument.size.format(size)


def affordable(levels: Iterable[tuple[int, int]], budget: int) -> int:
    """The lots that `budget`, ticks x lots, pays for at these levels, best first; fees apart."""
    size = 0
    for price, there in levels:
        lots = min(there, budget // price)
        size += lots
        budget -= lots * price
        if lots < there:
            break
    return size


# ---- to an answer --------------------------------------------------------------------------------


def status_of(order: Order) -> str:
    """An order's status in the venue's words."""
    if order.live:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    if order.status == "filled":
        return "FILLED" if order.filled == order.size else "EXPIRED_IN_MATCH"
    if order.reason == "self_trade":
        return "EXPIRED_IN_MATCH"
    return "CANCELED" if order.status == "canceled" and order.reason in _BY_OWNER else "EXPIRED"


def type_of(order: Order) -> str:
    """An order's type in the venue's words."""
    return "LIMIT_MAKER" if order.post_only and order.type == "limit" else _TYPES[order.type]


def side_of(order: Order | Fill) -> str:
    """BUY or SELL."""
    return _SIDES[order.side]


def time_in_force_of(order: Order) -> str:
    """An order's time in force in the venue's words."""
    return _TIMES_IN_FORCE[order.time_in_force]


def working_since(order: Order) -> int | None:
    """When an order came to be matched, ns; None for one that waits for its stop price."""
    if order.status == "waiting":
        return None
    return order.created if order.stop_price is None else order.updated


class OrderView(NamedTuple):
    """Shows one order.

    Attributes:
        unit: nanoseconds in the unit of the times.
    """

    order: Order
    instrument: Instrument
    unit: int

    @property
    def formats(self) -> Formats:
        """How its numbers are spelled."""
        return formats(self.instrument)

    def acknowledged(self) -> dict[str, Any]:
        """ACK: the order was taken."""
        order = self.order
        return {
            "symbol": name_of(self.instrument),
            "orderId": order.order_id,
            "orderListId": NO_LIST,
            "clientOrderId": order.client_order_id,
            "transactTime": order.updated // self.unit,
        }

    def placed(self, how: ResponseType, fills: Iterable[Fill], quote_size: str = "") -> dict[str, Any]:
        """The answer to a placement.

        Args:
            quote_size: the `quoteOrderQty` that was asked for.
        """
        shown = self.acknowledged()
        if how == "ACK":
            return shown
        since = working_since(self.order)
        shown |= self._terms(quote_size)
        shown["workingTime"] = NEVER if since is None else since // self.unit
        shown["selfTradePreventionMode"] = SELF_TRADE_PREVENTION[self.order.self_trade_prevention]
        if how == "FULL":
            shown["fills"] = [self._fill(fill) for fill in fills]
        return shown

    def canceled(self, client_order_id: str) -> dict[str, Any]:
        """The answer to a cancellation, which has an id of its own."""
        shown = self.acknowledged()
        return {
            "symbol": shown["symbol"],
            "origClientOrderId": shown["clientOrderId"],
            "orderId": shown["orderId"],
            "orderListId": NO_LIST,
            "clientOrderId": client_order_id or shown["clientOrderId"],
            "transactTime": shown["transactTime"],
            **self._terms(""),
            "selfTradePreventionMode": SELF_TRADE_PREVENTION[self.order.self_trade_prevention],
        }

    def looked_up(self) -> dict[str, Any]:
        """The answer to a question about the order."""
        order, price = self.order, self.formats.price
        since = working_since(order)
        shown = {**self.acknowledged(), **self._terms("")}
        del shown["transactTime"]
        return {
            **shown,
            "stopPrice": price(order.stop_price or 0),
            "icebergQty": self.formats.size(order.display_size),
            "time": order.created // self.unit,
            "updateTime": order.updated // self.unit,
            "isWorking": since is not None,
            "workingTime": NEVER if since is None else since // self.unit,
            "selfTradePreventionMode": SELF_TRADE_PREVENTION[order.self_trade_prevention],
        }

    def amended(self) -> dict[str, Any]:
        """The answer to an amendment."""
        order, size, notional = self.order, self.formats.size, self.formats.notional
        since = working_since(order)
        return {
            "transactTime": order.updated // self.unit,
            "executionId": order.order_id,
            "amendedOrder": {
                "symbol": name_of(self.instrument),
                "orderId": order.order_id,
                "orderListId": NO_LIST,
                "origClientOrderId": order.client_order_id,
                "clientOrderId": order.client_order_id,
                "price": self.formats.price(order.price or 0),
                "qty": size(order.size),
                "executedQty": size(order.filled),
                "preventedQty": size(0),
                "quoteOrderQty": notional(0),
                "cumulativeQuoteQty": notional(order.cost),
                "status": status_of(order),
                "timeInForce": time_in_force_of(order),
                "type": type_of(order),
                "side": side_of(order),
                "workingTime": NEVER if since is None else since // self.unit,
                "selfTradePreventionMode": SELF_TRADE_PREVENTION[order.self_trade_prevention],
            },
        }

    def _terms(self, quote_size: str) -> dict[str, Any]:
        order, f = self.order, self.formats
        shown = {
            "price": f.price(order.price or 0),
            "origQty": f.size(order.size),
            "executedQty": f.size(order.filled),
            "origQuoteOrderQty": padded(quote_size) if quote_size else f.notional(0),
            "cummulativeQuoteQty": f.notional(order.cost),
            "status": status_of(order),
            "timeInForce": time_in_force_of(order),
            "type": type_of(order),
            "side": side_of(order),
        }
        if order.stop_price is not None:
            shown["stopPrice"] = f.price(order.stop_price)
        if order.display_size:
            shown["icebergQty"] = f.size(order.display_size)
        return shown

    def _fill(self, fill: Fill) -> dict[str, Any]:
        return {
            "price": self.formats.price(fill.price),
            "qty": self.formats.size(fill.size),
            "commission": amount(fill.fee),
            "commissionAsset": self.instrument.quote,
            "tradeId": int(fill.trade_id),
        }


def trade_row(fill: Fill, instrument: Instrument, unit: int) -> dict[str, Any]:
    """A fill in `myTrades`."""
    shown = formats(instrument)
    return {
        "symbol": name_of(instrument),
        "id": int(fill.trade_id),
        "orderId": fill.order_id,
        "orderListId": NO_LIST,
        "price": shown.price(fill.price),
        "qty": shown.size(fill.size),
        "quoteQty": shown.notional(fill.price * fill.size),
        "commission": amount(fill.fee),
        "commissionAsset": instrument.quote,
        "time": fill.ts // unit,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.liquidity == "maker",
        "isBestMatch": True,
    }
