"""Why a command is refused: each reason names the limit or the field and, where there is one, its value."""

from __future__ import annotations

from tickwire.engine.events import Rejected
from tickwire.limits import ICEBERG_SLICES_MAX
from tickwire.model.outcome import Refused
from tickwire.model.records import PRICED_TYPES, WAITING_TYPES, PlaceOrder
from tickwire.model.units import asset_text

NO_CHANGE = "the order has this price and size already"

_REFUSALS = {
    "would_take": ("a post-only order would match at once at this price", "price"),
    "would_not_fill": ("there is not enough within the limit to fill the order whole", "size"),
    "no_change": (NO_CHANGE, None),
}


def contradiction(command: PlaceOrder) -> Refused | None:
    """Which fields of a placement do not go together, or can't be. A session has told its client in more detail."""
    kind = command.type
    if command.size <= 0:
        return Refused("invalid_params", "size must be more than 0", "size")
    if command.display_size < 0:
        return Refused("invalid_params", "display_size must not be negative", "display_size")
    for field, value, wanted in (
        ("price", command.price, kind in PRICED_TYPES),
        ("stop_price", command.stop_price, kind in WAITING_TYPES),
    ):
        if (value is not None) != wanted:
            return Refused("invalid_params", f"a {kind} order {'needs' if wanted else 'has no'} {field}", field)
        if value is not None and value <= 0:
            return Refused("invalid_params", f"{field} must be more than 0", field)
    if command.post_only and (command.price is None or command.time_in_force in ("ioc", "fok")):
        return Refused("invalid_params", "a post-only order has to be able to rest", "post_only")
    return None


def unknown_symbol(symbol: str) -> Refused:
    """There is no such instrument."""
    return Refused("unknown_symbol", f"no instrument {symbol!r}", "symbol")


def thin_iceberg(size: int, display_size: int) -> Refused | None:
    """An iceberg of this size (lots) would come in too many slices."""
    if not display_size or size <= display_size * ICEBERG_SLICES_MAX:
        return None
    return Refused("invalid_params", f"display_size must be at least size / {ICEBERG_SLICES_MAX}", "display_size")


def short_of(asset: str, need: int, available: int) -> Refused:
    """There is less of an asset than a command takes, both in its units."""
    text = f"this needs {asset_text(need)} {asset}; {asset_text(available)} is available"
    return Refused("insufficient_balance", text)


def rejected(event: Rejected) -> Refused:
    """The matcher does not take the order."""
    text, field = _REFUSALS.get(event.code, (f"the order can't be entered: {event.code}", None))
    return Refused(event.code if event.code in _REFUSALS else "invalid_params", text, field)
