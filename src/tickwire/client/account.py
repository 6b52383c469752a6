"""The account as it stands: its open orders, balances and positions, kept by the private streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, Self

from tickwire.client.fills import FillSequence
from tickwire.client.orders import OPEN, LiveOrder, OrderDesk
from tickwire.client.subscription import Consumer, Owner
from tickwire.client.waiting import Waiters, final
from tickwire.errors import ClientError, ConnectionLost, OutcomeUnknown, RequestRefused
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_outcomes import Lost, Notice
from tickwire.protocol.messages import (
    BalanceData,
    FillData,
    OpenOrdersData,
    OrderData,
    OrderParams,
    OrderResult,
    PositionData,
    Skipped,
    StreamMessage,
)

CHANNELS = ("fills", "balances", "positions", "orders")
"""In the order of subscribing: when the orders are there again, the fills and what they led to are, too."""


class Reconciled(NamedTuple):
    """What came to light after something was lost.

    Attributes:
        orders: those that changed meanwhile, as they are now: every open one, and of the closed ones those that
            this client follows.
        fills: how many fills came between the loss and this notice.
    """

    orders: list[OrderData]
    fills: int


class AccountDesk(Owner, OrderDesk, Protocol):
    """What a live account needs of its client."""

    async def pause(self) -> None:
        """Wait before a request is repeated."""
        ...

    def epoch(self) -> str:
        """The epoch of the connection."""
        ...


class LiveAccount(Consumer):
    """Open orders, balances and positions of the account. The streams' `seq` proves that nothing is missing.

    A read raises `ClientError`, with the reason, while what it reads might be wrong: after a loss, and while there
    is no connection. It becomes valid again by itself. Closing it ends the `LiveOrder`s of the client as well.

    Attributes:
        on_reconciled: called with `Reconciled` once everything is known again after a loss.
    """

    def __init__(self, desk: AccountDesk, account: str) -> None:
        super().__init__(desk, [StreamKey(channel, account) for channel in CHANNELS])
        self.account = account
        self.on_reconciled: Callable[[Reconciled], None] | None = None
        self._desk = desk
        self._wrong = dict.fromkeys(CHANNELS[1:], "it waits for its first snapshot")
        self._orders: dict[str, OrderData] = {}
        self._balances: dict[str, BalanceData] = {}
        self._positions: dict[str, PositionData] = {}
        self._sequence = FillSequence(desk.epoch)
        self._placing: dict[str, LiveOrder] = {}  # by client_order_id, until their order_id is known
        self._live: dict[str, LiveOrder] = {}  # by order_id, until they are complete
        self._before: dict[str, OrderData] | None = None  # open orders at the loss
        self._fills_since = 0
        self._waiters: Waiters[Any] = Waiters()
        self._reconciling: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def valid(self) -> bool:
        """Whether all of it can be read now."""
        return not self._wrong

    @property
    def orders(self) -> dict[str, OrderData]:
        """Open and waiting orders by `order_id`, oldest first; those of other sessions, too."""
        return dict(self._read("orders", self._orders))

    @property
    def balances(self) -> dict[str, BalanceData]:
        """Balances by asset."""
        return dict(self._read("balances", self._balances))

    @property
    def positions(self) -> dict[str, PositionData]:
        """Positions by symbol."""
        return dict(self._read("positions", self._positions))

    async def until(self, predicate: Callable[[Self], object]) -> None:
        """Wait for a state: until `predicate`, called on the valid account after each message, is true.

        Raises:
            ConnectionLost: the account or its client is closed; what `predicate` raises, too.
        """
        if self.valid and predicate(self):
            return
        if self._end is not None:
            raise self._end
        await self._waiters.wait(predicate)

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self._end is not None

    # ---- what the client calls -------------------------------------------------------------------

    def expect(self, client_order_id: str) -> LiveOrder:
        """A live order that is about to be placed; `settle` or `forget` must follow."""
        return self._placing.setdefault(client_order_id, LiveOrder(self._desk))

    def forget(self, client_order_id: str) -> None:
        """It was not placed, or nobody knows."""
        self._placing.pop(client_order_id, None)

    def settle(self, result: OrderResult) -> LiveOrder:
        """What the server says of an order, as the live order. To be called as it arrives: what the streams bring
        after it must not be known yet."""
        data = result.order
        order = self._placing.pop(data.client_order_id, None)
        order = self._live.get(data.order_id) or order or LiveOrder(self._desk)
        order._update(data, result.fills)
        if not order.closed or order.order_id in self._live:
            self._follow(order)
        return order

    def _take(self, message: StreamMessage, size: int) -> str | None:
        data = message.data
        fresh = message.type == "snapshot"
        if message.channel == "fills":
            self._take_fills(message)
        elif message.channel == "balances":
            self._balances = ({} if fresh else self._balances) | {row.asset: row for row in data.balances}
        elif message.channel == "positions":
            self._positions = ({} if fresh else self._positions) | {row.symbol: row for row in data.positions}
        elif isinstance(data, OpenOrdersData):
            self._take_orders(data.orders)
        else:
            self._take_order(data)
        self._wrong.pop(message.channel, None)
        if self.valid:
            self._waiters.changed(self)
        return None

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Skipped) or notice.channel == "fills":
            return  # of fills the next message shows whether any is missing
        reason = notice.reason if isinstance(notice, Lost) else "messages were dropped"
        self._wrong[notice.channel] = f"{reason}; it waits for a snapshot"
        if notice.channel == "orders" and self._before is None:
            self._before = self._orders
            self._fills_since = 0

    def _fail(self, error: Exception) -> None:
        if self._end is not None:
            return
        self._end = final(error)
        self._wrong = dict.fromkeys(CHANNELS[1:], str(self._end))
        if self._reconciling is not None:
            self._reconciling.cancel()
        self._waiters.fail(self._end)
        for order in (*self._placing.values(), *self._live.values()):
            order._fail(self._end)
        self._live.clear()

    # ---- inside ----------------------------------------------------------------------------------

    def _read(self, channel: str, value: dict[str, Any]) -> dict[str, Any]:
        if channel in self._wrong:
            raise ClientError(f"the {channel} of {self.account} can't be read now: {self._wrong[channel]}")
        return value

    def _take_fills(self, message: StreamMessage) -> None:
        for fill in self._sequence.take(message):
            if isinstance(fill, FillData):
                self._fills_since += 1
                order = self._live.get(fill.order_id) or self._placing.get(fill.client_order_id)
                if order is not None:
                    order._add_fill(fill)
                    self._follow(order)

    def _take_order(self, data: OrderData) -> None:
        if data.status in OPEN:
            self._orders[data.order_id] = data
        else:
            self._orders.pop(data.order_id, None)
        order = self._live.get(data.order_id) or self._placing.get(data.client_order_id)
        if order is not None:
            order._update(data)
            self._follow(order)

    def _take_orders(self, orders: list[OrderData]) -> None:
        self._orders = {}
        for data in orders:
            self._take_order(data)
        before = self._before
        if self._reconciling is not None:
            self._reconciling.cancel()
        gone = [order_id for order_id in self._live if order_id not in self._orders]
        if before is not None or gone:
            changed = [] if before is None else [data for data in orders if before.get(data.order_id) != data]
            self._reconciling = asyncio.create_task(self._reconcile(gone, changed, before is not None))

    async def _reconcile(self, gone: list[str], changed: list[OrderData], lost: bool) -> None:
        """Ask what became of the orders that are not open any more."""
        for order_id in gone:
            order = self._live.get(order_id)
            if order is None:
                continue
            known = order.data
            if not await self._ask(order):
                return  # the connection is gone; the next one begins anew
            self._live.pop(order_id, None)
            if order.data != known:
                changed.append(order.data)
        self._before = None
        if lost and self.on_reconciled is not None:
            self.on_reconciled(Reconciled(changed, self._fills_since))

    async def _ask(self, order: LiveOrder) -> bool:
        while True:
            try:
                await self._desk.ask("order.get", OrderParams(order.order_id), order._settle)
            except ConnectionLost:
                return False
            except RequestRefused as error:
                if not error.retry:
                    order._fail(OutcomeUnknown(f"the server can't tell what became of {order.order_id}: {error}"))
                    return True
            except ClientError:
                pass  # no reply in time
            else:
                return True
            await self._desk.pause()

    def _follow(self, order: LiveOrder) -> None:
        """Keep track of an order until it is complete."""
        if order._data is None:
            return
        if order.complete or self.ended:
            self._live.pop(order.order_id, None)
        else:
            self._live[order.order_id] = order
