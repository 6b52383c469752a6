"""Who a session acts for, once it has logged in."""

from __future__ import annotations

from typing import Literal, NamedTuple

Scope = Literal["read", "trade", "admin"]
"""`read`: the account's private streams and state; `trade`: its orders as well; `admin`: every account's money, kill
switches and statuses, and nothing of the other two."""
SCOPES: tuple[Scope, ...] = ("read", "trade", "admin")


class Identity(NamedTuple):
    """A key that has proved itself.

    Attributes:
        key_id: public name of the key.
        account: what it acts for.
        scopes: what it may do.
    """

    key_id: str
    account: str
    scopes: frozenset[str]
