"""The one table of operations: what the WebSocket API calls `method` and REST names by verb and path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from tickwire.dialects.binance import account, public, trading
from tickwire.dialects.binance.call import Call, UserStreams
from tickwire.dialects.binance.params import Params

Security: TypeAlias = Literal["NONE", "USER_DATA", "TRADE"]
"""What an operation needs: nothing, or a signature of a key that may read or trade."""


class Operation(NamedTuple):
    """One operation.

    Attributes:
        method: its name in a message.
        verb, path: of REST, after "/api/v3"; "" for one that only a connection has.
        parameters: it reads, besides those of every request.
        security: what it needs.
        weight: it costs, or what tells.
        run: answers it: a result, or a job that has one.
        orders: counted against the limit of orders.
    """

    method: str
    verb: str
    path: str
    parameters: tuple[str, ...]
    security: Security
    weight: int | Callable[[Params], int]
    run: Callable[[Call], Any]
    orders: int = 0


_NEW_ORDER = (
    "symbol side type timeInForce price quantity quoteOrderQty newClientOrderId newOrderRespType stopPrice icebergQty "
    "selfTradePreventionMode trailingDelta pegPriceType"
)
_ORDER = "symbol orderId origClientOrderId"
_HISTORY = "symbol startTime endTime limit"


def _operation(
    method: str,
    rest: str,
    parameters: str,
    security: Security,
    weight: int | Callable[[Params], int],
    run: Callable[[Call], Any],
    orders: int = 0,
) -> Operation:
    verb, _, path = rest.partition(" ")
    return Operation(method, verb, path, tuple(parameters.split()), security, weight, run, orders)


def _session(run: Callable[[UserStreams, Call], Any]) -> Callable[[Call], Any]:
    def of_connection(call: Call) -> Any:
        assert call.session is not None  # it has no path
        return run(call.session, call)

    return of_connection


OPERATIONS: tuple[Operation, ...] = (
    _operation("ping", "GET /ping", "", "NONE", 1, public.ping),
    _operation("time", "GET /time", "", "NONE", 1, public.time),
    _operation(
        "exchangeInfo",
        "GET /exchangeInfo",
        "symbol symbols permissions showPermissionSets symbolStatus",
        "NONE",
        20,
        public.exchange_info,
    ),
    _operation("depth", "GET /depth", "symbol limit", "NONE", public.depth_weight, public.depth),
    _operation("trades.recent", "GET /trades", "symbol limit", "NONE", 25, public.trades),
    _operation("trades.historical", "GET /historicalTrades", "symbol limit fromId", "NONE", 25, public.trades),
    _operation("trades.aggregate", "GET /aggTrades", f"{_HISTORY} fromId", "NONE", 4, public.agg_trades),
    _operation("klines", "GET /klines", f"{_HISTORY} interval timeZone", "NONE", public.klines_weight, public.klines),
    _operation(
        "uiKlines", "GET /uiKlines", f"{_HISTORY} interval timeZone", "NONE", public.klines_weight, public.klines
    ),
    _operation("avgPrice", "GET /avgPrice", "symbol", "NONE", 2, public.avg_price),
    _operation("ticker.24hr", "GET /ticker/24hr", "symbol symbols type", "NONE", public.day_weight, public.ticker_24hr),
    _operation(
        "ticker.tradingDay",
        "GET /ticker/tradingDay",
        "symbol symbols type timeZone",
        "NONE",
        public.window_weight,
        public.ticker_trading_day,
    ),
    _operation("ticker", "GET /ticker", "symbol symbols type windowSize", "NONE", public.window_weight, public.ticker),
    _operation(
        "ticker.price", "GET /ticker/price", "symbol symbols", "NONE", public.by_symbols(2, 4), public.ticker_price
    ),
    _operation(
        "ticker.book", "GET /ticker/bookTicker", "symbol symbols", "NONE", public.by_symbols(2, 4), public.ticker_book
    ),
    _operation("order.place", "POST /order", _NEW_ORDER, "TRADE", 1, trading.place, orders=1),
    _operation("order.test", "POST /order/test", f"{_NEW_ORDER} computeCommissionRates", "TRADE", 1, trading.test),
    _operation("order.status", "GET /order", _ORDER, "USER_DATA", 4, trading.status),
    _operation(
        "order.cancel",
        "DELETE /order",
        f"{_ORDER} newClientOrderId cancelRestrictions",
        "TRADE",
        1,
        trading.cancel,
    ),
    _operation(
        "order.cancelReplace",
        "POST /order/cancelReplace",
        f"{_NEW_ORDER} cancelReplaceMode cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId "
        "cancelRestrictions",
        "TRADE",
        1,
        trading.cancel_replace,
        orders=1,
    ),
    _operation(
        "order.amend.keepPriority",
        "PUT /order/amend/keepPriority",
        f"{_ORDER} newClientOrderId newQty",
        "TRADE",
        4,
        trading.amend,
    ),
    _operation(
        "openOrders.status", "GET /openOrders", "symbol", "USER_DATA", public.by_symbols(6, 80), trading.open_orders
    ),
    _operation("openOrders.cancelAll", "DELETE /openOrders", "symbol", "TRADE", 1, trading.cancel_all),
    _operation("allOrders", "GET /allOrders", f"{_HISTORY} orderId", "USER_DATA", 20, account.all_orders),
    _operation("myTrades", "GET /myTrades", f"{_HISTORY} orderId fromId", "USER_DATA", 20, account.my_trades),
    _operation("account.status", "GET /account", "omitZeroBalances", "USER_DATA", 20, account.status),
    _operation("account.commission", "GET /account/commission", "symbol", "USER_DATA", 20, trading.commission),
    _operation("account.rateLimits.orders", "GET /rateLimit/order", "", "USER_DATA", 40, account.order_limits),
    _operation("session.logon", "", "", "USER_DATA", 2, _session(lambda session, call: session.logon(call))),
    _operation("session.status", "", "", "NONE", 2, _session(lambda session, call: session.status(call))),
    _operation("session.logout", "", "", "NONE", 2, _session(lambda session, call: session.logout(call))),
    _operation("session.subscriptions", "", "", "NONE", 2, _session(lambda session, call: session.subscriptions(call))),
    _operation("userDataStream.subscribe", "", "", "NONE", 2, _session(lambda session, call: session.subscribe(call))),
    _operation(
        "userDataStream.subscribe.signature",
        "",
        "",
        "USER_DATA",
        2,
        _session(lambda session, call: session.subscribe_signed(call)),
    ),
    _operation(
        "userDataStream.unsubscribe",
        "",
        "subscriptionId",
        "NONE",
        2,
        _session(lambda session, call: session.unsubscribe(call)),
    ),
)

METHODS: dict[str, Operation] = {operation.method: operation for operation in OPERATIONS}
PATHS: dict[str, dict[str, Operation]] = {}
"""REST: path -> verb -> operation."""
for _row in OPERATIONS:
    if _row.path:
        PATHS.setdefault(_row.path, {})[_row.verb] = _row
