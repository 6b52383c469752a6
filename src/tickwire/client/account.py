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
from tickwire.protocol.client_outcomes import Lost, Notice, Resumed
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
    """What came to light after something was lost, or the connection was.

    Attributes:
        orders: those that changed meanwhile, as they are now: every open one, and of the closed ones those that
            this client follows.
        fills: how many fills came between the loss and this.
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

    A read raises `ClientError`, with the reason, while what it reads might be wrong: after a loss, while there is no
    connection, and after one until it has caught up. It becomes valid again by itself. Closing it ends the
    `LiveOrder`s of the client as well.

    Attributes:
        on_reconciled: called with `Reconciled` once everything is known again.
    """

    def __init__(self, desk: AccountDesk, account: str) -> None:
        super().__init__(desk, [StreamKey(channel, account) for channel in CHANNELS])
        self.account = account
        self.on_reconciled: Callable[[Reconciled], None] | None = None
        self._desk = desk
        self._wrong = dict.fromkeys(CHANNELS, "it waits for its first snapshot")
        self._seqs = dict.fromkeys(CHANNELS, 0)
        self._behind = dict.fromkeys(CHANNELS, 0)  # the message that each is current with again
        self._orders: dict[str, OrderData] = {}
        self._balances: dict[str, BalanceData] = {}
        self._positions: dict[str, PositionData] = {}
        self._sequence = FillSequence(desk.epoch)
        self._placing: dict[str, LiveOrder] = {}  # by client_order_id, until their order_id is known
        self._live: dict[str, LiveOrder] = {}  # by order_id, until they are complete
        self._before: dict[str, OrderData] | None = None  # open and followed orders at the loss
        self._followed: list[LiveOrder] = []  # at the loss
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
        self._seqs[message.channel] = message.seq
        self._catch_up(message.channel)
        return None

    def _catch_up(self, channel: str) -> None:
        if self._seqs[channel] >= self._behind[channel]:
            self._wrong.pop(channel, None)
        if self.valid:
            if self._before is not None and self._reconciling is None:
                self._reconciling = asyncio.create_task(self._reconcile(self._before))
            self._waiters.changed(self)

    def _interrupt(self, key: StreamKey, reason: str) -> None:
        self._invalid(key.channel, f"{reason}; it waits for another")

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Resumed):
            self._behind[notice.channel] = notice.after + notice.missed
            self._wrong[notice.channel] = f"it catches up with the {notice.missed} messages that it missed"
            self._catch_up(notice.channel)
        elif not isinstance(notice, Skipped):
            self._behind[notice.channel] = 0
            reason = notice.reason if isinstance(notice, Lost) else "messages were dropped"
            self._invalid(notice.channel, f"{reason}; it waits for a snapshot")

    def _invalid(self, channel: str, reason: str) -> None:
        self._wrong[channel] = reason
        if self._reconciling is not None:
            self._reconciling.cancel()
            self._reconciling = None
        if self._before is None and channel in ("orders", "fills"):
            self._followed = list(self._live.values())
            self._before = {order.order_id: order.data for order in self._followed} | self._orders
            self._fills_since = 0

    def _fail(self, error: Exception) -> None:
        if self._end is not None:
            return
        self._end = final(error)
        self._wrong = dict.fromkeys(CHANNELS, str(self._end))
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

    async def _reconcile(self, before: dict[str, OrderData]) -> None:
        """Ask what became of the orders that the streams did not tell the end of, and say what has changed."""
        for order_id in [order_id for order_id in self._live if order_id not in self._orders]:
            order = self._live.get(order_id)
            if order is not None:
                if not await self._ask(order):
                    return  # the connection is gone; the next one begins anew
                if order.closed or order._end is not None:  # an open one was placed just now: its news is on the way
                    self._live.pop(order_id, None)
        followed = {order.order_id: order.data for order in (*self._followed, *self._live.values())}
        now = self._orders | {order_id: data for order_id, data in followed.items() if order_id not in self._orders}
        self._before = self._reconciling = None
        self._followed = []
        if self.on_reconciled is not None:
            changed = [data for order_id, data in now.items() if before.get(order_id) != data]
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
