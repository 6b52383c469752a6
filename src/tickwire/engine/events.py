"""What the engine says happened, in order, for one command. Ticks and lots throughout.

Every lot of a placed order ends in exactly one of: matched, resting (shown or hidden), removed, canceled. The tests
hold it to that.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

RejectCode = Literal[
    "unknown_order",
    "invalid_price",
    "invalid_size",
    "would_take",  # post-only order that would match at once
    "would_not_fill",  # fill-or-kill order that can't be filled whole
    "no_change",  # amend that changes nothing
    "instrument_halted",
]

CancelReason = Literal[
    "requested",  # by a cancel, an amend or a reduction
    "not_filled",  # what an ioc or market order found nobody for
    "self_trade",  # it would have met an order of its own account
]


class _Base(msgspec.Struct, frozen=True, gc=False):
    pass


class Rejected(_Base, frozen=True, tag=True):
    """The command changed nothing. `order_id` is 0 for a placement that got no id."""

    order_id: int
    code: RejectCode


class Matched(_Base, frozen=True, tag=True):
    """`size` lots changed hands at the maker's price. `maker_remaining` lots of the maker still show.

    An iceberg's eaten slice leaves 0; while more of it is hidden, `Rested` with its next slice follows.
    """

    trade_id: int
    price: int
    size: int
    taker_side: str
    taker_order_id: int
    maker_order_id: int
    maker_remaining: int


class Rested(_Base, frozen=True, tag=True):
    """An order, what remained of it, or an iceberg's next slice joined the back of the queue at its price.

    `size` is what shows of it.
    """

    order_id: int
    side: str
    price: int
    size: int


class Reduced(_Base, frozen=True, tag=True):
    """`removed` lots left a resting order other than by a trade, hidden ones first; it keeps its place.

    `size` lots of it show now.
    """

    order_id: int
    side: str
    price: int
    size: int
    removed: int


class Canceled(_Base, frozen=True, tag=True):
    """`size` lots left: off the book (`resting`; the whole order, hidden lots too), or they never were on it.

    An amend that loses priority is Canceled (resting), then whatever the order does anew under its old id.
    """

    order_id: int
    side: str
    price: int
    size: int
    resting: bool
    reason: CancelReason = "requested"


EngineEvent: TypeAlias = Rejected | Matched | Rested | Reduced | Canceled
