"""Trading: orders, fills, and the account, with the outcome of an order never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from tickwire.client.account import LiveAccount
from tickwire.client.connection import Connection
from tickwire.client.fills import Fills
from tickwire.client.keeper import Keeper
from tickwire.client.orders import LiveOrder, Number, amend_params, decimal_text
from tickwire.client.queue import Queue
from tickwire.client.subscription import Consumer
from tickwire.errors import ClientError, ConnectionLost, OrderNotPlaced, OutcomeUnknown, RequestRefused
from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce
from tickwire.protocol.messages import (
    AmendParams,
    BalanceData,
    BalancesData,
    BatchResult,
    CancelAllParams,
    CanceledResult,
    DeadManParams,
    GuardParams,
    OrderData,
    OrderParams,
    OrderResult,
    OrdersResult,
    PlaceParams,
    PortfolioParams,
    PortfolioResult,
    PositionData,
    PositionsData,
)

T = TypeVar("T")
BatchParams: TypeAlias = PlaceParams | AmendParams | OrderParams
_METHODS = {PlaceParams: "place", AmendParams: "amend", OrderParams: "cancel"}


class _Desk:
    """What live orders and the live account need of the client."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def leave(self, consumer: Consumer) -> None:
        self._keeper.leave(consumer)

    def flow(self, queue: Queue[Any], full: bool) -> None:
        self._keeper.flow(queue, full)

    async def pause(self) -> None:
        await self._keeper.pause()

    def epoch(self) -> str:
        return "" if self._keeper.hello is None else self._keeper.hello.epoch

    async def ask(self, method: str, params: object, settle: Callable[[OrderResult], T]) -> T:
        return await _ask(self._keeper.connection(), method, params, settle)


async def _ask(connection: Connection, method: str, params: object, settle: Callable[[OrderResult], T]) -> T:
    answer: T = await connection.request(
        method, params, lambda result: settle(connection.session.decode(result, OrderResult))
    )
    return answer


class Trading:
    """The part of `Client` that needs a key.

    Every method raises `InvalidInput` without one, and the errors of `Client.request`: `RequestRefused` with a code
    of the table when the server says no, `ConnectionLost` or `ClientError` when there is no reply. Prices and sizes
    are given as str, Decimal or int; a float is refused.
    """

    def __init__(self, keeper: Keeper, request_timeout: float, new_id: Callable[[], str]) -> None:
        self._keeper = keeper
        self._request_timeout = request_timeout
        self._new_id = new_id
        self._desk = _Desk(keeper)
        self._live_account: LiveAccount | None = None
        self._opening = asyncio.Lock()

    # ---- orders ----------------------------------------------------------------------------------

    async def place(
        self,
        symbol: str,
        side: Side,
        size: Number,
        price: Number | None = None,
        *,
        type: OrderType | None = None,  # noqa: A002
        time_in_force: TimeInForce = "gtc",
        post_only: bool = False,
        reduce_only: bool = False,
        display_size: Number | None = None,
        stop_price: Number | None = None,
        expires_at: int | None = None,
        client_order_id: str | None = None,
        self_trade_prevention: SelfTradePrevention = "cancel_newest",
        deadline: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> LiveOrder:
        """Place an order. It returns with the order as it stands after matching; the order then follows the streams.

        When the connection is lost before the reply, the order is asked for on the next one, so that there are four
        ends: an order, a refusal, `OrderNotPlaced`, or an `OutcomeUnknown` that can't be helped. It is never placed
        twice.

        Args:
            type: limit with a price and market without one, unless given; stop, stop_limit, take_profit and
                take_profit_limit with `stop_price`.
            display_size: of an iceberg: what the book shows.
            expires_at: for gtd, ns since the Unix epoch by the server's clock: `server_time() + ...`.
            client_order_id: of the caller's choice, never used before by the account; without it one is made.
            deadline: the order is refused when it comes later, by the same clock.
            timeout: seconds that all of it may take, a reconnection included; without it that of requests.

        Raises:
            InvalidInput: a number is none; nothing was sent.
            RequestRefused: the server says no, and why.
            OrderNotPlaced: the reply was lost, and the server does not know the order.
            OutcomeUnknown: the reply was lost, and in time nothing more could be found out, or the server has begun
                a new epoch.
            ConnectionLost: there was no connection; nothing was sent.
        """
        params = PlaceParams(
            symbol,
            side,
            decimal_text(size, "size"),
            type or ("market" if price is None else "limit"),
            None if price is None else decimal_text(price, "price"),
            None if stop_price is None else decimal_text(stop_price, "stop_price"),
            time_in_force,
            expires_at,
            post_only,
            reduce_only,
            None if display_size is None else decimal_text(display_size, "display_size"),
            client_order_id or self._new_id(),
            self_trade_prevention,
            deadline,
        )
        account = await self.account()
        connection = self._keeper.connection()
        account.expect(params.client_order_id)
        try:
            async with asyncio.timeout(self._request_timeout if timeout is None else timeout):
                return await self._placed(connection, params, account)
        except TimeoutError:
            raise OutcomeUnknown(
                f"no reply to order.place in time; whether {params.client_order_id} was placed is unknown"
            ) from None
        finally:
            account.forget(params.client_order_id)

    async def _placed(self, connection: Connection, params: PlaceParams, account: LiveAccount) -> LiveOrder:
        epoch = self._desk.epoch()
        try:
            return await _ask(connection, "order.place", params, account.settle)
        except RequestRefused as error:
            if error.code != "outcome_unknown":
                raise
            cause: ClientError = error
        except ClientError as error:
            if not error.sent:
                raise
            cause = error
        unknown = f"whether order {params.client_order_id} was placed is unknown: {cause}"
        while True:
            try:
                now = await self._keeper.again(connection)
                if self._desk.epoch() != epoch:
                    raise ClientError("the server has begun a new epoch")
                asked = OrderParams(client_order_id=params.client_order_id)
                return await _ask(now, "order.get", asked, account.settle)
            except RequestRefused as error:
                if error.code == "unknown_order" and now is not connection:
                    raise OrderNotPlaced(f"order {params.client_order_id} was not placed: {cause}") from error
                if not error.retry:  # on the same connection, the order may still be under way
                    raise OutcomeUnknown(f"{unknown}; then {error}") from error
                await self._keeper.pause()
            except ConnectionLost as error:
                if self._keeper.finished:
                    raise OutcomeUnknown(f"{unknown}; then {error}") from error
            except ClientError as error:
                raise OutcomeUnknown(f"{unknown}; then {error}") from error

    async def amend(
        self, order_id: str = "", *, client_order_id: str = "", price: Number | None = None, size: Number | None = None
    ) -> LiveOrder:
        """Change an order's price, its total size, or both; only a smaller size keeps its place in the queue."""
        params = amend_params(order_id, client_order_id, price, size)
        return await self._desk.ask("order.amend", params, (await self.account()).settle)

    async def cancel(self, order_id: str = "", *, client_order_id: str = "") -> LiveOrder:
        """Cancel what remains of an order."""
        params = OrderParams(order_id, client_order_id)
        return await self._desk.ask("order.cancel", params, (await self.account()).settle)

    async def cancel_all(self, symbol: str = "") -> list[str]:
        """Cancel every order, or those of a symbol; the `order_id`s of what was canceled."""
        return (await self._keeper.request("order.cancel_all", CancelAllParams(symbol), CanceledResult)).order_ids

    async def orders(self, symbol: str = "") -> list[OrderData]:
        """Open and waiting orders, all or those of a symbol."""
        return (await self._keeper.request("order.list", CancelAllParams(symbol), OrdersResult)).orders

    async def order(self, order_id: str = "", *, client_order_id: str = "") -> LiveOrder:
        """Any order of the account, also of another session: as it stands, and following the streams."""
        account = await self.account()
        params = OrderParams(order_id, client_order_id)
        return await self._desk.ask("order.get", params, account.settle)

    async def batch(self, operations: Sequence[BatchParams]) -> list[OrderResult | RequestRefused]:
        """Up to 50 operations in one request; what each came to, in their order. None undoes another.

        Args:
            operations: `PlaceParams` to place, `AmendParams` to amend, `OrderParams` to cancel.
        """
        rows = [{"method": _METHODS[type(params)], "params": params} for params in operations]
        result = await self._keeper.request("order.batch", {"operations": rows}, BatchResult)
        return [
            msgspec.convert(item.result, OrderResult)
            if item.error is None
            else RequestRefused(item.error.code, item.error.message, field=item.error.field, retry=item.error.retry)
            for item in result.results
        ]

    # ---- the account -----------------------------------------------------------------------------

    async def account(self) -> LiveAccount:
        """The live account, valid when this returns; the same one every time until it is closed."""
        name = self._keeper.account()
        async with self._opening:
            if self._live_account is not None and not self._live_account.ended:
                return self._live_account
            account = await self._keeper.join(LiveAccount(self._desk, name))
            try:
                async with asyncio.timeout(self._request_timeout):
                    await account.until(lambda _: True)
            except BaseException as error:
                await account.close()
                if isinstance(error, TimeoutError):
                    raise ClientError(f"no snapshot of the account within {self._request_timeout} s") from None
                raise
            self._live_account = account
            return account

    async def fills(self) -> Fills:
        """The account's fills from now on, each exactly once: `async with await client.fills() as fills`."""
        return await self._keeper.join(Fills(self._keeper, self._keeper.account(), self._desk.epoch))

    async def balances(self) -> dict[str, BalanceData]:
        """Balances by asset."""
        result = await self._keeper.request("account.balances", None, BalancesData)
        return {row.asset: row for row in result.balances}

    async def positions(self) -> dict[str, PositionData]:
        """Positions by symbol."""
        result = await self._keeper.request("account.positions", None, PositionsData)
        return {row.symbol: row for row in result.positions}

    async def portfolio(self, currency: str) -> PortfolioResult:
        """What the account holds, valued in a currency."""
        return await self._keeper.request("account.portfolio", PortfolioParams(currency), PortfolioResult)

    # ---- guards ----------------------------------------------------------------------------------

    async def cancel_on_disconnect(self, scope: Literal["off", "connection", "account"]) -> None:
        """What the server cancels when this connection ends other than by `logout`: nothing, the orders placed on
        it, or all of the account. It is set again on every later connection, before anything else is sent there."""
        await self._guard("session.cancel_on_disconnect", GuardParams(scope), scope != "off")

    async def dead_man(self, timeout_ms: int) -> None:
        """Have the server cancel all orders unless this is called again in time; 0 disarms.

        Every reconnection calls it again by itself. Nothing else does: call it from the loop that must be alive.
        """
        await self._guard("session.dead_man", DeadManParams(timeout_ms), timeout_ms > 0)

    async def _guard(self, method: str, params: object, keep: bool) -> None:
        await self._keeper.request(method, params, object)
        if keep:
            self._keeper.guards[method] = params
        else:
            self._keeper.guards.pop(method, None)

    async def logout(self) -> None:
        """Log out for good: no later connection logs in, the private streams end, and no guard fires."""
        await self._keeper.log_out()
