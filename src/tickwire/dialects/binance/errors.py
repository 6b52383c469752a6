"""The errors of this protocol: the table of codes with their words, and which of them our own refusals become.

Clients compare the words, so those of the table are the venue's, letter by letter. Where it has none for what happened,
the field is named.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from tickwire.errors import InvalidInput, InvalidNumber
from tickwire.protocol.rate import RateLimited

Doing = Literal["place", "cancel", "amend", "read"]
"""What was refused: the same cause has another code by that."""


class ErrorCode(NamedTuple):
    """One code: its name, its words with `%s` for what they name, and the HTTP status that goes with it."""

    name: str
    text: str
    status: int = 400


CODES: dict[int, ErrorCode] = {
    -1000: ErrorCode("UNKNOWN", "An unknown error occurred while processing the request.", 500),
    -1002: ErrorCode("UNAUTHORIZED", "You are not authorized to execute this request.", 401),
    -1003: ErrorCode(
        "TOO_MANY_REQUESTS",
        "Too much request weight used; current limit is %s request weight per %s. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        429,
    ),
    -1007: ErrorCode(
        "TIMEOUT",
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        503,
    ),
    -1008: ErrorCode(
        "SERVER_BUSY", "Server is currently overloaded with other requests. Please try again in a few minutes.", 503
    ),
    -1013: ErrorCode("INVALID_MESSAGE", "Filter failure: %s"),
    -1014: ErrorCode("UNKNOWN_ORDER_COMPOSITION", "Unsupported order combination."),
    -1015: ErrorCode("TOO_MANY_ORDERS", "Too many new orders; current limit is %s orders per %s.", 429),
    -1016: ErrorCode("SERVICE_SHUTTING_DOWN", "This service is no longer available.", 503),
    -1020: ErrorCode("UNSUPPORTED_OPERATION", "This operation is not supported."),
    -1021: ErrorCode("INVALID_TIMESTAMP", "Timestamp for this request is outside of the recvWindow."),
    -1022: ErrorCode("INVALID_SIGNATURE", "Signature for this request is not valid."),
    -1034: ErrorCode("TOO_MANY_CONNECTIONS", "Too many concurrent connections; current limit is '%s'.", 429),
    -1100: ErrorCode("ILLEGAL_CHARS", "Illegal characters found in parameter '%s'; legal range is '%s'."),
    -1101: ErrorCode("TOO_MANY_PARAMETERS", "Too many parameters; expected '%s' and received '%s'."),
    -1102: ErrorCode(
        "MANDATORY_PARAM_EMPTY_OR_MALFORMED", "Mandatory parameter '%s' was not sent, was empty/null, or malformed."
    ),
    -1103: ErrorCode("UNKNOWN_PARAM", "An unknown parameter was sent."),
    -1104: ErrorCode(
        "UNREAD_PARAMETERS", "Not all sent parameters were read; read '%s' parameter(s) but was sent '%s'."
    ),
    -1105: ErrorCode("PARAM_EMPTY", "Parameter '%s' was empty."),
    -1106: ErrorCode("PARAM_NOT_REQUIRED", "Parameter '%s' sent when not required."),
    -1111: ErrorCode("BAD_PRECISION", "Parameter '%s' has too much precision."),
    -1112: ErrorCode("NO_DEPTH", "No orders on book for symbol."),
    -1114: ErrorCode("TIF_NOT_REQUIRED", "TimeInForce parameter sent when not required."),
    -1115: ErrorCode("INVALID_TIF", "Invalid timeInForce."),
    -1116: ErrorCode("INVALID_ORDER_TYPE", "Invalid orderType."),
    -1117: ErrorCode("INVALID_SIDE", "Invalid side."),
    -1120: ErrorCode("BAD_INTERVAL", "Invalid interval."),
    -1121: ErrorCode("BAD_SYMBOL", "Invalid symbol."),
    -1128: ErrorCode("OPTIONAL_PARAMS_BAD_COMBO", "Combination of optional parameters invalid."),
    -1130: ErrorCode("INVALID_PARAMETER", "Data sent for parameter '%s' is not valid."),
    -1135: ErrorCode("INVALID_JSON", "Invalid JSON Request"),
    -1145: ErrorCode("INVALID_CANCEL_RESTRICTIONS", "Invalid cancelRestrictions"),
    -1151: ErrorCode("DUPLICATE_SYMBOLS", "Symbol is present multiple times in the list."),
    -1194: ErrorCode("INVALID_TIME_UNIT", "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."),
    -2010: ErrorCode("NEW_ORDER_REJECTED", "%s"),
    -2011: ErrorCode("CANCEL_REJECTED", "%s"),
    -2013: ErrorCode("NO_SUCH_ORDER", "Order does not exist."),
    -2014: ErrorCode("BAD_API_KEY_FMT", "API-key format invalid.", 401),
    -2015: ErrorCode("REJECTED_MBX_KEY", "Invalid API-key, IP, or permissions for action.", 401),
    -2021: ErrorCode("CANCEL_REPLACE_PARTIALLY_FAILED", "Order cancel-replace partially failed.", 409),
    -2022: ErrorCode("CANCEL_REPLACE_FAILED", "Order cancel-replace failed."),
    -2035: ErrorCode("SUBSCRIPTION_ACTIVE", "User Data Stream subscription already active."),
    -2036: ErrorCode("SUBSCRIPTION_INACTIVE", "User Data Stream subscription not active."),
    -2038: ErrorCode("ORDER_AMEND_REJECTED", "%s"),
    -2039: ErrorCode("CLIENT_ORDER_ID_INVALID", "Client order ID is not correct for this order ID."),
    -4056: ErrorCode("NOT_AN_ED25519_KEY", "HMAC_SHA256 API key is not supported.", 401),
}

UNKNOWN_ORDER = "Unknown order sent."
DUPLICATE_ORDER = "Duplicate order sent."
NOT_CANCELED = "Order was not canceled due to cancel restrictions."
TOO_THICK = "IcebergQty exceeds QTY."
NO_INCREASE = "Order amend (quantity increase) is not supported."

_REJECTED: dict[str, str] = {
    "insufficient_balance": "Account has insufficient balance for requested action.",
    "duplicate_id": DUPLICATE_ORDER,
    "would_take": "Order would immediately match and take.",
    "would_trigger": "Order would trigger immediately.",
    "trading_halted": "Market is closed.",
    "not_tradable": "This symbol is not permitted for this account.",
    "kill_switch": "This action is disabled on this account.",
    "would_not_fill": "Order rejected: with timeInForce FOK it can't be filled whole within its limit.",
    "no_change": "The requested action would change no state; rejecting",
    "unknown_order": UNKNOWN_ORDER,
    "order_closed": UNKNOWN_ORDER,
}
"""What the market refuses, in the venue's words; a fill-or-kill order that the venue would expire, ours refuses."""
_REJECTION: dict[Doing, int] = {"place": -2010, "cancel": -2011, "amend": -2038}
_FILTERS: dict[str, str] = {
    "price_out_of_band": "PERCENT_PRICE",
    "size_too_large": "LOT_SIZE",
    "notional_too_small": "MIN_NOTIONAL",
    "notional_too_large": "NOTIONAL",
    "too_many_orders": "MAX_NUM_ORDERS",
}
"""Limits of an instrument by the name of the filter that states them in `exchangeInfo`."""
_STEPS: dict[str, str] = {
    "price": "PRICE_FILTER",
    "stop_price": "PRICE_FILTER",
    "size": "LOT_SIZE",
    "display_size": "LOT_SIZE",
}
"""Filters that a number breaks which is no whole number of steps, or not above 0."""
_OTHER: dict[str, int] = {
    "unknown_symbol": -1121,
    "not_available": -1121,
    "login_failed": -2015,
    "not_logged_in": -2015,
    "not_permitted": -2015,
    "not_entitled": -1002,
    "busy": -1008,
    "outcome_unknown": -1007,
}
_NAMES: dict[str, str] = {
    "size": "quantity",
    "stop_price": "stopPrice",
    "display_size": "icebergQty",
    "client_order_id": "newClientOrderId",
    "order_id": "orderId",
    "time_in_force": "timeInForce",
    "self_trade_prevention": "selfTradePreventionMode",
    "post_only": "type",
}
"""What our fields are called here."""


class BinanceError(InvalidInput):
    """A refusal in the words of this protocol.

    Args:
        number: one of `CODES`.
        words: what the code's text names, in order.
        text: instead of the code's own. data: what the error carries besides.
        code: our own, for the meters.
        retry_after_s: when to come again, in seconds.
    """

    def __init__(
        self,
        number: int,
        *words: object,
        text: str = "",
        data: Any = None,
        code: str = "invalid_params",
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(text or (CODES[number].text % words if words else CODES[number].text), code=code)
        self.number = number
        self.data = data
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return CODES[self.number].status

    def body(self) -> dict[str, Any]:
        """The error as the wire shows it."""
        shown: dict[str, Any] = {"code": self.number, "msg": self.message}
        if self.data is not None:
            shown["data"] = self.data
        return shown


def venue_error(error: InvalidInput, doing: Doing = "read") -> BinanceError:
    """One of our own refusals as this protocol says it."""
    if isinstance(error, BinanceError):
        return error
    code, field = error.code, error.field or ""
    if isinstance(error, RateLimited):
        return BinanceError(-1003, text=error.message, code=code, retry_after_s=error.retry_after_s)
    if code in ("unknown_order", "order_closed") and doing == "read":
        return BinanceError(-2013, code=code)
    if code in _REJECTED:
        return BinanceError(_REJECTION.get(doing, -2010), _REJECTED[code], code=code)
    if code in _FILTERS:
        return BinanceError(-1013, _FILTERS[code], code=code)
    if code in _OTHER:
        return BinanceError(_OTHER[code], code=code)
    if field == "display_size" and not isinstance(error, InvalidNumber):
        return BinanceError(-1013, "ICEBERG_PARTS")
    if field in _STEPS:
        return BinanceError(-1013, _STEPS[field])
    return BinanceError(-1130, _NAMES.get(field, field)) if field else BinanceError(-1000, code=code)
