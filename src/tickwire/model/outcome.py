"""What a command came to: told to whoever sent it, once it is on the tape."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tickwire.model.events import Fill
from tickwire.model.order import Order


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The command changed nothing. `code` is from the code table; the message names the limit and its value."""

    code: str
    message: str
    field: str | None = None


class Executed(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """An order as it stood after the command, and the fills that the command gave it."""

    order: Order
    fills: list[Fill]


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A command that is not about one order was carried out; `order_ids` are those that it canceled."""

    order_ids: list[int]


Outcome: TypeAlias = Refused | Executed | Done
