"""What the engine says happened, in order, for one command. Ticks and lots throughout.

Every lot of a placed order ends in exactly one of: matched, resting, canceled. The tests hold it to that.
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


class _Base(msgspec.Struct, frozen=True, gc=False):
    pass


class Rejected(_Base, frozen=True, tag=True):
    """The command changed nothing. `order_id` is 0 for a placement that got no id."""

    order_id: int
    code: RejectCode


class Matched(_Base, frozen=True, tag=True):
    """`size` lots changed hands at the maker's price. `maker_remaining` lots of the maker still rest."""

    trade_id: int
    price: int
    size: int
    taker_side: str
    taker_order_id: int
    maker_order_id: int
    maker_remaining: int


class Rested(_Base, frozen=True, tag=True):
    """An order, or what remained of it, joined the back of the queue at its price."""

    order_id: int
    side: str
    price: int
    size: int


class Reduced(_Base, frozen=True, tag=True):
    """A resting order's size fell to `size` by an amend; it keeps its place."""

    order_id: int
    side: str
    price: int
    size: int


class Canceled(_Base, frozen=True, tag=True):
    """`size` lots left: off the book (`resting`), or never on it (the rest of an IOC or market order).

    An amend that loses priority is Canceled (resting), then whatever the order does anew under its old id.
    """

    order_id: int
    side: str
    price: int
    size: int
    resting: bool


EngineEvent: TypeAlias = Rejected | Matched | Rested | Reduced | Canceled
