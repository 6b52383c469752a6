"""An order of an account, from its entry to its end."""

from __future__ import annotations

from typing import Literal

import msgspec

from tickwire.model.records import OrderType, SelfTradePrevention, Side, TimeInForce

OrderStatus = Literal["open", "waiting", "filled", "canceled", "expired"]
Reason = Literal[
    "",
    "requested",  # by the owner
    "not_filled",  # what an order that does not rest could not take
    "self_trade",
    "reduce_only",  # the position that it would have reduced is gone
    "insufficient_balance",  # of an order that had waited, when it woke up
    "refused",  # an order that, when it woke up, broke a rule of the instrument
    "expired",
    "disconnected",
    "dead_man",
    "kill_switch",
    "relisted",
]


class Order(msgspec.Struct, eq=False, array_like=True, gc=False):
    """An order as it stands. Ticks and lots; `held` and `fee` in units of the asset.

    Attributes:
        status: `open` on the book, `waiting` for its stop price, or how it ended.
        size: asked for, amends included. remaining: lots that may still fill.
        filled: lots. cost: the sum of price x size over its fills, ticks x lots.
        held: of the quote asset (a buy) or the base asset (a sell).
        fee: paid so far, of the quote asset.
        reason: why it, or part of it, was canceled last; "" when nothing was.
        created, updated: the tape's time.
    """

    order_id: int
    client_order_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: int | None
    size: int
    stop_price: int | None
    expires_at: int
    post_only: bool
    reduce_only: bool
    display_size: int
    self_trade_prevention: SelfTradePrevention
    session: str
    created: int
    updated: int
    status: OrderStatus = "open"
    remaining: int = 0
    filled: int = 0
    cost: int = 0
    fee: int = 0
    held: int = 0
    reason: Reason = ""

    @property
    def live(self) -> bool:
        """Whether it may still fill."""
        return self.status == "open" or self.status == "waiting"


class RestingOrder(msgspec.Struct, eq=False, gc=False):
    """An order on the book.

    Attributes:
        order_id: the engine's integer or the venue's string.
        account: the owner, "" where unknown.
        side: `buy` or `sell`.
        price: ticks. size: what remains of it in sight, lots.
        hidden: lots of an iceberg that do not show yet; in no level total.
        display: size of an iceberg's slices, lots; 0 for an order that shows whole.
    """

    order_id: int | str
    account: str
    side: str
    price: int
    size: int
    hidden: int = 0
    display: int = 0
