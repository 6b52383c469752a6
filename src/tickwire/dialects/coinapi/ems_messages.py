"""The shapes of order entry (EMS): what a client asks, and what it is told, as types.

Amounts and prices are JSON numbers. They are written from decimal strings and read from the text as it came, so that
no number ever goes through a float.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from tickwire.dialects.coinapi.messages import Number
from tickwire.errors import InvalidInput, InvalidNumber
from tickwire.protocol.codec import JSON

T = TypeVar("T")

RejectReason = Literal[
    "OTHER",
    "EXCHANGE_UNREACHABLE",
    "EXCHANGE_RESPONSE_TIMEOUT",
    "ORDER_ID_NOT_FOUND",
    "INVALID_TYPE",
    "METHOD_NOT_SUPPORTED",
    "JSON_ERROR",
]
Status = Literal[
    "RECEIVED", "ROUTING", "ROUTED", "NEW", "PENDING_CANCEL", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED"
]

REJECTED_MESSAGE_MAX = 4_096
"""Characters of a rejected message that are sent back: any request that makes sense has a tenth of it."""

_NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?", re.ASCII)
_NUMBER_CHARS_MAX = 100


class Reject(Exception):
    """A message that is not carried out, for a reason that the protocol has a name for."""

    def __init__(self, reason: RejectReason, message: str, exchange_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.exchange_id = exchange_id


# ---- client to server ----------------------------------------------------------------------------


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str = ""
    exchange_id: str


class NewOrder(_Request, frozen=True, kw_only=True):
    """`ORDER_NEW_SINGLE_REQUEST`."""

    client_order_id: str
    symbol_id_exchange: str | None = None
    symbol_id_coinapi: str | None = None
    amount_order: msgspec.Raw
    price: msgspec.Raw
    side: Literal["BUY", "SELL"]
    order_type: str
    time_in_force: str
    expire_time: str | None = None
    exec_inst: list[str] | str | None = None


class CancelSingle(_Request, frozen=True, kw_only=True):
    """`ORDER_CANCEL_SINGLE_REQUEST`: one of the two ids."""

    exchange_order_id: str | int | None = None
    client_order_id: str | None = None


class CancelEvery(_Request, frozen=True, kw_only=True):
    """`ORDER_CANCEL_ALL_REQUEST`."""


class Envelope(msgspec.Struct, frozen=True):
    """As much of a message as says what it is."""

    type: Any = None
    exchange_id: Any = None


def decoded(data: bytes, as_type: type[T], *, again: bool = False) -> T:
    """A message, or as much of it as the type has.

    Args:
        again: the same bytes were decoded before, as another type.

    Raises:
        Reject: it is no JSON object, has a key twice, or is not of the type; the words name the field.
    """
    try:
        if not again and (repeated := JSON.repeated_key(data)) is not None:
            raise Reject("JSON_ERROR", f"the key {repeated!r} is given twice")
        return JSON.decode(data, as_type)
    except msgspec.ValidationError as error:
        if as_type is Envelope or ("$." not in str(error) and "field" not in str(error)):
            raise Reject("JSON_ERROR", "a message is one JSON object") from None
        raise Reject("OTHER", str(error)) from None
    except (ValueError, RecursionError) as error:  # what msgspec raises is a ValueError
        raise Reject("JSON_ERROR", f"the message can't be decoded: {error}") from None


def decimal_text(raw: msgspec.Raw, field: str) -> str:
    """The plain decimal of a JSON number, or of a string with one; 1e-3 is 0.001, exactly.

    Raises:
        InvalidNumber: it is neither.
    """
    text = bytes(raw).decode(errors="replace").removeprefix('"').removesuffix('"')
    found = _NUMBER.fullmatch(text) if len(text) <= _NUMBER_CHARS_MAX else None
    if found is None:
        raise InvalidNumber(f"{field} must be a decimal number such as 0.045", field=field)
    sign, whole, fraction, exponent = found[1], found[2], found[3] or "", int(found[4] or 0)
    point = len(whole) + exponent
    digits = (whole + fraction).ljust(point, "0")
    if point <= 0:
        digits, point = "0" * (1 - point) + digits, 1
    whole, fraction = digits[:point].lstrip("0") or "0", digits[point:]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


NOTHING = Number("0")


# ---- server to client ----------------------------------------------------------------------------


class FillReport(msgspec.Struct, frozen=True):
    """One fill of an order; `id` is the trade's."""

    id: str
    time: str
    price: Number
    amount: Number


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands: flat in `ORDER_EXEC_REPORT_UPDATE`, a row of `ORDER_EXEC_REPORT_SNAPSHOT`.

    `id` and `exchange_order_id` are the order's here, null until it has one. `amount_open` may still fill; of an order
    that has ended it is what did not. `price` is 0 for an order without a limit, which other protocols may place.
    """

    type: str | UnsetType = UNSET
    id: str | None
    client_order_id_format_exchange: str
    exchange_order_id: str | None
    amount_open: Number
    amount_filled: Number
    status: Status
    status_history: list[tuple[Status, str]]
    error_message: str | None
    fills: list[FillReport]
    exchange_id: str
    client_order_id: str
    symbol_id_exchange: str
    symbol_id_coinapi: str
    amount_order: Number
    price: Number
    avg_px: Number
    side: Literal["BUY", "SELL"]
    order_type: str
    time_in_force: str
    expire_time: str | None
    exec_inst: list[str]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset: flat in `BALANCE_UPDATE`, a row of `BALANCE_SNAPSHOT`. `rate_usd` is null where no price leads to
    it."""

    type: str | UnsetType = UNSET
    exchange_id: str | UnsetType = UNSET
    asset_id_exchange: str
    asset_id_coinapi: str
    balance: Number
    available: Number
    locked: Number
    last_updated_by: Literal["INITIALIZATION", "BALANCE_MANAGER", "EXCHANGE"]
    rate_usd: Number | None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One position: flat in `POSITION_UPDATE`, a row of `POSITION_SNAPSHOT`. It is paid in full: there is no leverage
    and no liquidation. The vendor spells the profit in two ways."""

    type: str | UnsetType = UNSET
    exchange_id: str | UnsetType = UNSET
    symbol_id_exchange: str
    symbol_id_coinapi: str
    avg_entry_price: Number
    quantity: Number
    side: Literal["BUY", "SELL"]
    unrealised_pnl: Number | None
    unrealized_pnl: Number | None
    leverage: int = 1
    cross_margin: bool = False
    liquidation_price: None = None


class SymbolRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `SYMBOLS_SNAPSHOT`."""

    symbol_id_coinapi: str
    symbol_id_exchange: str
    asset_id_base_exchange: str
    asset_id_quote_exchange: str
    asset_id_base_coinapi: str
    asset_id_quote_coinapi: str
    price_precision: Number
    size_precision: Number


class Snapshot(msgspec.Struct, frozen=True):
    """All of something on one exchange; it replaces what the client had."""

    type: Literal["ORDER_EXEC_REPORT_SNAPSHOT", "BALANCE_SNAPSHOT", "POSITION_SNAPSHOT", "SYMBOLS_SNAPSHOT"]
    exchange_id: str
    data: list[Any]


class ServerInfo(msgspec.Struct, frozen=True, tag_field="type", tag="SERVER_INFO", kw_only=True):
    """Who serves, on open and every second after."""

    time: str
    instance_guid: str
    exchange_id: str | None
    server_version: str
    server_name: str
    dns_name: str
    is_running: bool
    time_server_start: str


class MessageReject(msgspec.Struct, frozen=True, tag_field="type", tag="MESSAGE_REJECT"):
    """A message that was not carried out. The connection goes on."""

    reject_reason: RejectReason
    exchange_id: str | None
    message: str
    rejected_message: str | None


REASONS: dict[str, RejectReason] = {
    "invalid_json": "JSON_ERROR",
    "unknown_order": "ORDER_ID_NOT_FOUND",
    "busy": "EXCHANGE_UNREACHABLE",
    "outcome_unknown": "EXCHANGE_RESPONSE_TIMEOUT",
}
"""The reason for an error code; OTHER for those that are not here."""


def reject_of(error: InvalidInput, exchange_id: str | None = None) -> Reject:
    """An error of ours as a reject."""
    named = f" ({error.field})" if error.field and error.field not in error.message else ""
    return Reject(REASONS.get(error.code, "OTHER"), f"{error.message}{named}", exchange_id)
