"""Who a session acts for, once it has logged in."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tickwire.errors import InvalidInput
from tickwire.model.address import party

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
        channels: the public ones that it may see; none means all.
        symbols: what it may see, each exact or, with `*` at its end, a beginning; none means all.
    """

    key_id: str
    account: str
    scopes: frozenset[str]
    channels: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def may_see(self, channel: str, symbol: str) -> bool:
        """Whether the key is entitled to a public channel of a symbol."""
        return (not self.channels or channel in self.channels) and self._may_see_symbol(symbol)

    def check_entitled(self, channel: str, symbol: str, field: str) -> None:
        """Refuse what the key is not entitled to, whether there is such a thing or not.

        Args:
            field: of the request, where the symbol stands.

        Raises:
            InvalidInput: `not_entitled`.
        """
        if not self._may_see_symbol(symbol):
            text = f"this key sees {', '.join(self.symbols)}, not {symbol}"
            raise InvalidInput(text, field=field, code="not_entitled")
        if not self.may_see(channel, symbol):
            text = f"this key sees the channels {', '.join(self.channels)}, not {channel}"
            raise InvalidInput(text, field="channel", code="not_entitled")

    def _may_see_symbol(self, symbol: str) -> bool:
        return not self.symbols or any(
            symbol.startswith(pattern[:-1]) if pattern.endswith("*") else symbol == pattern for pattern in self.symbols
        )

    def check(self, scope: Scope, field: str | None = None) -> None:
        """Refuse what the key has no scope for; who may trade may read as well.

        Args:
            field: of the request, to name in the error.

        Raises:
            InvalidInput: `not_permitted`.
        """
        if scope not in self.scopes and not (scope == "read" and "trade" in self.scopes):
            raise InvalidInput(f"this needs a key with the scope {scope}", field=field, code="not_permitted")


DEMO_ACCOUNT = "demo"
"""One account of play money, for whoever asks to be let in without a key where the built-in market runs."""
_DEMO_KEY = "demo "
"""No key's id begins so."""


def demo_identity(ip: str) -> Identity:
    """Who asks from an address for the demonstration account. Each address counts as a key, so that none can have all
    the sessions that one may."""
    return Identity(f"{_DEMO_KEY}{party(ip)}", DEMO_ACCOUNT, frozenset(("read", "trade")))


def is_demo(key_id: str) -> bool:
    """Whether a key's id is one of `demo_identity`."""
    return key_id.startswith(_DEMO_KEY)
