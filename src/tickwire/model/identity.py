"""Who a session acts for, once it has logged in."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tickwire.errors import InvalidInput

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

    def check(self, scope: Scope, field: str | None = None) -> None:
        """Refuse what the key has no scope for; who may trade may read as well.

        Args:
            field: of the request, to name in the error.

        Raises:
            InvalidInput: `not_permitted`.
        """
        if scope not in self.scopes and not (scope == "read" and "trade" in self.scopes):
            raise InvalidInput(f"this needs a key with the scope {scope}", field=field, code="not_permitted")
